"""What the system's table of processes says of sessions, and signals to all of one.

Only what the kernel itself knows is read: a process can have its own command line wait for ever.
"""

import os
import signal
from collections.abc import Collection, Iterator
from contextlib import suppress

_AFTER_NAME = 2
_DEAD = (b"Z", b"X")
_STATE, _SESSION = 0, 3


def members(sessions: Collection[int]) -> Iterator[int]:
    """Yield the living processes of sessions, which their leaders' ids name."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and _is_member(int(name), sessions):
            yield int(name)


def signal_sessions(sessions: Collection[int], number: int) -> None:
    """Signal every process of sessions whose leaders have not been waited for, so that their ids are nobody else's."""
    for pid in members(sessions):
        # A pidfd stays the process that was looked at, whoever gets its id meanwhile.
        with suppress(OSError):
            pidfd = os.pidfd_open(pid)
            try:
                if _is_member(pid, sessions):
                    signal.pidfd_send_signal(pidfd, number)
            finally:
                os.close(pidfd)


def hang_up(sessions: Collection[int]) -> None:
    """Send SIGHUP to every process of sessions."""
    signal_sessions(sessions, signal.SIGHUP)
    # A stopped process acts on the hang-up only when it is continued.
    signal_sessions(sessions, signal.SIGCONT)


def name_of(pid: int) -> bytes:
    """Return the name of a process, of 15 bytes at most; empty where there is none."""
    with suppress(OSError, ValueError):
        stat = _stat(pid)
        return stat[stat.index(b"(") + 1 : stat.rindex(b")")].replace(b"\0", b"")
    return b""


def directory_of(pid: int) -> bytes:
    """Return the working directory of a process; empty where it cannot be known."""
    with suppress(OSError):
        return os.readlink(b"/proc/%d/cwd" % pid)
    return b""


def _is_member(pid: int, sessions: Collection[int]) -> bool:
    with suppress(OSError, ValueError, IndexError):
        stat = _stat(pid)
        # The name, in parentheses, may have any byte in it.
        fields = stat[stat.rindex(b")") + _AFTER_NAME :].split()
        return fields[_STATE] not in _DEAD and int(fields[_SESSION]) in sessions
    return False


def _stat(pid: int) -> bytes:
    fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)
