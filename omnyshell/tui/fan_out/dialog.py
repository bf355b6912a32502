"""Asking what to run on many nodes."""

from collections.abc import Iterable, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, choice, field
from omnyshell.tui.dialogs.reading import Reading, filled
from omnyshell.tui.fan_out.runs import Job

NAMED = 8
TIME_LIMITS = (("1 minute", "60"), ("10 minutes", "600"), ("1 hour", "3600"), ("1 day", "86400"))


class CommandDialog(Dialog[Job]):
    """The command to run, and where."""

    TITLE = "Run on nodes"
    ACTION = "Run"

    def __init__(self, node_ids: Sequence[str], command: str = "") -> None:
        super().__init__()
        self._node_ids = node_ids
        self._command = command

    def form(self) -> Iterable[Widget]:
        """The nodes, and the command."""
        names = ", ".join(self._node_ids[:NAMED])
        more = f" and {len(self._node_ids) - NAMED} more" if len(self._node_ids) > NAMED else ""
        yield row("On", Static(Content(printable(names + more)), markup=False))
        yield row("Command", field("command", self._command, "for the node's shell"))
        yield row("Directory", field("cwd", hint="empty for the home directory"))
        yield row("Time limit", choice("limit", TIME_LIMITS, "600"))

    def on_mount(self) -> None:
        """Begin with the command."""
        self.query_one("#command").focus()

    def read(self, reading: Reading) -> Job:
        """What is to be run."""
        command = reading.take("command", filled("What is to be run?"), "")
        return Job(command, self.value("cwd"), float(self.value("limit")))
