"""Temporary files of a running command.

It holds a lock on each, so that the next command can remove those of a killed one.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKUPS = ".backup-"
"""Prefix of directories in a hub's state directory with copies for a backup."""


@contextmanager
def under_way(path: Path) -> Iterator[Path]:
    """Lock a file or directory that was just created, and delete it at the end if it still exists. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        _remove(path)
        os.close(descriptor)


def remove_unfinished(paths: Iterable[Path]) -> None:
    """Delete those that no process has locked, as far as possible."""
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
