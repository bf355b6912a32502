"""Notices edited files, once they no longer change. No I/O but `stat`."""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

Stamp = tuple[int, int, int, int] | None
"""Device, inode, size and time of change; None if there is no such file."""


def stamp_of(path: Path) -> Stamp:
    """Return a value that changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class WatchedFiles:
    """Files that belong together, and the function that reads them again.

    `reload` raises `OmnyShellException`, and changes nothing, if they are invalid. It returns the principals whose
    logins have to be judged again; None means all.
    """

    paths: tuple[Path, ...]
    reload: Callable[[], Collection[str] | None] = field(repr=False)

    @property
    def name(self) -> str:
        """The files, for messages."""
        return " and ".join(os.fspath(path) for path in self.paths)


class FileWatch:
    """Tells when files have changed, and then stayed unchanged for one period.

    So a file that is still being written is not read, and both files of a pair are complete.
    """

    def __init__(self, paths: Iterable[Path], stamp: Callable[[Path], Stamp] = stamp_of) -> None:
        self._paths = tuple(paths)
        self._stamp = stamp
        self._taken = self._seen = self._stamps()

    def poll(self) -> bool:
        """Check the files; return whether to read them now. Call it once a period."""
        now = self._stamps()
        rests, self._seen = now == self._seen, now
        if not rests or now == self._taken:
            return False
        self._taken = now
        return True

    def is_unchanged(self) -> bool:
        """Tell whether the files are unchanged since `poll` last returned True."""
        return self._stamps() == self._taken

    def retry(self) -> None:
        """Have the next `poll` check them again: they changed while they were read."""
        self._taken = ()

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(self._stamp(path) for path in self._paths)
