"""A session's record, as its node's next process reads it."""

import os
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.records import memory as memories
from omnyshell.services.node.records.memory import SCREEN_SIZE, SIZE, STATE_SIZE, Cell, Memory, Slots
from omnyshell.services.node.records.record import LeftRecord, NotedState, ScreenCheckpoint, SessionRecord

STATE = NotedState(
    id="s1", owner="ann", mode=SessionMode.SHELL, pty=PtySpec(cols=100), created_at=datetime(2026, 1, 2, tzinfo=UTC)
)


@pytest.fixture
def fd():
    fd = os.memfd_create("record")
    os.ftruncate(fd, SIZE)
    yield fd
    os.close(fd)


def test_the_next_process_reads_what_was_noted(fd: int) -> None:
    record = SessionRecord.begin(fd)
    record.note(STATE)
    checkpoint = ScreenCheckpoint(offset=3, cols=100, rows=24, painting=b"painted")
    record.note_screen(checkpoint)
    record.journal.write(DataOpcode.STDOUT, b"output")
    record.writing(7)
    left = LeftRecord(fd)
    assert left.state == STATE
    assert left.record is not None
    assert left.record.checkpoint == checkpoint
    assert (left.record.journal.end, left.record.input_offset, left.record.input_in_doubt) == (6, 7, 7)
    left.record.settle_doubt()
    assert (left.record.input_offset, left.record.input_in_doubt) == (7, 0)


def test_input_counts_before_it_is_written_and_what_is_not_taken_does_not(fd: int) -> None:
    record = SessionRecord.begin(fd)
    record.writing(10)
    assert (record.input_offset, record.input_in_doubt) == (10, 10)
    record.written(4)
    assert (record.input_offset, record.input_in_doubt) == (4, 0)


def test_a_screen_that_is_too_large_is_unknown(fd: int) -> None:
    record = SessionRecord.begin(fd)
    record.note_screen(ScreenCheckpoint(offset=9, cols=1, rows=1, painting=bytes(SCREEN_SIZE)))
    assert record.checkpoint == ScreenCheckpoint(offset=9, cols=1, rows=1, is_known=False)


def test_of_another_layout_or_broken_output_only_the_state_is_read(fd: int) -> None:
    record = SessionRecord.begin(fd)
    record.note(STATE)
    memory = Memory(fd)
    memory.cells[Cell.LAYOUT] += 1
    left = LeftRecord(fd)
    assert (left.state, left.record) == (STATE, None)
    memory.cells[Cell.LAYOUT] -= 1
    memory.cells[Cell.END] = 8
    assert LeftRecord(fd).record is None
    # It begins anew, with nothing of before.
    SessionRecord.begin(fd).note(STATE)
    assert LeftRecord(fd).record is not None


@pytest.mark.parametrize("size", [0, SIZE])
def test_where_nothing_is_known_that_is_said(size: int, fd: int) -> None:
    os.ftruncate(fd, size)
    with pytest.raises(ValueError, match="session"):
        LeftRecord(fd)


@given(st.lists(st.binary(max_size=9000), min_size=1, max_size=3), st.binary(max_size=9000))
def test_a_kill_at_any_line_of_a_write_leaves_the_former_value_or_the_next(values: list[bytes], last: bytes) -> None:
    fd = os.memfd_create("record")
    os.ftruncate(fd, SIZE)
    memory = Memory(fd)
    os.close(fd)
    slots = Slots(memory, Cell.STATE, memories.STATE, STATE_SIZE)
    for value in values:
        slots.write(value)
    found = []

    def trace(frame, _event, _arg):
        if frame.f_code.co_name in ("write", "free"):
            sys.settrace(None)
            found.append(slots.read())
            sys.settrace(trace)
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    slots.write(last)
    sys.settrace(before)
    assert set(found) <= {values[-1], last}
    assert slots.read() == last
