"""What ended sessions may take that nobody asks for any more."""

import os

import pytest

from omnyshell.keeper import held
from omnyshell.keeper.held import Held, Sessions
from omnyshell.keeper.streams import RECORD
from omnyshell.keeper.wire import PIPES

BLOCK = 1 << 20


def ended(sessions: Sessions, node: bytes, number: int, size: int) -> None:
    record = os.memfd_create("a record")
    os.write(record, bytes(size))
    session = Held(node, b"%d" % number, PIPES, 1, {RECORD: record})
    session.note_end()
    session.ended_at += number
    sessions.add(session)


def names(sessions: Sessions, node: bytes) -> list[int]:
    return sorted(int(each.name) for each in sessions.of(node))


def test_what_nodes_leave_that_are_gone_is_bounded_in_all_and_the_newest_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "MOST_LEFT", 5 * BLOCK)
    sessions = Sessions()
    for number in range(4):
        ended(sessions, b"gone", number, BLOCK)
        ended(sessions, b"gone-too", 10 + number, BLOCK)
        ended(sessions, b"there", 20 + number, BLOCK)
    running = Held(b"gone", b"99", PIPES, 1, {RECORD: os.memfd_create("a record")})
    sessions.add(running)
    sessions.forget_old(lambda node: node == b"there")
    assert names(sessions, b"there") == [20, 21, 22, 23]
    assert names(sessions, b"gone-too") == [10, 11, 12, 13]
    assert names(sessions, b"gone") == [3, 99]
    sessions.forget_old(lambda node: True)
    assert len(sessions) == 10
    later = held._now() + 30
    monkeypatch.setattr(held, "_now", lambda: later)
    sessions.forget_old(lambda node: node == b"there", 25)
    assert (names(sessions, b"there"), names(sessions, b"gone")) == ([20, 21, 22, 23], [99])
    running.note_end()
    for each in sessions:
        sessions.forget(each)
