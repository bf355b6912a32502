"""Where a path of a client's leads: anywhere that its user may go, or beneath the roots that the node names.

Beneath roots a path is walked directory by directory, each held open, and no link is followed but by reading what it
says. So whoever exchanges one for another meanwhile leads nobody out: what counts is the way that was gone.
"""

import errno
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple, Protocol

LONGEST_PATH = 4096
"""Bytes; the kernel has the same bound."""

MOST_LINKS = 40
"""As the kernel's."""

_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """A name in a directory, which is held open while somebody uses the place."""

    directory: int | None
    """None where the name is a path."""

    name: bytes
    follows: bool
    """Whether a link that has the name is followed."""


class Places(Protocol):
    """Says where paths lead. Each method raises `OSError`."""

    def at(
        self, path: bytes, *, follow: bool = False, changed: bool = False, straight: bool = False
    ) -> AbstractContextManager[Place]:
        """Yield the place of a path.

        `follow` leads to what a link at the end says; `changed` is for a name that is made, renamed or removed;
        `straight` is for a way on which there is no link.
        """

    def real(self, path: bytes) -> bytes:
        """Return the path without links, absolute; what is at its end need not be there."""


class Anywhere:
    """The whole machine, as far as its user may go: the kernel leads the way."""

    @contextmanager
    def at(
        self, path: bytes, *, follow: bool = False, changed: bool = False, straight: bool = False
    ) -> Iterator[Place]:
        """See `Places`."""
        del changed
        _check(path)
        if not straight:
            yield Place(None, path or b".", follow)
            return
        walk = _Walk(() if path.startswith(b"/") else _names(os.getcwdb()), most_links=0)
        try:
            walk.go(path, follow=False)
            yield Place(walk.directory, walk.name, follows=False)
        finally:
            walk.close()

    def real(self, path: bytes) -> bytes:
        """See `Places`."""
        _check(path)
        return os.path.realpath(path or b".")


class Straight:
    """Other places, on ways on which there is no link."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def at(
        self, path: bytes, *, follow: bool = False, changed: bool = False, straight: bool = True
    ) -> AbstractContextManager[Place]:
        """See `Places`. Raises `OSError` with `ELOOP` for a link in the way."""
        del follow, straight
        return self._places.at(path, changed=changed, straight=True)

    def real(self, path: bytes) -> bytes:
        """See `Places`."""
        return self._places.real(path)


class Beneath:
    """Some directories, and what is below them."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        """A path that is not absolute begins at the working directory, or at the first root if that is outside."""
        self._roots = [_names(os.path.realpath(root)) for root in roots]
        here = _names(os.path.realpath(b"."))
        self._start = here if self._has(here) else self._roots[0]

    @contextmanager
    def at(
        self, path: bytes, *, follow: bool = False, changed: bool = False, straight: bool = False
    ) -> Iterator[Place]:
        """See `Places`. Raises `PermissionError` for what is outside."""
        walk = self._walk(path, follow=follow and not straight, most_links=0 if straight else MOST_LINKS)
        try:
            # What is changed is the directory, so that a root itself stays.
            self._check_inside(walk.at if changed else walk.way)
            yield Place(walk.directory, walk.name, follows=False)
        finally:
            walk.close()

    def real(self, path: bytes) -> bytes:
        """See `Places`. Raises `PermissionError` for what is outside."""
        walk = self._walk(path, follow=True)
        walk.close()
        self._check_inside(walk.way)
        return b"/" + b"/".join(walk.way)

    def _walk(self, path: bytes, *, follow: bool, most_links: int = MOST_LINKS) -> "_Walk":
        _check(path)
        walk = _Walk(self._start, most_links)
        try:
            walk.go(path, follow=follow)
        except OSError as exc:
            walk.close()
            # Nobody learns what there is outside by how this fails.
            self._check_inside(walk.at)
            raise exc from None
        return walk

    def _check_inside(self, way: Sequence[bytes]) -> None:
        if not self._has(way):
            raise PermissionError(errno.EACCES, "this is outside of the directories that the node gives")

    def _has(self, way: Sequence[bytes]) -> bool:
        return any(list(way[: len(root)]) == root for root in self._roots)


class _Walk:
    """A way from the machine's root, through directories alone."""

    def __init__(self, start: Sequence[bytes], most_links: int) -> None:
        self._start = start
        self._most_links = self._left_links = most_links
        self.at: list[bytes] = []
        """The names of the directories that were entered."""

        self.name = b"."
        self.directory = os.open(b"/", _ENTER)

    @property
    def way(self) -> list[bytes]:
        """The names up to the end."""
        return self.at if self.name == b"." else [*self.at, self.name]

    def close(self) -> None:
        """Give the directory back. Idempotent."""
        if self.directory >= 0:
            os.close(self.directory)
            self.directory = -1

    def go(self, path: bytes, *, follow: bool) -> None:
        """Go to the end of a path, without entering it. Raises `OSError`."""
        left = deque([] if path.startswith(b"/") else self._start)
        left += _names(path)
        # With a slash at its end a path means the directory, as a link's.
        is_entered = path.endswith((b"/", b"/.")) or path in (b"", b".")
        while left:
            name = left.popleft()
            if name == b"..":
                # Never the kernel's: what was entered may have been moved meanwhile.
                left.extendleft(reversed(self.at[:-1]))
                self._begin_anew()
            elif left or is_entered:
                self._enter(name, left)
            elif follow and (said := self._said_by_link(name)) is not None:
                self._turn(said, left)
                is_entered = said.endswith(b"/")
            else:
                self.name = name

    def _enter(self, name: bytes, left: deque[bytes]) -> None:
        try:
            entered = os.open(name, _ENTER, dir_fd=self.directory)
        except OSError as exc:
            if exc.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            said = self._said_by_link(name)
            if said is None:
                raise
            self._turn(said, left)
        else:
            self.close()
            self.directory = entered
            self.at.append(name)

    def _turn(self, said: bytes, left: deque[bytes]) -> None:
        """Go on as a link says."""
        self._left_links -= 1
        if self._left_links < 0:
            why = os.strerror(errno.ELOOP) if self._most_links else "a link stands in the way, and is not followed"
            raise OSError(errno.ELOOP, why)
        if said.startswith(b"/"):
            self._begin_anew()
        left.extendleft(reversed(_names(said)))

    def _begin_anew(self) -> None:
        self.close()
        self.directory = os.open(b"/", _ENTER)
        self.at = []

    def _said_by_link(self, name: bytes) -> bytes | None:
        """Return what a link says; None for what is none, or not there."""
        with suppress(OSError):
            return os.readlink(name, dir_fd=self.directory)
        return None


def _names(path: bytes) -> list[bytes]:
    return [name for name in path.split(b"/") if name not in (b"", b".")]


def _check(path: bytes) -> None:
    if len(path) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    if b"\0" in path:
        raise OSError(errno.EINVAL, "no path has a NUL in it")
