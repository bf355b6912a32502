"""Inviting a node or a user, and showing the line by which they join."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.ids import is_node_id
from omnyshell.model.admin import InviteKind
from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import InviteCreate
from omnyshell.tui.dialogs.dialog import Dialog, choice, field, row
from omnyshell.tui.dialogs.reading import Reading, filled
from omnyshell.tui.dialogs.session import pairs
from omnyshell.tui.keys import Context, bindings

NODE, FLEET, PERSON = "node", "fleet", "user"
KINDS = (("a machine, as a node", NODE), ("several machines, as nodes", FLEET), ("a person", PERSON))
ASKED_OF = {
    NODE: ("name", "labels"),
    FLEET: ("uses", "prefix", "labels"),
    PERSON: ("name", "roles"),
}
"""The fields for each kind of invite; terms apply to all."""

LIFETIMES = (("15 minutes", "900"), ("1 hour", "3600"), ("1 day", "86400"))
TERMS = (("for good", ""), ("8 hours", "28800"), ("1 day", "86400"), ("30 days", "2592000"))
"""For how long the joining node or user can log in, and has the roles."""


class InviteDialog(Dialog[InviteCreate]):
    """Whom to invite, and as what."""

    TITLE = "Invite"
    ACTION = "Invite"

    def form(self) -> Iterable[Widget]:
        """A node with id and labels, several nodes with a common prefix of their ids, or a user with name and roles."""
        yield row("Invite", choice("kind", KINDS, NODE))
        yield row("Name", field("name", hint="node id, empty for the machine's own name"))
        yield row("Machines", field("uses", hint="100: how many may join"))
        yield row("Id prefix", field("prefix", hint="web-: what their ids begin with, or nothing"))
        yield row("Labels", field("labels", hint="env=prod role=web"))
        yield row("Roles", field("roles", "developer", "developer, admin"))
        yield row("Access", choice("term", TERMS, ""))
        yield row("Good for", choice("ttl", LIFETIMES, "900"))

    def on_mount(self) -> None:
        """Begin with the form for a node."""
        self._show_what_applies()
        self.query_one("#name").focus()

    def on_select_changed(self) -> None:
        """Show the fields that the kind needs."""
        self._show_what_applies()
        self.on_input_changed()

    def read(self, reading: Reading) -> InviteCreate:
        """The invite to make."""
        ttl, term, kind = int(self.value("ttl")), int(self.value("term") or 0) or None, self.value("kind")
        if kind != PERSON:
            is_fleet = kind == FLEET
            return InviteCreate(
                request_id="",
                kind=InviteKind.NODE,
                node_id=None if is_fleet else reading.take("name", optional_node_id, None),
                uses=reading.take("uses", how_many, 1) if is_fleet else None,
                id_prefix=reading.take("prefix", optional_node_id, None) if is_fleet else None,
                labels=reading.take("labels", pairs, dict[str, str]()),
                ttl_seconds=ttl,
                key_ttl_seconds=term,
            )
        name = reading.take("name", filled("Who is invited?"), "")
        roles = reading.take("roles", role_names, tuple[str, ...]())
        return InviteCreate(
            request_id="",
            kind=InviteKind.USER,
            principal=name,
            roles=roles,
            ttl_seconds=ttl,
            role_ttl_seconds=term,
            key_ttl_seconds=term,
        )

    def _show_what_applies(self) -> None:
        asked = ASKED_OF[self.value("kind")]
        for name in {name for names in ASKED_OF.values() for name in names}:
            line = self.query_one(f"#{name}").parent
            if isinstance(line, Widget):
                line.display = name in asked


def optional_node_id(text: str) -> str | None:
    """Read a node id, or nothing. Raises `ValueError` that says what is wrong."""
    if text and not is_node_id(text):
        raise ValueError("No node id: letters, digits, '.', '_' and '-' are.")
    return text or None


def how_many(text: str) -> int:
    """Read a number of machines. Raises `ValueError` that says what is wrong."""
    number = filled("How many machines?")(text)
    if not (number.isascii() and number.isdigit() and len(number) <= 5 and int(number)):
        raise ValueError("A number, such as 100.")
    return int(number)


def role_names(text: str) -> tuple[str, ...]:
    """Read names of roles. Raises `ValueError` where there is none."""
    roles = tuple(text.replace(",", " ").split())
    if not roles:
        raise ValueError("Without any, nobody may do anything; developer and admin are two.")
    return roles


class LineDialog(Dialog[bool]):
    """Shows a line to paste elsewhere, in full; it can be copied from here."""

    TITLE = "Paste this line into a shell there"
    ACTION = "Copy"
    LEAVE = "Close"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.FORM), *bindings(Context.LINE)]

    def __init__(self, line: str, note: str) -> None:
        super().__init__()
        self._line = line
        self._note = note

    def form(self) -> Iterable[Widget]:
        """The line, and how long it is valid."""
        yield Static(printable(self._line), id="line", classes="text", markup=False)
        yield Static(self._note, classes="text", markup=False)

    def on_mount(self) -> None:
        """Enter copies."""
        self.query_one("#do").focus()

    def confirm(self) -> None:
        """Copy, and stay open, as it is unknown whether that worked."""
        self.action_copy()

    def action_copy(self) -> None:
        """Ask the user's terminal to copy the line; it does not answer."""
        self.app.copy_to_clipboard(self._line)
        self.notify("Sent to your terminal's clipboard. Does pasting give nothing? Select it with shift and the mouse.")

    def read(self, reading: Reading) -> bool:  # noqa: ARG002 - there is nothing to fill in
        """Return True: the line was shown."""
        return True
