"""A session's memory: where each thing is in it, and single stores that a kill cannot cut in two."""

import mmap
import os
from contextlib import suppress
from enum import IntEnum

KIB, MIB = 1024, 1024 * 1024

MAGIC = int.from_bytes(b"omnyrec\x01", "little")
"""What memory begins with that has a session's state where it is expected, as every version has it."""

LAYOUT = 2
"""The version of all the rest."""

STATE, STATE_SIZE = 4 * KIB, 64 * KIB
SCREEN, SCREEN_SIZE = 256 * KIB, 2 * MIB
JOURNAL, JOURNAL_SIZE = 8 * MIB, 8 * MIB
"""Where the two slots of state, those of the screen, and the output are. What is not written takes no room."""

PAST, PAST_SIZE = 16 * MIB, 8 * MIB
"""Where the lines are that left a screen."""

SIZE = PAST + PAST_SIZE

_PAGE = mmap.PAGESIZE


class Cell(IntEnum):
    """Numbers at the beginning, each of 64 bits, so that a store of one is whole or has not happened."""

    MAGIC = 0
    LAYOUT = 1
    STATE = 2
    SCREEN = 3
    """Which slot counts; 0 for none."""

    TAIL = 4
    """Where the oldest output begins that is needed."""

    READING = 5
    """One more than the offset of output that was about to be read."""

    WRITTEN = 6
    """How many bytes of input the process has."""

    INTENDED = 7
    """How many it has once what is being written is written."""

    END = 8
    """Where the last byte of output ends that counts."""


class Memory:
    """The memory behind a descriptor, which stays the caller's. Raises `OSError` and `ValueError` for other things."""

    def __init__(self, fd: int) -> None:
        if os.fstat(fd).st_size < SIZE:
            raise ValueError("this is no memory of a session")
        self._mapping = mmap.mmap(fd, SIZE)
        self.bytes = memoryview(self._mapping)
        self.cells = self.bytes[:_PAGE].cast("Q")

    def clear(self) -> None:
        """Forget all, unless nothing was written yet."""
        if any(self.cells):
            self.cells[Cell.MAGIC] = 0
            self.free(_PAGE, SIZE)
            self.bytes[:_PAGE] = bytes(_PAGE)
            self.bytes[JOURNAL : JOURNAL + 16] = bytes(16)

    def free(self, start: int, end: int) -> None:
        """Give back what whole pages between these hold; it reads as zeros then."""
        start, end = -(-start // _PAGE) * _PAGE, end // _PAGE * _PAGE
        if start < end:
            # Where that is not possible, memory stays until the session is forgotten.
            with suppress(OSError):
                self._mapping.madvise(mmap.MADV_REMOVE, start, end - start)


class Slots:
    """One value, kept twice, so that the former one counts until the next is whole."""

    def __init__(self, memory: Memory, cell: Cell, at: int, size: int) -> None:
        self._memory = memory
        self._cell = cell
        self._at = at
        self._size = size

    def read(self) -> bytes | None:
        """Return the value; None if there is none."""
        which = self._memory.cells[self._cell]
        if which not in (1, 2):
            return None
        at = self._start(which)
        length = int.from_bytes(self._memory.bytes[at : at + 8], "little")
        return bytes(self._memory.bytes[at + 8 : at + 8 + length]) if length <= self._most else None

    def write(self, value: bytes) -> bool:
        """Set the value; return whether it fits. One that does not fit changes nothing."""
        if len(value) > self._most:
            return False
        before = self._memory.cells[self._cell]
        which = 2 if before == 1 else 1
        at = self._start(which)
        self._memory.bytes[at : at + 8] = len(value).to_bytes(8, "little")
        self._memory.bytes[at + 8 : at + 8 + len(value)] = value
        self._memory.cells[self._cell] = which
        if len(value) > _PAGE and before:
            self._memory.free(self._start(before) + _PAGE, self._start(before) + self._size)
        return True

    @property
    def _most(self) -> int:
        return self._size - 8

    def _start(self, which: int) -> int:
        return self._at + (which - 1) * self._size
