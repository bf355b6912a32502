"""Commands on pipes: stdout and stderr apart, and a stdin that can end."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import OutputSink
from omnyshell.services.node.ledger import ChildLedger
from omnyshell.services.node.process_session import ProcessSession
from omnyshell.services.node.process_table import signal_number

QUIET = 2.0
PIPE_SIZE = 256 * 1024


class PipeSession(ProcessSession):
    """A command whose streams are pipes."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, sink: OutputSink, ledger: ChildLedger
    ) -> None:
        """Start it. Raises `SessionRejectedException` where that fails."""
        super().__init__(sink, quiet=QUIET)
        stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
        ours = stdin[1], stdout[0], stderr[0]
        theirs = stdin[0], stdout[1], stderr[1]
        for fd in (stdin[1], stdout[0]):
            _enlarge(fd)
        try:
            self._launch(argv, env=env, cwd=cwd, streams=theirs, ledger=ledger)
        except BaseException:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._write_to(stdin[1])
        self._read_from(stdout[0], DataOpcode.STDOUT)
        self._read_from(stderr[0], DataOpcode.STDERR)

    def eof(self) -> None:
        """Close stdin behind what is queued."""
        if self._writer is not None:
            self._writer.close_at_end()

    def resize(self, cols: int, rows: int) -> None:
        """Pipes have no size."""

    def signal(self, name: str) -> None:
        """Signal the command's process group."""
        number = signal_number(name)
        if number is not None and self._return_code is None:
            self._leader.signal_group(self.pid, number)


def _enlarge(fd: int) -> None:
    """Let the pipe hold more than 64 KiB, so that a chunk is full more often; not all systems can."""
    with suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
