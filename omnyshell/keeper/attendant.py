"""The process of root's that stays beside a program, and closes its PAM session when it has ended.

It is no parent of the program, which is the keeper's own child: exit code, signals and pidfd are the program's. Nor is
it a child that the program would wait for. It goes on when the keeper is replaced, or killed.
"""

import fcntl
import gc
import os
import resource
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from .cgroups import ATTENDANTS
from .hierarchy import group_of, write
from .pam import Asked, Transaction
from .users import RefusedError

LONGEST_CLOSE = 30
"""Seconds for which modules may close a session; one that takes longer is left as it is."""

NAME = "omnyshell-pam"
"""What the process is called, in the 15 bytes that a name may have."""

LOGIND_SESSION = b"XDG_SESSION_ID"

_STREAMS = 3
_LIMITS = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})


class Opened(NamedTuple):
    """A session that PAM has opened."""

    variables: dict[bytes, bytes]
    """What modules set for the program."""

    said: Sequence[str]
    """What they have to say to the user."""


def open_session(asked: Asked, telling: int) -> Opened:
    """Have PAM open a session for this process, which is to become a program, and leave somebody who closes it.

    Meanwhile the standard streams lead nowhere: what modules and their programs print, read or leave open, is not the
    session's. Whoever is left has neither those nor `telling`. Raises `RefusedError`, and leaves nothing open then.
    """
    # Looking for garbage would touch all that is shared with the keeper, and so have it copied.
    gc.disable()
    # Signals of the keeper's are handled here too, but not told to it: they neither end nor hinder this.
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    limits = [(limit, resource.getrlimit(limit)) for limit in _LIMITS]
    group = ""
    with suppress(OSError):
        group = group_of("self")
    with _streams_aside() as kept:
        transaction = Transaction(asked)
        try:
            transaction.check_account()
            transaction.open()
            opened = Opened(transaction.environment(), transaction.said)
            _attend(transaction, [*kept, telling], limits, group)
        except BaseException:
            transaction.close()
            raise
    return opened


@contextmanager
def _streams_aside() -> Iterator[list[int]]:
    """Have the standard streams lead nowhere for a while; yield the descriptors that lead where they did."""
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _STREAMS) for fd in range(_STREAMS)]
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in range(_STREAMS):
        os.dup2(null, fd)
    os.close(null)
    yield kept
    for fd, stream in enumerate(kept):
        os.dup2(stream, fd)
        os.close(stream)


_Limits = Sequence[tuple[int, tuple[int, int]]]


def _attend(transaction: Transaction, private: Sequence[int], limits: _Limits, group: str) -> None:
    """Leave a process that closes the session when this one has ended. Raises `RefusedError` where there is none."""
    pidfd = os.pidfd_open(os.getpid())
    between = os.fork()
    if between == 0:
        try:
            # Neither the program's child nor of its session, and closed is what is private before the program runs.
            os.setsid()
            for fd in private:
                os.close(fd)
            # Before the program runs, as with its end all in its group may be ended.
            _leave_group(group)
            if os.fork() == 0:
                _wait(transaction, pidfd, limits)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(between, 0)
    os.close(pidfd)
    if status:
        raise RefusedError("No process can be had that would close the PAM session")


def _wait(transaction: Transaction, pidfd: int, limits: _Limits) -> None:
    for limit, before in limits:
        with suppress(OSError, ValueError):
            resource.setrlimit(limit, before)
    with suppress(OSError):
        write("/proc/self/comm", NAME)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
    signal.alarm(LONGEST_CLOSE)
    # logind lets go of a session for its own processes alone, and hears of its end by ours.
    transaction.unset(LOGIND_SESSION)
    transaction.close()


def _leave_group(group: str) -> None:
    """Go where sessions' ends do not reach: beside the group of this one, or back where a module has led elsewhere."""
    with suppress(OSError):
        if os.path.isdir(beside := os.path.join(os.path.dirname(group), ATTENDANTS)):
            write(f"{beside}/cgroup.procs", "0")
        elif group and group_of("self") != group:
            write(f"{group}/cgroup.procs", "0")
