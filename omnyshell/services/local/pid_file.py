"""A file that a process keeps locked while it lives, with data about the process."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.paths import open_own, read_whole

TRIES, READ_TIME = 10, 0.005
"""Attempts to claim the file, and seconds between them: a reader may hold the lock for a moment."""


class PidFile:
    """One process at a time claims the file; the lock is released when it ends, even by a crash."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """Return the data of the process that holds the file; None if there is no such process, or no data yet.

        Raises `ConfigException` where the file cannot be read.
        """
        text = self._held()
        try:
            data = json.loads(text or b"null")
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def is_held(self) -> bool:
        """Tell whether a process holds the file, with or without data. Raises as `read` does."""
        return self._held() is not None

    def claim(self) -> int:
        """Lock the file for the life of this process; returns its descriptor.

        Raises `ConfigException` if it is taken, or cannot be made.
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
                raise ConfigException("it is up already")
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
        """Write data about this process into a claimed file, in one step. Raises `ConfigException`."""
        text = json.dumps(data).encode()
        try:
            # Blanks over the rest of what is there: a reader never finds the file empty, or half of it.
            os.pwrite(fd, text.ljust(os.fstat(fd).st_size), 0)
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


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
