"""What left a screen, as the node's next process has it."""

import os
import random

import pytest

from omnyshell.services.node.records.journal import Journal
from omnyshell.services.node.records.memory import PAST, PAST_SIZE, SIZE, Memory
from omnyshell.services.node.records.record import ScreenCheckpoint, SessionRecord
from omnyshell.services.node.screens.kept_lines import KeptLines, take_lines
from omnyshell.services.node.screens.shell_screens import FollowedScreen
from omnyshell.terminal.history.history import History
from omnyshell.terminal.history.pages import Page
from omnyshell.terminal.screen.work import finished

LIMIT = 500


@pytest.fixture
def fd():
    fd = os.memfd_create("record")
    os.ftruncate(fd, SIZE)
    yield fd
    os.close(fd)


def noted(lines: KeptLines, record: SessionRecord) -> ScreenCheckpoint:
    checkpoint = ScreenCheckpoint(offset=0, cols=20, rows=5)
    finished(lines.note(checkpoint))
    record.note_screen(checkpoint)
    lines.noted()
    return checkpoint


def taken(fd: int, limit: int = LIMIT) -> History:
    """The history of the next process."""
    memory = Memory(fd)
    record = SessionRecord(memory, Journal(memory))
    history = History(limit, 20)
    take_lines(record, record.checkpoint, history)
    return history


def texts(history: History) -> list[str]:
    return ["".join(row.cells).rstrip() for row in history]


def shown(history: History) -> list[tuple[object, ...]]:
    return [("".join(row.cells).rstrip(), row.wrapped, row.styles) for row in history]


def test_the_next_process_has_the_same_lines_under_the_same_numbers(fd: int) -> None:
    """Output of all kinds, resizes, clears; noted now and then."""
    chance = random.Random(7)
    record = SessionRecord.begin(fd)
    screen = FollowedScreen(20, 5, history=LIMIT)
    lines = KeptLines(record.past, screen.history)
    some = [
        b"plain\r\n",
        b"\x1b[1;31mred\x1b[m and \x1b[44mblue\r\n",
        b"x" * 70,
        "\u5bbd\u5b57\r\n".encode(),
        b"\r\n" * 9,
    ]
    some += [b"%d\r\n" % number for number in range(40)]
    for _ in range(60):
        screen.push(b"".join(chance.choices(some, k=chance.randrange(1, 200))))
        if chance.random() < 0.2:
            screen.resize(chance.randrange(10, 40), chance.randrange(3, 9))
        if chance.random() < 0.05:
            screen.push(b"\x1b[3J")
        while screen.work(1.0):
            pass
        noted(lines, record)
        found, history = taken(fd), screen.history
        found.resize(history._width)
        assert found.end == history.end
        assert shown(found) == shown(history)


def test_of_what_cannot_be_read_nothing_older_is_had(fd: int) -> None:
    record = SessionRecord.begin(fd)
    screen = FollowedScreen(20, 5, history=LIMIT)
    screen.push(b"".join(b"%d\r\n" % number for number in range(400)))
    while screen.work(1.0):
        pass
    checkpoint = noted(KeptLines(record.past, screen.history), record)
    assert len(checkpoint.pages) > 2
    whole = texts(taken(fd))
    assert whole == [str(number) for number in range(396)]
    # A kill while a later one is written leaves this one with its newest lines.
    os.pwrite(fd, bytes(8), PAST + checkpoint.pages[1].position % PAST_SIZE + 4)
    newest = texts(taken(fd))
    assert 0 < len(newest) < len(whole)
    assert newest == whole[-len(newest) :]
    assert taken(fd).end == 396
    # A node that keeps fewer lines has the newest.
    assert 0 < len(taken(fd, 50)) <= 50
    assert len(taken(fd, 0)) == 0
    record.note_screen(ScreenCheckpoint(offset=0, cols=20, rows=5, pages=checkpoint.pages, pages_format=1))
    assert len(taken(fd)) == 0


@pytest.mark.parametrize("data", [b"", b"short", Page((), 20, 0).to_bytes()[:3]])
def test_what_is_no_page_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="no page"):
        Page.from_bytes(data)
