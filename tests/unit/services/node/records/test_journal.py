"""Output in memory: whole after a kill at any place, and as it was read."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.records import journal as journals
from omnyshell.services.node.records.journal import BrokenError, Journal
from omnyshell.services.node.records.memory import Cell, Memory

PAGE = 4096
SMALL = 512
"""Bytes of a ring that output goes round in many times."""

OUT, ERR = DataOpcode.STDOUT, DataOpcode.STDERR
RECORDS = str(Path(journals.__file__).parent)


@pytest.fixture(autouse=True, scope="module")
def _small_ring():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "JOURNAL", PAGE)
        patch.setattr(journals, "JOURNAL_SIZE", SMALL)
        patch.setattr(journals, "_LEAST", 32)
        patch.setattr(journals, "_WORTH_RESTARTING", SMALL // 4)
        yield


class Heap(Memory):
    """Memory of this process, of which copies are cheap."""

    def __init__(self, contents: bytes = bytes(PAGE + SMALL)) -> None:
        self.bytes = memoryview(bytearray(contents))
        self.cells = self.bytes[:PAGE].cast("Q")

    def copy(self) -> "Heap":
        return Heap(bytes(self.bytes))

    def free(self, start: int, end: int) -> None:
        """Freed pages are zeros, where they are whole."""


def contents(journal: Journal) -> tuple[int, list[tuple[int, bytes]]]:
    """What a journal has: where it begins, and each stream's bytes, in order."""
    found: list[tuple[int, bytes]] = []
    for stream, part in journal.since(journal.start):
        if found and found[-1][0] == stream:
            found[-1] = (stream, found[-1][1] + bytes(part))
        else:
            found.append((int(stream), bytes(part)))
    return journal.start, found


def at_each_line(memory: Memory, action: Callable[[], object]) -> list[Memory]:
    """Do something, and return the memory as it was before each line of the records' code."""
    copies = []

    def trace(frame, event, _arg):
        if not frame.f_code.co_filename.startswith(RECORDS):
            return None
        if event == "line":
            copies.append(memory.copy())
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return copies


STEPS = st.lists(
    st.tuples(st.sampled_from([OUT, ERR]), st.binary(min_size=1, max_size=90), st.integers(0, 100)), max_size=8
)


@given(STEPS)
def test_a_kill_at_any_line_leaves_what_was_before_or_after(steps: list[tuple[DataOpcode, bytes, int]]) -> None:
    memory = Heap()
    journal = Journal(memory)
    for stream, data, released in steps:
        journal.release(journal.end - released)
        data = data[: journal.room]
        if not data:
            continue
        before, end, taken = contents(journal), journal.end, list[bytes]()
        read, write = os.pipe()
        os.write(write, data)
        copies = at_each_line(memory, lambda: journal.read(read, stream, len(data)))  # noqa: B023
        size = journal.end - end
        copies += at_each_line(memory, lambda: taken.append(journal.take()))  # noqa: B023
        os.close(read)
        os.close(write)
        after = contents(journal)
        # The ring's end is the end of a piece.
        assert 0 < size <= len(data)
        assert taken == [data[:size]]
        assert after[1][-1][1].endswith(data[:size])
        found = list(map(Journal, copies))
        assert all(contents(each) in (before, after) for each in found)
        # From before it is read until it is there, it is in doubt.
        doubts = [each.is_in_doubt for each in found if each.end == end]
        assert doubts == sorted(doubts)
        assert doubts[-1]
        assert not journal.is_in_doubt
        assert contents(Journal(memory.copy())) == after


@given(STEPS)
def test_what_is_released_at_any_line_is_there_or_gone(steps: list[tuple[DataOpcode, bytes, int]]) -> None:
    memory = Heap()
    journal = Journal(memory)
    for stream, data, released in steps:
        journal.write(stream, data[: journal.room])
        before = contents(journal)
        copies = at_each_line(memory, lambda: journal.release(journal.end - released))  # noqa: B023
        assert journal.start <= max(before[0], journal.end - released)
        for copy in copies:
            assert contents(Journal(copy)) in (before, contents(journal))


def test_nothing_to_read_is_no_doubt() -> None:
    memory = Heap()
    journal = Journal(memory)
    read, write = os.pipe()
    os.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        journal.read(read, OUT, 10)
    os.close(write)
    assert journal.read(read, OUT, 10) == 0
    os.close(read)
    assert not Journal(memory.copy()).is_in_doubt


def test_without_room_nothing_is_read_which_is_no_end() -> None:
    journal = Journal(Heap())
    journal.write(OUT, bytes(journal.room))
    with pytest.raises(BlockingIOError):
        journal.read(0, OUT, 10)
    assert not journal.is_in_doubt


def test_blanks_reach_back_over_pieces_and_seams() -> None:
    journal = Journal(Heap())
    journal.write(OUT, b"a" * 150)
    journal.release(150)
    for piece in (b"bbbb", b"c" * 60, b"dd"):
        journal.write(OUT, piece)
    journal.blank(journal.end - 1, 63)
    assert contents(journal) == (150, [(OUT, b"bb" + b"\0" * 63 + b"d")])


def test_a_chunk_that_took_several_reads_is_one_piece_and_none_of_them_is_lost_before_it_ends() -> None:
    memory = Heap()
    journal = Journal(memory)
    read, write = os.pipe()
    for count, piece in enumerate((b"one ", b"two ", b"three"), start=1):
        os.write(write, piece)
        assert journal.read(read, ERR, 100) == len(piece)
        left = memory.copy()
        found = Journal(left)
        assert contents(found) == (0, [(ERR, b"one two three"[: journal.end])])
        # What comes then is behind it, also for whoever reads it after that.
        found.write(OUT, b"!")
        assert contents(Journal(left))[1] == [(ERR, b"one two three"[: journal.end]), (OUT, b"!")], count
    assert journal.take() == b"one two three"
    assert journal.take() == b""
    os.close(read)
    os.close(write)


def test_memory_that_is_none_of_its_own_is_refused() -> None:
    memory = Heap()
    journal = Journal(memory)
    journal.write(OUT, b"text")
    journal.write(ERR, b"more")
    for at, byte in ((PAGE + 12, 9), (PAGE + 8, 200), (PAGE + 32, 7), (8 * Cell.END, 200), (8 * Cell.END + 1, 9)):
        broken = memory.copy()
        broken.bytes[at] = byte
        with pytest.raises(BrokenError):
            Journal(broken)
