"""The ring of lines that left a screen."""

import os
import random

import pytest

from omnyshell.services.node.records.memory import KIB, PAST, PAST_SIZE, SIZE, Memory
from omnyshell.services.node.records.past import Past, Place


@pytest.fixture
def fd():
    fd = os.memfd_create("record")
    os.ftruncate(fd, SIZE)
    yield fd
    os.close(fd)


def used(fd: int) -> int:
    """Bytes of memory behind it."""
    return os.fstat(fd).st_blocks * 512


def test_what_was_written_is_read_by_the_next_process_until_it_is_overwritten(fd: int) -> None:
    """Twice around, with pieces of any size: what is not overwritten is there, and nothing else is."""
    chance = random.Random(1)
    past = Past(Memory(fd), ())
    written: list[tuple[Place, bytes]] = []
    total = 0
    while total < 2 * PAST_SIZE:
        data = chance.randbytes(chance.randrange(1, 300 * KIB))
        place = past.write(data)
        assert place is not None
        written.append((place, data))
        total += len(data)
        del written[:-200]
    places = [place for place, _ in written]
    following = Past(Memory(fd), places)
    for place, data in written:
        assert following.read(place) == (data if place.position >= past.oldest else None)
    assert following.oldest == past.oldest


def test_what_is_too_large_is_not_written_and_what_is_none_is_not_read(fd: int) -> None:
    past = Past(Memory(fd), ())
    assert past.write(bytes(PAST_SIZE)) is None
    place = past.write(b"a page")
    assert place is not None
    for wrong in (
        place._replace(size=place.size - 1),
        place._replace(position=place.position + 1),
        *(Place(-1, 8), Place(0, 0), Place(0, 3), Place(0, 1 << 40), Place(1 << 40, 8), Place(-PAST_SIZE, PAST_SIZE)),
    ):
        assert past.read(wrong) is None
    os.pwrite(fd, b"P", PAST + 6)
    assert past.read(place) is None


def test_memory_is_given_back_that_is_not_needed(fd: int) -> None:
    past = Past(Memory(fd), ())
    before = used(fd)
    for _ in range(40):
        place = past.write(os.urandom(500 * KIB))
        assert place is not None
        past.release(place.position)
        assert used(fd) - before <= (500 + 200) * KIB
        assert past.read(place) is not None
    past.release(None)
    assert used(fd) - before <= 200 * KIB
    # The next process goes on where the one before was.
    following = Past(Memory(fd), [place])
    following.write(bytes(100 * KIB))
    following.release(None)
    assert used(fd) - before <= 200 * KIB
