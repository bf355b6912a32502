"""What the system's table of processes says of sessions, and signals to all of one.

Only what the kernel itself knows is read: a process can have its own command line wait for ever.
"""

import fcntl
import os
import select
import signal
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress

_AFTER_NAME = 2
_DEAD = (b"Z", b"X")
_STATE, _GROUP, _SESSION, _STARTED = 0, 2, 3, 19

# From linux/pidfd.h, since Linux 6.15: what a pidfd says of a process, and of how it ended. Python does not name it.
_GET_INFO, _INFO, _INFO_EXIT = 0xC040FF0B, struct.Struct("Q52xi"), 0x8


def members(sessions: Collection[int], group: int = 0) -> Iterator[int]:
    """Yield the living processes of sessions, which their leaders' ids name; of one group alone, if it is given."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and is_member(int(name), sessions, group):
            yield int(name)


def signal_sessions(sessions: Collection[int], number: int, group: int = 0) -> int:
    """Signal every process of sessions whose leaders have not been waited for, so that their ids are nobody else's.

    With `group` those of one group alone: its id may be anybody's by now, so nothing is sent to it by itself. Return
    how many there were.
    """
    count = 0
    for pid in members(sessions, group):
        count += signal_if(lambda pid: is_member(pid, sessions, group), pid, number)
    return count


def signal_if(is_right: Callable[[int], bool], pid: int, number: int) -> bool:
    """Signal a process if it is the right one, whoever gets its id meanwhile; tell whether it was."""
    with suppress(OSError):
        # A pidfd stays the process that is looked at then.
        pidfd = os.pidfd_open(pid)
        try:
            if is_right(pid):
                signal.pidfd_send_signal(pidfd, number)
                return True
        finally:
            os.close(pidfd)
    return False


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


def has_ended(pidfd: int) -> bool:
    """Tell whether a process has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def is_there(pidfd: int) -> bool:
    """Tell whether a process runs, or has ended and was not waited for."""
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def id_of(pidfd: int) -> int:
    """Return whose pidfd it is: -1 of a process that is waited for no more, 0 where it is none."""
    for line in _contents(f"/proc/self/fdinfo/{pidfd}").splitlines():
        if line.startswith(b"Pid:"):
            return int(line.split()[1])
    return 0


def started_at(pid: int) -> int:
    """Return when a process was started, in ticks, which tells it from a later one of its id; 0 if it is gone."""
    with suppress(OSError, ValueError, IndexError):
        return int(_fields(pid)[_STARTED])
    return 0


def return_code_of(pidfd: int) -> int | None:
    """Return how another's child ended, once its parent has waited for it; None where the system does not say."""
    said = bytearray(_INFO.pack(_INFO_EXIT, 0))
    with suppress(OSError):
        fcntl.ioctl(pidfd, _GET_INFO, said)
        known, status = _INFO.unpack(said)
        if known & _INFO_EXIT:
            return os.waitstatus_to_exitcode(status)
    return None


def end_of(pidfd: int) -> tuple[int | None, bool]:
    """Return how another's child that has ended did, as `return_code_of`, and whether the system will say no more."""
    # What was waited for between two questions has its code by the second.
    has_gone = not is_there(pidfd)
    code = return_code_of(pidfd)
    return code, has_gone or code is not None


def is_member(pid: int, sessions: Collection[int], group: int = 0) -> bool:
    """Tell whether a process lives, and is one of these sessions; and of this group, if it is given."""
    with suppress(OSError, ValueError, IndexError):
        fields = _fields(pid)
        is_of_them = fields[_STATE] not in _DEAD and int(fields[_SESSION]) in sessions
        return is_of_them and group in (0, int(fields[_GROUP]))
    return False


def _fields(pid: int) -> list[bytes]:
    """Return what follows a process's name. Raises `OSError`, and `ValueError` for what is none."""
    stat = _stat(pid)
    # The name, in parentheses, may have any byte in it.
    return stat[stat.rindex(b")") + _AFTER_NAME :].split()


def _stat(pid: int) -> bytes:
    return _contents(f"/proc/{pid}/stat")


def _contents(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 4096)
    finally:
        os.close(fd)
