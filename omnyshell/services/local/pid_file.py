"""A file that is locked for as long as a process lives, and says which process it is."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omnyshell.errors import ConfigException

TRIES, READ_TIME = 10, 0.005
"""How often, and how far apart in seconds, a file that may only be read right now is tried to be claimed."""


class PidFile:
    """One process at a time claims the file; the lock ends with it, however that ended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any] | None:
        """Return what the process that holds the file says of itself; None where there is none, or nothing yet.

        Raises `ConfigException` where the file cannot be read.
        """
        text = self._held()
        try:
            data = json.loads(text or b"null")
        except ValueError:
            return None
        return data if isinstance(data, dict) else None

    def is_held(self) -> bool:
        """Tell whether a process holds the file, whether or not it has said anything. Raises as `read` does."""
        return self._held() is not None

    def claim(self) -> int:
        """Lock the file for the life of this process; returns its descriptor. Raises `ConfigException` if taken."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Whoever reads the file holds it for a moment too.
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
        """Return what is in the file while a process holds it."""
        try:
            with self.path.open("rb") as file:
                return None if _lock(file.fileno(), fcntl.LOCK_SH) else file.read()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigException(f"cannot read {self.path}: {exc.strerror}") from exc

    @staticmethod
    def write(fd: int, data: dict[str, Any]) -> None:
        """Say in a claimed file what this process is."""
        text = json.dumps(data).encode()
        os.ftruncate(fd, 0)
        os.pwrite(fd, text, 0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have other processes wait that would do the same."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
