"""Notices files that were edited, and waits until they have come to rest. No I/O but `stat`."""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

Stamp = tuple[int, int, int, int] | None
"""Device, inode, size and time of change; None where there is no such file."""


def stamp_of(path: Path) -> Stamp:
    """Return what changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class WatchedFiles:
    """Files that belong together, and what takes them in anew.

    `reload` raises `OmnyShellException` where they are wrong; it has changed nothing then. It returns whose logins are
    to be judged again: those of some principals, or, where it returns None, everybody's.
    """

    paths: tuple[Path, ...]
    reload: Callable[[], Collection[str] | None] = field(repr=False)

    @property
    def name(self) -> str:
        """The files, for messages."""
        return " and ".join(os.fspath(path) for path in self.paths)


class FileWatch:
    """Tells when files have changed and then stayed as they are for one period.

    So a file that is being written is left alone, and of a pair both halves are there.
    """

    def __init__(self, paths: Iterable[Path], stamp: Callable[[Path], Stamp] = stamp_of) -> None:
        self._paths = tuple(paths)
        self._stamp = stamp
        self._taken = self._seen = self._stamps()

    def poll(self) -> bool:
        """Look; returns whether to take the files in now. Call it once a period."""
        now = self._stamps()
        rests, self._seen = now == self._seen, now
        if not rests or now == self._taken:
            return False
        self._taken = now
        return True

    def is_unchanged(self) -> bool:
        """Tell whether the files are still those that `poll` last gave free."""
        return self._stamps() == self._taken

    def retry(self) -> None:
        """Give the files free again at the next look: they changed while they were read."""
        self._taken = ()

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(self._stamp(path) for path in self._paths)
