"""Opens a file of this machine that is not copied as a whole yet, for one copy at a time."""

import fcntl
import os
import stat
from contextlib import suppress

from omnyshell.services.client.files.ports import PERMISSIONS, USABLE
from omnyshell.services.client.files.problems import IN_USE, FileException, Trouble, in_its_place

_WRITE = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW


def open_partial(folder: int, name: bytes, mode: int, *, is_there: bool) -> tuple[int, os.stat_result]:
    """Open what an earlier copy left, or a new one; return its descriptor, and what it is.

    Raises `FileException` where it is another copy's or somebody else's, and `OSError`.
    """
    flags = _WRITE if is_there else _WRITE | os.O_CREAT | os.O_EXCL
    fd = os.open(name, flags, mode | USABLE, dir_fd=folder)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise in_its_place(name)
        _claim(fd, name, folder)
        if is_there:
            _make_own(fd, found, mode | USABLE)
    except BaseException:
        os.close(fd)
        raise
    return fd, found


def _claim(fd: int, name: bytes, folder: int) -> None:
    """Have a partial file be one copy's at a time. Raises `FileException` where it is another one's."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise FileException(IN_USE, code=Trouble.IN_USE) from exc
    except OSError:
        # Some file systems have no locks.
        return
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(fd), os.stat(name, dir_fd=folder, follow_symlinks=False)):
            return
    # It was put in its place just now, and is no partial copy any more.
    raise FileException(IN_USE, code=Trouble.IN_USE)


def _make_own(fd: int, found: os.stat_result, mode: int) -> None:
    """Have what an earlier copy left allow no more than a mode. Raises `FileException` where it is somebody else's."""
    if found.st_uid != os.geteuid():
        raise FileException("somebody else's file stands where its partial copy would", code=Trouble.DENIED)
    if found.st_mode & PERMISSIONS & ~mode:
        with suppress(PermissionError):
            # Some file systems keep no permissions.
            os.fchmod(fd, found.st_mode & mode)
