"""A file that a process keeps locked while it lives, with data about the process."""

import fcntl
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.paths import open_own, read_whole

TRIES, READ_TIME = 10, 0.005
"""Attempts to claim or read the file, and seconds between them: another process may be at it for a moment."""

_BITS = 32
_BLANKS = bytes.maketrans(b"01", b" \t")


class TakenException(ConfigException):
    """Another process holds the file."""


class PidFile:
    """One process at a time claims the file; the lock is released when it ends, even by a crash."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """Return the data of the process that holds the file; None if there is no such process, or no data yet.

        Raises `ConfigException` where the file cannot be read.
        """
        for _ in range(TRIES):
            text = self._held()
            if not text:
                return None
            if (data := _whole(text)) is not None:
                return data
            time.sleep(READ_TIME)
        return None

    def is_held(self) -> bool:
        """Tell whether a process holds the file, with or without data. Raises as `read` does."""
        return self._held() is not None

    def claim(self) -> int:
        """Lock the file for the life of this process; returns its descriptor.

        Raises `TakenException` if it is taken, and `ConfigException` if it cannot be made.
        """
        try:
            fd = open_own(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as exc:
            raise ConfigException(f"cannot write {self.path}: {exc.strerror}") from exc
        # Readers hold the lock for a moment too.
        tries = TRIES
        while not _lock(fd, fcntl.LOCK_EX):
            tries -= 1
            if not tries:
                os.close(fd)
                raise TakenException("it is up already")
            time.sleep(READ_TIME)
        os.ftruncate(fd, 0)
        return fd

    def _held(self) -> bytes | None:
        """Return the file's contents if a process holds it, else None."""
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
                return None if _lock(file.fileno(), fcntl.LOCK_SH) else read_whole(file)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigException(f"cannot read {self.path}: {exc.strerror}") from exc

    @staticmethod
    def write(fd: int, data: dict[str, Any]) -> None:
        """Write data about this process into a claimed file; whoever reads finds one whole record.

        Raises `ConfigException`.
        """
        text = json.dumps(data).encode()
        try:
            # Blanks over the rest of what is there, as no reader should find the file empty. It may find half of it:
            # systems let one process read in a file while another one writes there.
            os.pwrite(fd, (text + _sum_of(text)).ljust(os.fstat(fd).st_size), 0)
        except OSError as exc:
            raise ConfigException(f"cannot write that this process serves: {exc.strerror}") from exc


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; other processes that want it wait."""
    fd = open_own(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _whole(found: bytes) -> dict[str, Any] | None:
    """Return a record, or None where this is not all of one. Earlier versions wrote no checksum."""
    text, end, rest = found.rpartition(b"}")
    text, told = text + end, rest[:_BITS]
    if told.strip(b" ") and told != _sum_of(text):
        return None
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _sum_of(text: bytes) -> bytes:
    """Return a checksum in blanks and tabs, which stand behind a record: earlier versions read on past them."""
    return format(zlib.crc32(text), f"0{_BITS}b").encode().translate(_BLANKS)


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
