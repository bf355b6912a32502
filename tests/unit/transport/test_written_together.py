"""Small messages that are written together."""

from collections.abc import Sequence

import pytest

from omnyshell.transport.bulk_frames import Piece
from omnyshell.transport.written_together import MOST, SMALL, SmallWrites, together


class Wire:
    """A transport, and the link before it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.small = SmallWrites(self.write)

    def write(self, pieces: Sequence[Piece]) -> None:
        self.written.append(b"".join(pieces))

    def send(self, *pieces: bytes) -> None:
        if not self.small.take(pieces):
            self.write(pieces)


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_each_is_written_at_once_where_nothing_holds_it(wire: Wire) -> None:
    wire.send(b"a")
    wire.send(b"b")
    assert wire.written == [b"a", b"b"]


def test_small_ones_are_written_together_at_the_end_of_the_outermost(wire: Wire) -> None:
    other = Wire()
    with together:
        wire.send(b"a")
        with together:
            wire.send(b"b")
            other.send(b"x")
        assert (wire.written, other.written) == ([], [])
        wire.send(b"c")
    assert (wire.written, other.written) == ([b"abc"], [b"x"])
    wire.send(b"d")
    assert wire.written == [b"abc", b"d"]


def test_a_large_one_and_one_in_pieces_goes_at_once_behind_those_before(wire: Wire) -> None:
    large = bytes(SMALL + 1)
    with together:
        wire.send(b"a")
        wire.send(large)
        wire.send(b"b")
        wire.send(b"c", b"d")
        assert wire.written == [b"a", large, b"b", b"cd"]
    assert len(wire.written) == 4


def test_no_more_than_a_record_waits(wire: Wire) -> None:
    with together:
        for _ in range(MOST // SMALL + 1):
            wire.send(bytes(SMALL))
        assert [len(each) for each in wire.written] == [(MOST // SMALL + 1) * SMALL]


def test_they_are_written_whatever_fails(wire: Wire) -> None:
    def fail() -> None:
        with together:
            wire.send(b"a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert wire.written == [b"a"]
    with together:
        pass
    assert wire.written == [b"a"]
