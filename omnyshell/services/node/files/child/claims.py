"""Has a file that is not copied as a whole yet be one copy's at a time, by a lock that other processes see.

A session that was cut off is kept for a while, and does nothing. So a claim is left where no request comes for a time,
and taken again with the next one, unless another copy has gone on with the file.
"""

import errno
import fcntl
import os
from collections.abc import Callable

IN_USE = "another copy of it is under way"


class Claim:
    """A lock on an open file. Each method raises `OSError`, with `IN_USE` where it is somebody else's."""

    def __init__(self, fd: int, look: Callable[[], os.stat_result], ended: Callable[[], object]) -> None:
        """`look` returns the facts of what has the file's name; `ended` is called with the descriptor's end."""
        self._fd = fd
        self._look = look
        self.ended = ended
        self._left_as: tuple[int, int, int] | None = None
        self._take()

    def hold(self) -> None:
        """Have it, also after it was left: if nobody has touched the file meanwhile."""
        if self._left_as is None:
            return
        self._take()
        if self._left_as != self._version():
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise OSError(errno.EBUSY, IN_USE)
        self._left_as = None

    def leave(self) -> None:
        """Let others have it, until it is held again."""
        if self._left_as is None:
            self._left_as = self._version()
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _take(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise OSError(errno.EBUSY, IN_USE) from exc
        except OSError:
            # Some file systems have no locks.
            return
        try:
            is_there = os.path.samestat(os.fstat(self._fd), self._look())
        except FileNotFoundError:
            is_there = False
        if not is_there:
            # It was put in its place just now, and is no partial copy any more.
            raise OSError(errno.EBUSY, IN_USE)

    def _version(self) -> tuple[int, int, int]:
        found = os.fstat(self._fd)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns
