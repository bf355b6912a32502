"""Files of a command under way: it holds a lock on each, so that the next one removes those of one that was killed."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKUPS = ".backup-"
"""What the directories in a hub's state begin with, in which copies for a backup are."""


@contextmanager
def under_way(path: Path) -> Iterator[Path]:
    """Hold a file or directory, which was just made, and remove it at the end where it still is. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        _remove(path)
        os.close(descriptor)


def remove_unfinished(paths: Iterable[Path]) -> None:
    """Remove those that nobody holds. What cannot be removed stays."""
    for path in paths:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(path)
            finally:
                os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
