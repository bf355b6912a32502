"""Children of the node itself, on terminals and pipes (docs/architecture.md#children-are-cheap-and-owned)."""

import os
import termios
from contextlib import ExitStack

from omnyshell.model.sessions import PtySpec
from omnyshell.services.node.backend import Launch, OutputSink
from omnyshell.services.node.processes.child import Child
from omnyshell.services.node.processes.ledger import ChildLedger
from omnyshell.services.node.processes.pipes import PipeSession
from omnyshell.services.node.processes.pty import PtySession, set_size

_TRAMPOLINE = 'exec 0<>"$1" 1>&0 2>&0; shift; exec "$@"'
"""Opens the slave by its path, which makes it the controlling terminal of the new session, then runs the program."""

_IFLAG, _LFLAG = 0, 3
_IUTF8 = getattr(termios, "IUTF8", 0x4000)


def start_on_terminal(
    launch: Launch, size: PtySpec, sink: OutputSink, ledger: ChildLedger, *, echo: bool
) -> PtySession:
    """Start a program on a terminal of this size. Raises `SessionRejectedException` or `OSError` where that fails."""
    argv, env, cwd = launch
    with ExitStack() as theirs, ExitStack() as ours:
        master, slave = os.openpty()
        ours.callback(os.close, master)
        theirs.callback(os.close, slave)
        writing = os.dup(master)
        ours.callback(os.close, writing)
        set_size(master, size.cols, size.rows)
        _set_modes(slave, echo=echo)
        trampoline = ("/bin/sh", "-c", _TRAMPOLINE, "sh", os.ttyname(slave))
        child = Child((*trampoline, *argv), env=env, cwd=cwd, streams=(slave, slave, slave), ledger=ledger)
        ours.pop_all()
    return PtySession(child, (master, writing), sink)


def start_on_pipes(
    launch: Launch,
    sink: OutputSink,
    ledger: ChildLedger,
    *,
    drain_limit: float | None = None,
    leader_only: bool = False,
) -> PipeSession:
    """Start a program on pipes. Raises `SessionRejectedException` or `OSError` where that fails."""
    argv, env, cwd = launch
    with ExitStack() as theirs, ExitStack() as ours:
        stdin, to_stdin = _pipe(theirs, ours)
        from_stdout, stdout = _pipe(ours, theirs)
        from_stderr, stderr = _pipe(ours, theirs)
        child = Child(argv, env=env, cwd=cwd, streams=(stdin, stdout, stderr), ledger=ledger)
        ours.pop_all()
    streams = (to_stdin, from_stdout, from_stderr)
    return PipeSession(child, streams, sink, drain_limit=drain_limit, leader_only=leader_only)


def _pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    """Return the read and write ends of a new pipe, each registered to be closed with its stack."""
    read, write = os.pipe()
    readers.callback(os.close, read)
    writers.callback(os.close, write)
    return read, write


def _set_modes(fd: int, *, echo: bool) -> None:
    """Set canonical mode and UTF-8, without flow control, which would swallow ctrl+s and ctrl+q."""
    modes = termios.tcgetattr(fd)
    modes[_IFLAG] = (modes[_IFLAG] | _IUTF8) & ~(termios.IXON | termios.IXOFF)
    if not echo:
        modes[_LFLAG] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(fd, termios.TCSANOW, modes)
