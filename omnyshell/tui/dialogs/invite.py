"""Inviting a node or a person, and the line that they join with."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Select, Static

from omnyshell.ids import is_node_id
from omnyshell.model.admin import InviteKind
from omnyshell.printable import printable
from omnyshell.protocol.messages.admin import InviteCreate
from omnyshell.tui.dialogs.dialog import Dialog, MissingError, choice, field, row
from omnyshell.tui.dialogs.session import pairs
from omnyshell.tui.keys import Context, bindings

LIFETIMES = (("15 minutes", "900"), ("1 hour", "3600"), ("1 day", "86400"))


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
        yield row("Good for", choice("ttl", LIFETIMES, "900"))

    def on_mount(self) -> None:
        """A machine first."""
        self._show_what_applies()
        self.query_one("#name").focus()

    def on_select_changed(self) -> None:
        """Ask for what the kind needs."""
        self._show_what_applies()

    @property
    def kind(self) -> InviteKind:
        """Whom the invite is for."""
        return InviteKind(str(self.query_one("#kind", Select).value))

    def answer(self) -> InviteCreate:
        """The invite to make."""
        name, ttl = self.value("name"), int(str(self.query_one("#ttl", Select).value))
        if self.kind is InviteKind.NODE:
            if name and not is_node_id(name):
                raise ValueError(f"Name: '{name}' is no node id; letters, digits, '.', '_' and '-' are.")
            labels = pairs("Labels", self.value("labels"))
            return InviteCreate(
                request_id="", kind=InviteKind.NODE, node_id=name or None, labels=labels, ttl_seconds=ttl
            )
        if not name:
            raise MissingError("Name: who is invited?")
        roles = tuple(self.value("roles").replace(",", " ").split())
        if not roles:
            raise ValueError("Roles: without any, nobody may do anything; developer and admin are two.")
        return InviteCreate(request_id="", kind=InviteKind.USER, principal=name, roles=roles, ttl_seconds=ttl)

    def _show_what_applies(self) -> None:
        is_node = self.kind is InviteKind.NODE
        for name, shown in (("labels", is_node), ("roles", not is_node)):
            line = self.query_one(f"#{name}").parent
            if isinstance(line, Widget):
                line.display = shown


class LineDialog(Dialog[bool]):
    """Shows a line to paste elsewhere, whole; it can be copied from here."""

    TITLE = "Paste this line into a shell there"
    ACTION = "Copy"
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

    def answer(self) -> bool:
        """It was shown."""
        return True
