"""Asking what to run on many nodes."""

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.tui.dialogs.dialog import Dialog, MissingError, field, row

NAMED = 8


class CommandDialog(Dialog[str]):
    """The command to run, and where."""

    TITLE = "Run on nodes"
    ACTION = "Run"

    def __init__(self, node_ids: Sequence[str]) -> None:
        super().__init__()
        self._node_ids = node_ids

    def form(self) -> Iterable[Widget]:
        """The nodes, and the command."""
        names = ", ".join(self._node_ids[:NAMED])
        more = f" and {len(self._node_ids) - NAMED} more" if len(self._node_ids) > NAMED else ""
        yield row("On", Static(Content(printable(names + more)), markup=False))
        yield row("Command", field("command", hint="for the node's shell"))

    def on_mount(self) -> None:
        """Begin with the command."""
        self.query_one("#command").focus()

    def answer(self) -> str:
        """The command."""
        command = self.value("command")
        if not command:
            raise MissingError("Command: what is to be run?")
        return command
