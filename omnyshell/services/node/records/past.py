"""Lines that left a session's screen, packed, in memory that outlives the node: new ones take the place of old ones."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from omnyshell.services.node.records.memory import KIB, PAST, PAST_SIZE, Memory

_SUM = 4
_WORTH_FREEING = 64 * KIB
_LARGEST = PAST_SIZE // 2


class Place(NamedTuple):
    """Where something is, counted on and on, and its size, with the checksum before it."""

    position: int
    size: int


class Past:
    """A ring of pieces. Which of them count is noted elsewhere, and what was overwritten meanwhile is found out."""

    def __init__(self, memory: Memory, places: Sequence[Place]) -> None:
        """`places` are those that count, the newest last."""
        self._memory = memory
        self._ring = memory.bytes[PAST : PAST + PAST_SIZE]
        self._head = max((place.position + place.size for place in places), default=0)
        self._freed = min((place.position for place in places), default=0)

    @property
    def oldest(self) -> int:
        """The position from which on nothing is overwritten."""
        return self._head - PAST_SIZE

    def write(self, data: bytes) -> Place | None:
        """Add a piece, and return where it is; None where it is too large."""
        piece = zlib.crc32(data).to_bytes(_SUM, "little") + data
        if len(piece) > _LARGEST:
            return None
        place = Place(self._head, len(piece))
        at = place.position % PAST_SIZE
        cut = min(PAST_SIZE - at, place.size)
        self._ring[at : at + cut] = piece[:cut]
        self._ring[: place.size - cut] = piece[cut:]
        self._head += place.size
        return place

    def read(self, place: Place) -> bytes | None:
        """Return the piece at a place; None where it is not there, or not whole."""
        position, size = place
        if not (_SUM <= size <= _LARGEST and max(0, self.oldest) <= position <= self._head - size):
            return None
        at = position % PAST_SIZE
        cut = min(PAST_SIZE - at, size)
        piece = bytes(self._ring[at : at + cut]) + bytes(self._ring[: size - cut])
        return piece[_SUM:] if zlib.crc32(piece[_SUM:]).to_bytes(_SUM, "little") == piece[:_SUM] else None

    def release(self, position: int | None) -> None:
        """Give memory back that is before a position, or all of it."""
        until = self._head if position is None else position
        start, end = max(self._freed, self.oldest), until
        if end - start < _WORTH_FREEING:
            return
        first, last = start % PAST_SIZE, end % PAST_SIZE
        if first < last:
            self._memory.free(PAST + first, PAST + last)
        else:
            self._memory.free(PAST + first, PAST + PAST_SIZE)
            self._memory.free(PAST, PAST + last)
        self._freed = end
