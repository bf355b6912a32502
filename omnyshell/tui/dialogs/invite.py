"""Inviting a node or a person, and the line that they join with."""

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

LIFETIMES = (("15 minutes", "900"), ("1 hour", "3600"), ("1 day", "86400"))
TERMS = (("for good", ""), ("8 hours", "28800"), ("1 day", "86400"), ("30 days", "2592000"))
"""For how long whoever joins may log in, and has the roles."""


class InviteDialog(Dialog[InviteCreate]):
    """Whom to invite, and as what."""

    TITLE = "Invite"
    ACTION = "Invite"

    def form(self) -> Iterable[Widget]:
        """A node with an id and labels, or a person with a name and roles."""
        yield row("Invite", choice("kind", [("a machine, as a node", "node"), ("a person", "user")], "node"))
        yield row("Name", field("name", hint="node id, empty for the machine's own name"))
        yield row("Labels", field("labels", hint="env=prod role=web"))
        yield row("Roles", field("roles", "developer", "for a person: developer, admin"))
        yield row("Access", choice("term", TERMS, ""))
        yield row("Good for", choice("ttl", LIFETIMES, "900"))

    def on_mount(self) -> None:
        """A machine first."""
        self._show_what_applies()
        self.query_one("#name").focus()

    def on_select_changed(self) -> None:
        """Ask for what the kind needs."""
        self._show_what_applies()
        self.on_input_changed()

    @property
    def kind(self) -> InviteKind:
        """Whom the invite is for."""
        return InviteKind(self.value("kind"))

    def read(self, reading: Reading) -> InviteCreate:
        """The invite to make."""
        ttl, term = int(self.value("ttl")), int(self.value("term") or 0) or None
        if self.kind is InviteKind.NODE:
            node_id = reading.take("name", optional_node_id, None)
            labels = reading.take("labels", pairs, dict[str, str]())
            return InviteCreate(
                request_id="",
                kind=InviteKind.NODE,
                node_id=node_id,
                labels=labels,
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
        is_node = self.kind is InviteKind.NODE
        for name, shown in (("labels", is_node), ("roles", not is_node)):
            line = self.query_one(f"#{name}").parent
            if isinstance(line, Widget):
                line.display = shown


def optional_node_id(text: str) -> str | None:
    """Read a node id, or nothing. Raises `ValueError` that says what is wrong."""
    if text and not is_node_id(text):
        raise ValueError("No node id: letters, digits, '.', '_' and '-' are.")
    return text or None


def role_names(text: str) -> tuple[str, ...]:
    """Read names of roles. Raises `ValueError` where there is none."""
    roles = tuple(text.replace(",", " ").split())
    if not roles:
        raise ValueError("Without any, nobody may do anything; developer and admin are two.")
    return roles


class LineDialog(Dialog[bool]):
    """Shows a line to paste elsewhere, whole; it can be copied from here."""

    TITLE = "Paste this line into a shell there"
    ACTION = "Copy"
    LEAVE = "Close"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.FORM), *bindings(Context.LINE)]

    def __init__(self, line: str, note: str) -> None:
        super().__init__()
        self._line = line
        self._note = note

    def form(self) -> Iterable[Widget]:
        """The line, and how long it is good."""
        yield Static(printable(self._line), id="line", classes="text", markup=False)
        yield Static(self._note, classes="text", markup=False)

    def on_mount(self) -> None:
        """Enter copies."""
        self.query_one("#do").focus()

    def confirm(self) -> None:
        """Copy, and stay: nobody knows whether it worked."""
        self.action_copy()

    def action_copy(self) -> None:
        """Ask the user's terminal to take the line; it does not answer."""
        self.app.copy_to_clipboard(self._line)
        self.notify("Sent to your terminal's clipboard. Does pasting give nothing? Select it with shift and the mouse.")

    def read(self, reading: Reading) -> bool:  # noqa: ARG002 - there is nothing to fill in
        """It was shown."""
        return True
