"""A regular file that is open."""

import os
import stat
from typing import TYPE_CHECKING

from .claims import Claim
from .prefix_hash import PrefixHash

if TYPE_CHECKING:
    from .tree import Facts

MOST_READ = 255 * 1024
"""Bytes of one answer: a larger one is slower, and more than OpenSSH takes."""


class OpenFile:
    """Reads and writes at places. Each method raises `OSError`."""

    def __init__(
        self, fd: int, *, is_hashed: bool = False, claim: Claim | None = None, read_as: bytes | None = None
    ) -> None:
        """The descriptor is owned from now on; `is_hashed` where it is read or written in order.

        What has a `claim` is written to while that is held. What is only read has in `read_as` the path by which it
        was opened.
        """
        self._fd = fd
        self.read_as = read_as
        self._claim = claim
        self._is_hashed = is_hashed
        self._hash: PrefixHash | None = None

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)
        if self._claim is not None:
            self._claim.ended()

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there, at most `MOST_READ` bytes; nothing at the end."""
        self._begin_hash(offset, size)
        data = os.pread(self._fd, min(size, MOST_READ), offset)
        if self._hash is not None:
            self._hash.was_read(offset, data)
        return data

    def write(self, offset: int, data: bytes) -> int:
        """Write all of it."""
        if self._claim is not None:
            self._claim.hold()
        self._begin_hash(offset, len(data))
        left, place = memoryview(data), offset
        while left:
            done = os.pwrite(self._fd, left, place)
            left, place = left[done:], place + done
        if self._hash is not None:
            self._hash.was_written(offset, data)
        return len(data)

    def copy(self, offset: int, size: int, target: "OpenFile", place: int) -> None:
        """Copy bytes to a place in another file, or in this one; all up to the end, as it is now, for a size of 0.

        So a file that is copied into itself does not grow for ever.
        """
        end = os.fstat(self._fd).st_size
        end = min(end, offset + size) if size else end
        while offset < end and (data := self.read(offset, end - offset)):
            target.write(place, data)
            offset, place = offset + len(data), place + len(data)

    def stat(self) -> os.stat_result:
        """Return its facts."""
        return os.fstat(self._fd)

    def set(self, facts: "Facts") -> None:
        """Set its facts."""
        if self._claim is not None:
            self._claim.hold()
        if facts.size is not None:
            os.ftruncate(self._fd, facts.size)
        if facts.owner is not None:
            os.chown(self._fd, *facts.owner)
        if facts.mode is not None:
            os.chmod(self._fd, stat.S_IMODE(facts.mode))
        if facts.times is not None:
            os.utime(self._fd, ns=facts.times)
        if self._hash is not None:
            self._hash.was_set()

    def seek(self, offset: int, whence: int) -> int:
        """Find where data or a hole begins, by `os.SEEK_DATA` and `os.SEEK_HOLE`."""
        return os.lseek(self._fd, offset, whence)

    def sync(self) -> None:
        """Have it on disk."""
        os.fsync(self._fd)

    def room(self) -> os.statvfs_result:
        """Return how much there is of its file system."""
        return os.fstatvfs(self._fd)

    def is_same(self, other: "OpenFile") -> bool:
        """Whether both are open on one file."""
        return os.path.samestat(self.stat(), other.stat())

    def prefix_hash(self, length: int, reading: "OpenFile") -> tuple[int, bytes]:
        """Return how many of its first bytes there are, all for 0, and their SHA-256; `reading` can be read."""
        self._hash = self._hash or PrefixHash(self._fd)
        return self._hash.of(length, reading._fd)

    def _begin_hash(self, offset: int, size: int) -> None:
        """Hash what goes by from a whole block at the beginning on: whoever copies several of them asks for it."""
        if self._is_hashed and not self._hash and not offset and size >= MOST_READ:
            self._hash = PrefixHash(self._fd)
