"""What sessions on a terminal and on pipes have in common: input, output under a budget, and the end."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from enum import Enum

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import Asker, Foreground, OutputSink
from omnyshell.services.node.processes.descriptor_io import FdReader, FdWriter, do_nothing
from omnyshell.services.node.processes.leader import Leader
from omnyshell.services.node.processes.process_table import signal_name
from omnyshell.services.node.records.journal import JournalIntake
from omnyshell.services.node.records.record import SessionRecord
from omnyshell.steps import entered

logger = logging.getLogger("omnyshell.node")


class Stage(Enum):
    """How far a process has come."""

    RUNNING = "running"
    KILLED = "killed"
    """It ends with its leader, and the rest of its output is dropped."""

    DRAINING = "draining"
    """Its leader has exited, and its output has not ended."""

    ENDED = "ended"


_FOLLOWING: Mapping[Stage, Collection[Stage]] = {
    Stage.RUNNING: {Stage.KILLED, Stage.DRAINING, Stage.ENDED},
    Stage.KILLED: {Stage.ENDED},
    Stage.DRAINING: {Stage.ENDED},
    Stage.ENDED: (),
}

_DRAINING = Stage.DRAINING

UNKNOWN_CODE = 255
"""The exit code of a process whose parent ended before it."""

CODE_UNKNOWN = "omnyshell: nobody knows how the command ended, as its keeper was gone\r\n"


class ProcessSession(ABC):
    """A process whose exit is reported after its last output.

    After the leader has exited, output is drained to its end, however long a descendant keeps a stream open, or until
    `quiet` seconds after the last byte (docs/protocol.md#how-a-session-ends). That clock stands still while
    the sink has no budget.
    """

    _of_node = DataOpcode.STDERR
    """The stream in which the node says something of its own."""

    def __init__(
        self, leader: Leader, sink: OutputSink, *, quiet: float | None, record: SessionRecord | None = None
    ) -> None:
        """The session owns the leader from now on. Its output is read into the record, if it has one."""
        self.record = record
        self._loop = asyncio.get_running_loop()
        self._child = leader
        self._sink = sink
        self._quiet = quiet
        self._readers: list[FdReader] = []
        self._writer: FdWriter | None = None
        self._return_code: int | None = None
        """The leader's; None until it has exited."""

        self._is_code_unknown = False

        self._drain_timer: asyncio.TimerHandle | None = None
        self._stage = Stage.RUNNING
        leader.watch(self._leader_exited)

    @property
    def pid(self) -> int:
        """The process id of the leader."""
        return self._child.pid

    def write(self, data: bytes) -> None:
        """Queue input; if nobody reads it any more, it counts as taken."""
        if self._writer is not None:
            self._writer.write(data)
            return
        if self.record is not None:
            self.record.written(len(data))
        self._sink.input_taken(len(data))

    @abstractmethod
    def eof(self) -> None:
        """End the input after what is queued."""

    @abstractmethod
    def resize(self, cols: int, rows: int) -> None:
        """Resize the terminal, in character cells."""

    @abstractmethod
    def signal(self, name: str) -> None:
        """Signal what runs in the foreground; an unknown name is ignored."""

    @property
    def user(self) -> str:
        """The user as whom it runs."""
        return self._child.user

    def admit(self, asker: Asker, answered: Callable[[str], None]) -> None:
        """Say whether somebody may have it; see `OwnedSession`."""
        self._child.admit(asker, answered)

    def look(self, done: Callable[[], None]) -> None:
        """Learn anew what runs in the foreground of a terminal; there is nothing to be told of pipes."""
        done()

    def foreground(self) -> Foreground:
        """What runs in the foreground; unknown without a terminal."""
        return Foreground()

    def type_reply(self, data: bytes) -> None:
        """Queue the node's own input, which is not part of the client's stream."""
        if self._writer is not None:
            self._writer.write_unaccounted(data)

    def resume_output(self) -> None:
        """Resume reading: the sink has a budget again."""
        for reader in self._readers:
            reader.resume()
        if self._stage is _DRAINING:
            self._restart_drain_clock()

    def kill(self) -> None:
        """End every process of the session, and drop its output. Idempotent."""
        self._mark_killed()
        self._child.kill()
        if self._stage is _DRAINING:
            self._finish()

    def kill_now(self) -> None:
        """End every process of the session without giving it time."""
        self._mark_killed()
        self._child.kill_now()

    @property
    def has_ended(self) -> bool:
        """Whether leader and output have ended."""
        return self._stage is Stage.ENDED

    def forget(self) -> None:
        """Nobody will ask how it ended any more. Idempotent."""
        self._child.forget()

    def leave(self) -> None:
        """Leave it, as it is, to the node's next process."""
        self._child.leave()
        for reader in self._readers:
            reader.close()
        if self._writer is not None:
            self._writer.abandon()
        if self._drain_timer is not None:
            self._drain_timer.cancel()

    def _read_from(self, fd: int, stream: DataOpcode, before_more: Callable[[], None] = do_nothing) -> None:
        def deliver(data: bytes) -> None:
            self._sink.output(stream, data)
            if self._stage is _DRAINING:
                self._restart_drain_clock()

        reader = FdReader(
            fd,
            budget=self._sink.budget,
            deliver=deliver,
            ended=self._stream_ended,
            before_more=before_more,
            intake=JournalIntake(self.record.journal, stream) if self.record is not None else None,
        )
        self._readers.append(reader)

    def _write_to(self, fd: int, closed: Callable[[], None] = do_nothing) -> None:
        self._writer = FdWriter(fd, taken=self._sink.input_taken, closed=closed, log=self.record)

    def _leader_exited(self, return_code: int | None) -> None:
        self._is_code_unknown = return_code is None
        self._return_code = UNKNOWN_CODE if return_code is None else return_code
        if self._stage is Stage.KILLED or not any(reader.is_open for reader in self._readers):
            self._finish()
        else:
            self._become(_DRAINING)
            self._restart_drain_clock()

    def _stream_ended(self) -> None:
        if self._stage is _DRAINING and not any(reader.is_open for reader in self._readers):
            self._finish()

    def _restart_drain_clock(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        if self._quiet is not None:
            self._drain_timer = self._loop.call_later(self._quiet, self._drained)

    def _drained(self) -> None:
        self._drain_timer = None
        if any(reader.is_paused for reader in self._readers):
            return
        if self._return_code is not None:
            self._return_code = self._cut_off(self._return_code)
        self._finish()

    def _cut_off(self, code: int) -> int:
        """Return the exit code of a process whose output is given up: its own, as programs on terminals leave some."""
        return code

    def _finish(self) -> None:
        code = self._return_code
        if code is None:
            raise RuntimeError("the process has not exited")
        self._become(Stage.ENDED)
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        for reader in self._readers:
            reader.close()
        if self._writer is not None:
            self._writer.close()
        if self._is_code_unknown:
            self._tell(CODE_UNKNOWN)
        self._sink.exited(code, signal_name(-code) if code < 0 else None)
        self._child.output_done()

    def _tell(self, text: str) -> None:
        """Say something of the node's own, as far as there is credit."""
        if chunk := text.encode()[: self._sink.budget()]:
            self._sink.output(self._of_node, chunk)

    def _mark_killed(self) -> None:
        if self._stage is Stage.RUNNING:
            self._become(Stage.KILLED)

    def _become(self, stage: Stage) -> None:
        self._stage = entered(stage, self._stage, _FOLLOWING, "process", logger, pid=self._child.pid)
