"""Reserved disk space, so that revoking, locking and stopping still work when the disk is full."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from omnyshell.protocol.limits import MIB

RESERVE_FILE = "audit.reserve"
RESERVE_SIZE = 8 * MIB
SLICE = MIB // 8
"""Bytes that are released at a time: other writers to the disk can take no more than that."""

logger = logging.getLogger("omnyshell.audit")


class DiskReserve:
    """A file that occupies space, and releases it slice by slice. Used by one thread at a time; never raises."""

    def __init__(self, path: Path, size: int = RESERVE_SIZE) -> None:
        """Reserve the space, as far as there is any."""
        self._path = path
        self._size = size
        self._left = min(size, path.stat().st_size) if path.exists() else 0
        if not self.refill():
            logger.error("there is no room for %s: on a full disk revoking will not work", path)

    @property
    def is_whole(self) -> bool:
        """Whether the whole space is reserved."""
        return self._left == self._size

    def refill(self) -> bool:
        """Reserve the space again, if the disk has that and some more; return whether it is whole then."""
        if self.is_whole:
            return True
        if self._free() < self._size - self._left + SLICE:
            return False
        try:
            self._path.touch(0o600)
            with self._path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self._shrink(self._left)
            return False
        self._left = self._size
        return True

    def release(self) -> bool:
        """Release a slice; return whether there was one."""
        if not self._left:
            return False
        return self._shrink(max(0, self._left - SLICE))

    @property
    def is_short(self) -> bool:
        """Whether the disk has less than a slice."""
        return self._free() < SLICE

    def make_room(self) -> bool:
        """Release a slice if the disk has less free than that; return whether it did."""
        return self.is_short and self.release()

    def release_all(self) -> None:
        """Release the whole space, for the last writes."""
        if self._left:
            self._shrink(0)

    def _shrink(self, size: int) -> bool:
        try:
            os.truncate(self._path, size)
        except OSError as exc:
            logger.error("the reserve on the disk cannot be used: %s", exc)
            self._left = 0
            return False
        self._left = size
        return True

    def _free(self) -> int:
        with suppress(OSError):
            found = os.statvfs(self._path.parent)
            return found.f_bavail * found.f_frsize
        return 0
