"""Asking what to run on many nodes."""

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.tui.dialogs.dialog import Dialog, field, row
from omnyshell.tui.dialogs.reading import Reading, filled

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

    def read(self, reading: Reading) -> str:
        """The command."""
        return reading.take("command", filled("What is to be run?"), "")
