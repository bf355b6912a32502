"""Where a node's file has nothing, which need not be sent."""

from collections import deque

from omnyshell.services.client.files.ports import BLOCK
from omnyshell.services.client.files.sftp import Sftp

WORTH_ASKING = 16 * BLOCK
"""Bytes of the smallest file of which it is asked: it takes a round trip."""

CLOSE_TOGETHER, NOT_ASKED = 32 * BLOCK, 256 * BLOCK
"""Where an answer tells of so few bytes, as its ranges are many, so many more are read without asking."""


class Holes:
    """The holes of a file that is read in order, found as its reader comes to them. A server without them has none."""

    def __init__(self, sftp: Sftp, handle: bytes, start: int, size: int) -> None:
        """It is read from `start` on, up to its size."""
        self._sftp, self._handle, self._size = sftp, handle, size
        is_asked = sftp.tells_ranges and size - start >= WORTH_ASKING
        self._ranges: deque[tuple[int, int]] = deque() if is_asked else deque([(start, size)])
        """Beginnings and ends of what is no hole."""

        self._known = start if is_asked else size
        """Up to where it is known."""

    async def has(self, offset: int, size: int) -> bool:
        """Whether a whole block is nothing. Raises `FileException`; no earlier block can be asked for later."""
        if size < BLOCK:
            return False
        while self._known < offset + size:
            await self._learn()
        while self._ranges and self._ranges[0][1] <= offset:
            self._ranges.popleft()
        return not self._ranges or self._ranges[0][0] >= offset + size

    async def _learn(self) -> None:
        begin = self._known
        found, is_all = await self._sftp.ranges(self._handle, begin, self._size - begin)
        self._ranges += found
        self._known = self._size if is_all else found[-1][1]
        if self._known - begin < CLOSE_TOGETHER:
            end = min(self._size, self._known + NOT_ASKED)
            self._ranges.append((self._known, end))
            self._known = end
