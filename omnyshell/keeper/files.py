"""What small files say: read in the keeper when they have changed, and not by each child anew."""

import os
import stat
import time
import tomllib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from .trust import UntrustedError, check
from .users import RefusedError
from .wire import MOST_BYTES

_TICK = 1_000_000_000
"""Nanoseconds that a file has to be as it is until it is known by its marks."""

_Said = TypeVar("_Said")


class Known(Generic[_Said]):
    """What a file says, which is read whenever it is another file, or another's, or may have changed."""

    def __init__(self, path: str, read: Callable[[str], _Said]) -> None:
        self._path = path
        self._read = read
        self._known: tuple[tuple[int, ...], _Said] | None = None

    def now(self) -> _Said:
        """Return what it says. Raises what `read` does."""
        mark = _mark_of(self._path)
        if self._known is None or not mark or mark != self._known[0]:
            self._known = None
            self._known = mark, self._read(self._path)
        return self._known[1]


def said_in(path: str, keys: Collection[str], meant: Callable[[Mapping[str, Any]], _Said], what: str) -> _Said:
    """Return what is meant by a node's file, whose writers are trusted if it has one of these keys.

    `meant` raises `ValueError` for what means nothing. Raises `RefusedError`, which says what it is about.
    """
    try:
        said = tomllib.loads(_contents(path))
        if not said.keys().isdisjoint(keys):
            check(path, set())
        return meant(said)
    except UntrustedError as exc:
        raise RefusedError(f"{what} could have been written by others: {exc}") from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise RefusedError(f"{what} cannot be read from {path}: {exc}") from exc


def _contents(path: str) -> str:
    """Return what is in a regular file: nothing else is waited for, or read without end. Raises `OSError`."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is no regular file")
        if len(said := file.read(MOST_BYTES + 1)) > MOST_BYTES:
            raise OSError(f"it is longer than {MOST_BYTES} bytes")
        return said.decode()


def _mark_of(path: str) -> tuple[int, ...]:
    """Return what differs when a file was changed; nothing where that was only just, or there is none."""
    try:
        facts = os.stat(path)
    except OSError:
        return ()
    # Two changes between two ticks of the clock look alike.
    if abs(time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns)) < _TICK:
        return ()
    whose = facts.st_dev, facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid
    return (*whose, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
