"""What runs in the sessions on a node, each as a tree."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.clock import Clock
from omnyshell.model.live import Part, session_key
from omnyshell.model.vitals import NodeProcesses
from omnyshell.printable import printable, sentence
from omnyshell.services.client.live.state import HubState
from omnyshell.tui import messages
from omnyshell.tui.formats import Cell, Tone, cpu, size
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.needs import need_of
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import Number, Quantity, Text
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.process_tree import ProcessRow, ProcessTrees
from omnyshell.tui.rights import ref_of, why_not


class ProcessesPanel(Panel[ProcessRow]):
    """The processes that a node last told of; whoever asks the node gives them to `put`."""

    PART = Part.SESSIONS
    NAME = "Processes"
    NUMBER = 5
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.PROCESSES, Context.TABLE)
    COLUMNS = (
        Column(
            "SESSION",
            8,
            lambda row, _: Cell(row.process.session_id[:8], Tone.DIM),
            Text("session", "the session's id, shown by its beginning", lambda row, _: row.process.session_id),
            keep=40,
        ),
        Column(
            "PID",
            7,
            lambda row, _: Cell(str(row.process.pid)),
            Number("pid", "its id", lambda row, _: row.process.pid),
            keep=80,
            right=True,
        ),
        Column(
            "USER",
            8,
            lambda row, _: Cell(row.process.user),
            Text("user", "who runs it", lambda row, _: row.process.user),
            most=10,
            keep=50,
        ),
        Column(
            "CPU",
            5,
            lambda row, _: cpu(row.cpu),
            Number("cpu", "how much of a processor it takes", lambda row, _: row.cpu, Quantity.SHARE),
            keep=70,
            right=True,
            falls=True,
        ),
        Column(
            "MEMORY",
            6,
            lambda row, _: Cell(size(row.process.memory)),
            Number("memory", "memory that it takes", lambda row, _: row.process.memory, Quantity.SIZE),
            keep=60,
            right=True,
            falls=True,
        ),
        Column(
            "COMMAND",
            16,
            lambda row, _: Cell(row.branch + row.process.command, Tone.STRONG if not row.branch else Tone.PLAIN),
            Text("command", "its command line, without likely secrets", lambda row, _: row.process.command),
            most=200,
            keep=100,
        ),
    )
    SORTED_BY = None

    def __init__(self, state: HubState, clock: Clock, node_id: str) -> None:
        super().__init__(state, clock)
        self._node_id = node_id
        self._trees = ProcessTrees()
        self._found: list[ProcessRow] = []
        self._left_out = 0
        self._problem = ""
        self._puts = 0

    def put(self, found: NodeProcesses) -> None:
        """Show what a node told."""
        self._found = self._trees.rows(found.found, self._clock.monotonic())
        self._left_out, self._problem = found.left_out, ""
        self._puts += 1
        self.take()

    def fail(self, problem: str) -> None:
        """Say why nothing newer is known."""
        self._problem = problem
        self.show()

    def version(self) -> int:
        """A number that increases with each change of the items."""
        return self._puts

    def key_of(self, item: ProcessRow) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[ProcessRow]:
        """What the node last told of."""
        return self._found

    def extra(self) -> list[str]:
        """What is not shown, and why."""
        words = [f"{self._left_out} more"] if self._left_out else []
        return [*words, printable(self._problem)] if self._problem and self.rows.total else words

    def empty_text(self) -> str:
        """Why there is nothing."""
        return sentence(printable(self._problem)) if self._problem else "No session runs here."

    def describe(self, item: ProcessRow) -> details.Details:
        """All that is known of a process."""
        return details.of_process(item.process)

    def identify(self, item: ProcessRow) -> tuple[str, str]:
        """What one copies first."""
        return "PID", str(item.process.pid)

    def forbids(self, action: str) -> str:
        """Return why the user may not do it to the session of the row."""
        row = self.rows.current
        return why_not(need_of(Context.PROCESSES, action), self._session(row) if row is not None else None, self.state)

    def open(self, item: ProcessRow) -> None:
        """Attach the session that it belongs to."""
        self.post_message(messages.AttachSession(self._session(item)))

    def _session(self, row: ProcessRow) -> SessionRef:
        session_id = row.process.session_id
        known = self.state.sessions.get(session_key(self._node_id, session_id))
        return ref_of(known, self.state) if known is not None else SessionRef(self._node_id, session_id)
