"""Commands on pipes: stdout and stderr apart, and a stdin that can end."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress

from omnyshell.durations import format_duration
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import OutputSink
from omnyshell.services.node.processes.ledger import ChildLedger
from omnyshell.services.node.processes.process import ProcessSession
from omnyshell.services.node.processes.process_table import signal_number

PIPE_SIZE = 256 * 1024


CUT_OFF = 255
"""The exit code of a command that succeeded, but whose output was not read to its end."""


class PipeSession(ProcessSession):
    """A command whose streams are pipes. They are read to their end, unless a limit is set, or the leader is all."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        sink: OutputSink,
        ledger: ChildLedger,
        drain_limit: float | None = None,
        leader_only: bool = False,
    ) -> None:
        """Start it. Raises `SessionRejectedException` where that fails.

        `drain_limit` is how many seconds after the last byte output is given up that a descendant keeps open;
        `leader_only` takes what the pipes hold when the leader exits, and no more.
        """
        super().__init__(sink, quiet=drain_limit)
        self._leader_only = leader_only
        with ExitStack() as theirs, ExitStack() as ours:
            stdin, to_stdin = _pipe(theirs, ours)
            from_stdout, stdout = _pipe(ours, theirs)
            from_stderr, stderr = _pipe(ours, theirs)
            for fd in (to_stdin, from_stdout):
                _enlarge(fd)
            self._launch(argv, env=env, cwd=cwd, streams=(stdin, stdout, stderr), ledger=ledger)
            ours.pop_all()
        self._write_to(to_stdin)
        self._read_from(from_stdout, DataOpcode.STDOUT)
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

    def _leader_exited(self, return_code: int) -> None:
        super()._leader_exited(return_code)
        if self._leader_only:
            for reader in self._readers:
                reader.end_with_what_waits()

    def _cut_off(self, code: int) -> int:
        """Say so on stderr, as far as there is credit; what succeeded does not look like a success."""
        limit = format_duration(self._quiet or 0)
        text = f"omnyshell: the output is cut off: a process of the command held it {limit} after its last byte\n"
        if chunk := text.encode()[: self._sink.budget()]:
            self._sink.output(DataOpcode.STDERR, chunk)
        return code or CUT_OFF


def _pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    """Return the read and write ends of a new pipe, each registered to be closed with its stack."""
    read, write = os.pipe()
    readers.callback(os.close, read)
    writers.callback(os.close, write)
    return read, write


def _enlarge(fd: int) -> None:
    """Let the pipe hold more than 64 KiB, so that more chunks are full; ignored where the system cannot."""
    with suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
