"""Commands on pipes: stdout and stderr apart, and a stdin that can end."""

import fcntl
from contextlib import suppress

from omnyshell.durations import format_duration
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import OutputSink
from omnyshell.services.node.processes.leader import Leader
from omnyshell.services.node.processes.process import ProcessSession
from omnyshell.services.node.processes.process_table import signal_number
from omnyshell.services.node.records.record import SessionRecord

PIPE_SIZE = 256 * 1024


CUT_OFF = 255
"""The exit code of a command that succeeded, but whose output was not read to its end."""


Pipes = tuple[int | None, int | None, int | None]


class PipeSession(ProcessSession):
    """A command whose streams are pipes. They are read to their end, unless a limit is set, or the leader is all."""

    def __init__(
        self,
        leader: Leader,
        streams: Pipes,
        sink: OutputSink,
        *,
        drain_limit: float | None = None,
        leader_only: bool = False,
        record: SessionRecord | None = None,
    ) -> None:
        """`streams` are our ends of stdin, stdout and stderr, owned from now on; None where one is closed already.

        `drain_limit` is how many seconds after the last byte output is given up that a descendant keeps open;
        `leader_only` takes what the pipes hold when the leader exits, and no more.
        """
        super().__init__(leader, sink, quiet=drain_limit, record=record)
        self._leader_only = leader_only
        to_stdin, from_stdout, from_stderr = streams
        if to_stdin is not None:
            _enlarge(to_stdin)
            self._write_to(to_stdin, leader.input_closed)
        if from_stdout is not None:
            _enlarge(from_stdout)
            self._read_from(from_stdout, DataOpcode.STDOUT)
        if from_stderr is not None:
            self._read_from(from_stderr, DataOpcode.STDERR)

    def eof(self) -> None:
        """Close stdin after what is queued is written."""
        if self._writer is not None:
            self._writer.close_at_end()

    def resize(self, cols: int, rows: int) -> None:
        """Pipes have no size."""

    def signal(self, name: str) -> None:
        """Signal the command's process group."""
        number = signal_number(name)
        if number is not None and self._return_code is None:
            self._child.signal_group(self.pid, number)

    def _leader_exited(self, return_code: int | None) -> None:
        super()._leader_exited(return_code)
        if self._leader_only:
            for reader in self._readers:
                reader.end_with_what_waits()

    def _cut_off(self, code: int) -> int:
        """Say so on stderr, as far as there is credit; what succeeded does not look like a success."""
        limit = format_duration(self._quiet or 0)
        self._tell(f"omnyshell: the output is cut off: a process of the command held it {limit} after its last byte\n")
        return code or CUT_OFF


def _enlarge(fd: int) -> None:
    """Let the pipe hold more than 64 KiB, so that more chunks are full; ignored where the system cannot."""
    with suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
