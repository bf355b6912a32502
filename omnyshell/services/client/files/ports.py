"""What copying needs of a machine's files, this one's or a node's. Paths and names are bytes, as files have them."""

from collections.abc import AsyncIterator, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

BLOCK = 255 * 1024
"""Bytes that are read or written at once: a write of 256 KiB is too long for OpenSSH's server."""

A_TURN = 128 * BLOCK
"""Bytes of a file after which what else there is to do in a loop has its turn, also where nothing is waited for."""

ZEROS = bytes(BLOCK)
"""A block of nothing, which is not sent: it is a hole at the target."""

MOST_IN_FLIGHT = 8 * 1024 * 1024
"""Bytes that are under way to or from a node at a time; they are sent again where the node's side is lost."""

MOST_NAMES = 1_000_000
"""Names in a directory: a hostile server's would never end."""

LONGEST_NAME = 255
LONGEST_PATH = 4096
PERMISSIONS = 0o777
"""The bits of a mode that are copied: no file becomes one that runs as its owner."""

USABLE = 0o600
"""What a partial file's owner may do with it, whatever the whole one will allow: an earlier copy is gone on with."""

Bytes = bytes | memoryview


class Kind(Enum):
    """What stands in a directory."""

    FILE = auto()
    FOLDER = auto()
    LINK = auto()
    OTHER = auto()
    """A device, pipe or socket."""


class Entry(NamedTuple):
    """What stands in a directory: its size in bytes, permissions, and times in seconds since 1970."""

    name: bytes
    kind: Kind
    size: int = 0
    mode: int = 0
    accessed: int = 0
    modified: int = 0


class Source(Protocol):
    """A regular file that is being read."""

    @property
    def entry(self) -> Entry:
        """What it was when it was opened."""

    def blocks(self, start: int) -> AsyncIterator[tuple[int, Bytes]]:
        """Yield offset and bytes of each block in order, up to the size that it had. Raises `FileException`."""

    async def digest(self, length: int) -> bytes:
        """Return the SHA-256 of its first bytes. Raises `FileException`."""

    async def close(self) -> None:
        """Close it. Idempotent."""


class Partial(Protocol):
    """A file under a temporary name, which is being written."""

    size: int
    """How many bytes an earlier copy has left."""

    async def digest(self, length: int) -> bytes:
        """Return the SHA-256 of its first bytes. Raises `FileException`."""

    async def start_at(self, offset: int) -> None:
        """Have what is written begin at an offset; what is behind it goes. Raises `FileException`."""

    async def write(self, offset: int, data: Bytes) -> None:
        """Write a block; return when the next may come. Raises `FileException`, also for an earlier block."""

    async def finish(self, entry: Entry, *, keep_times: bool, sync: bool) -> None:
        """End it with size, permissions and maybe times of an entry. Raises `FileException`."""

    async def put_in_place(self, name: bytes, *, sync: bool) -> None:
        """Give it, finished, its name in its directory, in place of what has that, and close it.

        `sync` has that survive a crash of this machine. Raises `FileException`.
        """

    async def close(self) -> None:
        """Close it, wherever it stands. Idempotent; raises nothing."""


class Folder(Protocol):
    """A directory in which is worked. No link in it is followed, and no name leads out of it.

    All methods raise `FileException`, which names the path that it is about.
    """

    title: str
    """That of its machine."""

    path: bytes

    def entries(self) -> AsyncIterator[Sequence[Entry]]:
        """Yield what is in it, in parts; after a lost link from the beginning."""

    async def look(self, name: bytes) -> Entry | None:
        """Return what stands there, a link itself; None for nothing."""

    async def folder(self, name: bytes) -> "Folder":
        """Return the directory of that name, which is there."""

    async def make_folder(self, name: bytes, mode: int) -> None:
        """Make a directory."""

    async def source(self, entry: Entry, *, follow: bool = False) -> Source:
        """Open a regular file, with `follow` also through a link."""

    async def partial(self, name: bytes, mode: int, *, is_exact: bool, is_there: bool) -> Partial:
        """Open a file to write; a new one must not be there yet, and one that is there must be its user's alone.

        `mode` is what it allows in the end: exactly that, or what is left when the system there has masked it. Until
        then it allows no more. What is somebody else's raises with the code `Trouble.DENIED`, and what another copy is
        writing to with `Trouble.IN_USE`, as may all that is done with it later.
        """

    async def replace(self, old: bytes, new: bytes) -> None:
        """Rename a link, in place of what has the name."""

    async def read_link(self, name: bytes) -> bytes:
        """Return what a link leads to."""

    async def make_link(self, name: bytes, target: bytes) -> None:
        """Make a link."""

    async def remove(self, name: bytes) -> None:
        """Remove a file or link."""

    async def remove_folder(self, name: bytes) -> None:
        """Remove an empty directory."""

    async def set_attributes(self, name: bytes, entry: Entry, *, keep_times: bool) -> None:
        """Give a directory the permissions of an entry, and maybe its times."""

    def close(self) -> None:
        """Let it go. Idempotent."""


class Files(Protocol):
    """A machine's files. Paths are absolute, or begin at the home directory of whoever works there.

    All methods raise `FileException`, which names the path that it is about. What changes something at a node follows
    no link in the way to it, so it is given the whole path of its directory.
    """

    title: str
    """The node, or "" for this machine."""

    async def stat(self, path: bytes, *, follow: bool = True) -> Entry | None:
        """Return what stands there, under the last name of its path; None for nothing."""

    def entries(self, path: bytes) -> AsyncIterator[Sequence[Entry]]:
        """Yield what is in a directory, in parts."""

    async def whole_path(self, path: bytes) -> bytes:
        """Return the absolute path of something, without links."""

    async def open(self, path: bytes) -> Folder:
        """Return a directory in which to work; links that lead to it are followed."""

    async def rename(self, old: bytes, new: bytes) -> None:
        """Rename something, unless the new name is taken."""

    async def remove(self, path: bytes) -> None:
        """Remove a file, a link or an empty directory."""

    async def make_folder(self, path: bytes) -> None:
        """Make a directory."""

    async def restored(self) -> None:
        """Return once a link that was lost is there again. Raises `OmnyShellException` where it does not come back."""


def below(folder: bytes, name: bytes) -> bytes:
    """Return the path of something in a directory."""
    return name if folder == b"." else folder.rstrip(b"/") + b"/" + name


def is_hole(data: Bytes) -> bool:
    """Whether a whole block is nothing. Most are looked at no further than their first byte."""
    return data is ZEROS or (len(data) == BLOCK and not data[0] and bytes(data) == ZEROS)


def is_name(name: bytes) -> bool:
    """Whether a name is one that something in a directory can have."""
    return 0 < len(name) <= LONGEST_NAME and name not in (b".", b"..") and b"/" not in name and b"\0" not in name


def is_whole_path(path: bytes) -> bool:
    """Whether a path is absolute, and leads by nothing but names."""
    names = path.split(b"/")[1:]
    return path.startswith(b"/") and len(path) <= LONGEST_PATH and (path == b"/" or all(map(is_name, names)))
