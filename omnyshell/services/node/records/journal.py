"""A session's output in memory that outlives the node, from where it is still needed."""

import os
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.records.memory import JOURNAL, JOURNAL_SIZE, MIB, Cell, Memory

HEAD = 16
"""Bytes before each piece: its offset, and then its length and stream, which make it count."""

_WORTH_FREEING = MIB
_RESERVE = 4 * HEAD

Piece = tuple[DataOpcode, memoryview]


class BrokenError(Exception):
    """What the memory has is no output as it is written here."""


class _Entry(NamedTuple):
    position: int
    """Of its head, counted on and on."""

    offset: int
    length: int
    stream: DataOpcode


class Journal:
    """A ring of pieces.

    A kill after any store leaves what was before it or what is after it, and a mark says which output was being read.
    Raises `BrokenError` for memory that it cannot have written.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._ring = memory.bytes[JOURNAL : JOURNAL + JOURNAL_SIZE]
        self._words = self._ring.cast("Q")
        self._cells = memory.cells
        self._entries: deque[_Entry] = deque()
        self._head = self._freed = self._tail = self._cells[Cell.TAIL]
        self.end = 0
        """Offset of the next byte of output."""

        self._recover()

    @property
    def start(self) -> int:
        """Offset of the first byte that is here."""
        return self._entries[0].offset if self._entries else self.end

    @property
    def room(self) -> int:
        """How many more bytes fit."""
        return max(0, JOURNAL_SIZE - (self._head - self._tail) - _RESERVE)

    @property
    def is_in_doubt(self) -> bool:
        """Whether output was being read after the last byte that is here."""
        return self._cells[Cell.READING] == self.end + 1

    def settle_doubt(self) -> None:
        """Go on as if nothing had been read."""
        self._cells[Cell.READING] = 0

    def read(self, fd: int, stream: DataOpcode, limit: int) -> bytes:
        """Read a descriptor as `os.read` does, of at most `limit` bytes, into here; without room, as if none came."""
        at = self._head % JOURNAL_SIZE + HEAD
        ring, limit = self._ring, min(limit, self.room)
        if limit <= 0:
            raise BlockingIOError
        cut = JOURNAL_SIZE - at
        self._cells[Cell.READING] = self.end + 1
        try:
            if limit <= cut:
                size = os.readv(fd, (ring[at : at + limit],))
            else:
                size = os.readv(fd, (ring[at:], ring[: limit - cut]))
        except BaseException:
            self._cells[Cell.READING] = 0
            raise
        if not size:
            self._cells[Cell.READING] = 0
            return b""
        self._commit(stream, size)
        return bytes(ring[at : at + size]) if size <= cut else b"".join((ring[at:], ring[: size - cut]))

    def write(self, stream: DataOpcode, data: bytes) -> None:
        """Add output that is the node's own. The caller keeps to `room`."""
        at = self._head % JOURNAL_SIZE + HEAD
        self._put(at, data)
        if data:
            self._commit(stream, len(data))

    def release(self, offset: int) -> None:
        """Forget pieces that end before an offset."""
        entries, before = self._entries, self._tail
        while entries and entries[0].offset + entries[0].length <= offset:
            entries.popleft()
        self._tail = entries[0].position if entries else self._head
        if self._tail != before:
            self._cells[Cell.TAIL] = self._tail
        if not entries and self._head - self._freed >= _WORTH_FREEING:
            self._free()

    def since(self, offset: int) -> Iterator[Piece]:
        """Yield the output from an offset on, which must be here."""
        for entry in self._entries:
            skip = max(0, offset - entry.offset)
            if skip < entry.length:
                yield from ((entry.stream, part) for part in self._parts(entry, skip, entry.length))

    def blank(self, end: int, size: int) -> None:
        """Overwrite the `size` bytes before an offset with NUL, as far as they are here."""
        for entry in reversed(self._entries):
            first, last = max(entry.offset, end - size), min(entry.offset + entry.length, end)
            if last <= end - size:
                return
            for part in self._parts(entry, first - entry.offset, max(first, last) - entry.offset):
                part[:] = bytes(len(part))

    def _parts(self, entry: _Entry, start: int, end: int) -> Iterator[memoryview]:
        base = entry.position % JOURNAL_SIZE + HEAD
        first, last = base + start, base + end
        if first < JOURNAL_SIZE:
            yield self._ring[first : min(last, JOURNAL_SIZE)]
        if last > JOURNAL_SIZE:
            yield self._ring[max(0, first - JOURNAL_SIZE) : last - JOURNAL_SIZE]

    def _put(self, at: int, data: bytes) -> None:
        cut = JOURNAL_SIZE - at
        self._ring[at : at + min(cut, len(data))] = data[:cut]
        if len(data) > cut:
            self._ring[: len(data) - cut] = data[cut:]

    def _commit(self, stream: DataOpcode, size: int) -> None:
        head, end, words = self._head, self.end, self._words
        following = _after(head, size)
        at = following % JOURNAL_SIZE // 8
        words[at + 1] = 0
        words[at] = end + size
        words[head % JOURNAL_SIZE // 8 + 1] = size | stream << 32
        self._entries.append(_Entry(head, end, size, stream))
        self._head, self.end = following, end + size

    def _free(self) -> None:
        """Give memory back: all but the head of what comes next."""
        at = self._head % JOURNAL_SIZE
        self._memory.free(JOURNAL, JOURNAL + at)
        self._memory.free(JOURNAL + at + HEAD, JOURNAL + JOURNAL_SIZE)
        self._freed = self._head

    def _recover(self) -> None:
        position = self._tail
        if position % HEAD:
            raise BrokenError
        at = position % JOURNAL_SIZE // 8
        offset = self._words[at]
        while self._words[at] == offset and (mark := self._words[at + 1]):
            size, stream = mark & 0xFFFFFFFF, mark >> 32
            following = _after(position, size)
            if not size or following - self._tail > JOURNAL_SIZE or stream not in _STREAMS:
                raise BrokenError
            self._entries.append(_Entry(position, offset, size, DataOpcode(stream)))
            position, offset = following, offset + size
            at = position % JOURNAL_SIZE // 8
        if self._words[at] != offset:
            raise BrokenError
        self._head, self.end = position, offset


_STREAMS = (DataOpcode.STDOUT, DataOpcode.STDERR)


def _after(position: int, size: int) -> int:
    return position + HEAD + (size + HEAD - 1) // HEAD * HEAD
