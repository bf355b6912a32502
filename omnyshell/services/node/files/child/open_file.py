"""A regular file that is open."""

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tree import Facts

MOST_READ = 255 * 1024
"""Bytes of one answer: a larger one is slower, and more than OpenSSH takes."""

_HASHED_AT_ONCE = 1 << 18


class OpenFile:
    """Reads and writes at places. Each method raises `OSError`."""

    def __init__(self, fd: int) -> None:
        """The descriptor is owned from now on."""
        self._fd = fd

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there, at most `MOST_READ` bytes; nothing at the end."""
        return os.pread(self._fd, min(size, MOST_READ), offset)

    def write(self, offset: int, data: bytes) -> int:
        """Write all of it."""
        left = memoryview(data)
        while left:
            done = os.pwrite(self._fd, left, offset)
            left, offset = left[done:], offset + done
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
        if facts.size is not None:
            os.ftruncate(self._fd, facts.size)
        if facts.owner is not None:
            os.chown(self._fd, *facts.owner)
        if facts.mode is not None:
            os.chmod(self._fd, stat.S_IMODE(facts.mode))
        if facts.times is not None:
            os.utime(self._fd, ns=facts.times)

    def seek(self, offset: int, whence: int) -> int:
        """Find where data or a hole begins, by `os.SEEK_DATA` and `os.SEEK_HOLE`."""
        return os.lseek(self._fd, offset, whence)

    def sync(self) -> None:
        """Have it on disk."""
        os.fsync(self._fd)

    def room(self) -> os.statvfs_result:
        """Return how much there is of its file system."""
        return os.fstatvfs(self._fd)

    def prefix_hash(self, length: int) -> tuple[int, bytes]:
        """Hash its first bytes, all for 0; return how many there were, and the SHA-256."""
        # It takes OpenSSL along, which a transfer that needs none does without.
        from hashlib import sha256

        buffer, hashed, done = memoryview(bytearray(_HASHED_AT_ONCE)), sha256(), 0
        while not length or done < length:
            wanted = min(_HASHED_AT_ONCE, length - done) if length else _HASHED_AT_ONCE
            size = os.preadv(self._fd, [buffer[:wanted]], done)
            if not size:
                break
            hashed.update(buffer[:size])
            done += size
        return done, hashed.digest()
