"""A session's output in memory that outlives the node, from where it is still needed."""

import os
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.records.memory import JOURNAL, JOURNAL_SIZE, KIB, Cell, Memory

HEAD = 16
"""Bytes before each piece: its offset, and then its stream and, once another one follows, its length."""

_LEAST = 4 * KIB
"""Bytes that there are behind a head: where the ring's end is nearer, the next piece begins at its beginning."""

_WORTH_RESTARTING = 256 * KIB
"""Bytes behind the ring's beginning from which a journal that has nothing goes on there, in memory that it has."""

_WORTH_FREEING = 64 * KIB

# An enumeration's member takes as long as the store to the cell that it names.
_TAIL, _READING, _END = int(Cell.TAIL), int(Cell.READING), int(Cell.END)

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
    """A ring of pieces, each of one stream, and in one place. What is read goes to the end of the one that is open.

    A number says where the last byte ends that counts: a kill after any store leaves what was before it or what is
    after it, and a mark says which output was being read. Raises `BrokenError` for memory that it cannot have written.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._ring = memory.bytes[JOURNAL : JOURNAL + JOURNAL_SIZE]
        self._words = self._ring.cast("Q")
        self._cells = memory.cells
        self._entries: deque[_Entry] = deque()
        self._head = self._tail = self._cells[_TAIL]
        self._stream = DataOpcode.STDOUT
        self._start = self._size = self._most = 0
        """Of the open piece: where it is in the ring, how long it is, and how long it can be."""

        self._top = JOURNAL_SIZE
        """Up to where the ring may have memory."""

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
        # A head, a seam at the ring's end, and the head of what comes next take some.
        return max(0, JOURNAL_SIZE - (self._head - self._tail) - _LEAST - 8 * HEAD)

    @property
    def is_in_doubt(self) -> bool:
        """Whether output was being read after the last byte that is here."""
        return self._cells[_READING] == self.end + 1

    def settle_doubt(self) -> None:
        """Go on as if nothing had been read."""
        self._cells[_READING] = 0

    def read(self, fd: int, stream: DataOpcode, limit: int) -> int:
        """Read at most `limit` bytes of a descriptor, as `os.read` does; return how many. `take` has to follow.

        Without room it is as if none came.
        """
        before = self._size
        if not before:
            self._begin(stream)
        at, left, cells = self._start + before, self._most - before, self._cells
        if left <= 0:
            raise BlockingIOError
        cells[_READING] = self.end + 1
        try:
            size = os.readv(fd, (self._ring[at : at + (min(left, limit))],))
        except BaseException:
            cells[_READING] = 0
            raise
        if size:
            self._size = before + size
            self.end += size
            cells[_END] = self._head + HEAD + before + size
        else:
            cells[_READING] = 0
        return size

    def take(self) -> bytes:
        """Return what was read since the last time."""
        data = bytes(self._ring[self._start : self._start + self._size])
        if data:
            self._finish()
        return data

    def write(self, stream: DataOpcode, data: bytes) -> None:
        """Add output that is the node's own. The caller keeps to `room`."""
        while data:
            self._begin(stream)
            part, data = data[: self._most], data[self._most :]
            self._ring[self._start : self._start + len(part)] = part
            self._size, self.end = len(part), self.end + len(part)
            self._cells[_END] = self._head + HEAD + self._size
            self._finish()

    def release(self, offset: int) -> None:
        """Forget pieces that end before an offset."""
        entries = self._entries
        while entries and entries[0].offset + entries[0].length <= offset:
            entries.popleft()
        self._move_tail(entries[0].position if entries else self._head)
        if not entries and self._head % JOURNAL_SIZE >= _WORTH_RESTARTING:
            self._head += -self._head % JOURNAL_SIZE
            self._announce(self._head)
            self._move_tail(self._head)

    def _move_tail(self, position: int) -> None:
        if self._tail != position:
            self._tail = self._cells[_TAIL] = position

    @property
    def is_spread(self) -> bool:
        """Whether it has nothing, in much memory."""
        return not self._entries and self._top >= _WORTH_FREEING

    def free(self) -> None:
        """Give memory back where nothing is here: all but the head of what comes next."""
        if not self._entries and not self._size:
            at = self._head % JOURNAL_SIZE
            self._memory.free(JOURNAL, JOURNAL + at)
            self._memory.free(JOURNAL + at + HEAD, JOURNAL + JOURNAL_SIZE)
            self._top = at + HEAD

    def since(self, offset: int) -> Iterator[Piece]:
        """Yield the output from an offset on, which must be here."""
        for entry in self._entries:
            skip = max(0, offset - entry.offset)
            if skip < entry.length:
                yield entry.stream, self._part(entry, skip, entry.length)

    def blank(self, end: int, size: int) -> None:
        """Overwrite the `size` bytes before an offset with NUL, as far as they are here."""
        for entry in reversed(self._entries):
            first, last = max(entry.offset, end - size), min(entry.offset + entry.length, end)
            if last <= end - size:
                return
            part = self._part(entry, first - entry.offset, max(first, last) - entry.offset)
            part[:] = bytes(len(part))

    def _part(self, entry: _Entry, start: int, end: int) -> memoryview:
        base = entry.position % JOURNAL_SIZE + HEAD
        return self._ring[base + start : base + end]

    def _begin(self, stream: DataOpcode) -> None:
        """Open a piece, which is none before something is in it."""
        at = self._head % JOURNAL_SIZE
        self._words[at // 8 + 1] = stream << 32
        self._stream, self._start = stream, at + HEAD
        self._most = min(JOURNAL_SIZE - self._start, self.room)

    def _finish(self) -> None:
        """Close the piece that is open."""
        entry = _Entry(self._head, self.end - self._size, self._size, self._stream)
        self._close(entry)
        self._entries.append(entry)
        self._top = max(self._top, self._start + self._size)
        self._size = 0

    def _close(self, entry: _Entry) -> None:
        self._head = _after(entry.position, entry.length)
        self._announce(self._head)
        self._words[entry.position % JOURNAL_SIZE // 8 + 1] = entry.length | entry.stream << 32

    def _announce(self, position: int) -> None:
        """Write the head of what comes next."""
        at = position % JOURNAL_SIZE // 8
        self._words[at + 1] = 0
        self._words[at] = self.end

    def _recover(self) -> None:
        position, last = self._tail, self._cells[_END]
        if position % HEAD:
            raise BrokenError
        self.end = self._words[position % JOURNAL_SIZE // 8]
        while position < last:
            entry = self._entry_at(position, last)
            self._entries.append(entry)
            self.end += entry.length
            position = _after(position, entry.length)
        if self._entries:
            # It may have been open.
            self._close(self._entries[-1])

    def _entry_at(self, position: int, last: int) -> _Entry:
        """Return the piece at a position; if it is the last one, which may be open, it goes on to `last`."""
        at = position % JOURNAL_SIZE // 8
        offset, mark = self._words[at], self._words[at + 1]
        size, stream, rest = mark & 0xFFFFFFFF, mark >> 32, last - position - HEAD
        if not size or _after(position, size) >= last:
            size = size or rest
            if size != rest:
                raise BrokenError
        has_room = size > 0 and position % JOURNAL_SIZE + HEAD + size <= JOURNAL_SIZE
        if not has_room or last - self._tail > JOURNAL_SIZE or offset != self.end or stream not in _STREAMS:
            raise BrokenError
        return _Entry(position, offset, size, DataOpcode(stream))


class JournalIntake:
    """Reads one stream into a journal."""

    def __init__(self, journal: Journal, stream: DataOpcode) -> None:
        self._journal = journal
        self._stream = stream
        self.take = journal.take

    def read(self, fd: int, limit: int) -> int:
        """See `Journal.read`."""
        return self._journal.read(fd, self._stream, limit)


_STREAMS = (DataOpcode.STDOUT, DataOpcode.STDERR)


def _after(position: int, size: int) -> int:
    following = position + HEAD + (size + HEAD - 1) // HEAD * HEAD
    left = -following % JOURNAL_SIZE
    return following + left if left < HEAD + _LEAST else following
