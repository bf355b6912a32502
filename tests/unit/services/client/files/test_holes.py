"""Holes of a node's file: which blocks are not asked for, and how often is asked where they are."""

from typing import Any

from omnyshell.services.client.files.holes import CLOSE_TOGETHER, NOT_ASKED, WORTH_ASKING, Holes
from omnyshell.services.client.files.ports import BLOCK

MANY = 4


class Server:
    """Tells at most `MANY` ranges at a time."""

    def __init__(self, data: list[tuple[int, int]], *, tells_ranges: bool = True) -> None:
        self.tells_ranges = tells_ranges
        self.asked: list[int] = []
        self._data = data

    async def ranges(self, handle: bytes, offset: int, size: int) -> tuple[list[tuple[int, int]], bool]:
        assert handle == b"h"
        self.asked.append(offset)
        found = [(max(begin, offset), end) for begin, end in self._data if end > offset and begin < offset + size]
        return found[:MANY], len(found) <= MANY


async def holes_of(server: Any, size: int, start: int = 0) -> list[int]:
    """Return the numbers of the blocks that are holes."""
    holes = Holes(server, b"h", start, size)
    return [
        offset // BLOCK for offset in range(start, size, BLOCK) if await holes.has(offset, min(BLOCK, size - offset))
    ]


async def test_what_has_no_byte_of_a_whole_block_is_a_hole() -> None:
    size = 100 * BLOCK + 1
    server = Server([(0, 1), (3 * BLOCK - 1, 3 * BLOCK + 1), (50 * BLOCK, 90 * BLOCK)])
    # The end is no whole block, and is read.
    assert await holes_of(server, size) == [1, *range(4, 50), *range(90, 100)]
    assert server.asked == [0]
    assert await holes_of(server, size, start=60 * BLOCK) == [*range(90, 100)]
    nothing = Server([])
    assert len(await holes_of(nothing, size)) == 100


async def test_what_is_small_or_of_another_server_has_none() -> None:
    small, other = Server([]), Server([], tells_ranges=False)
    assert await holes_of(small, WORTH_ASKING - 1) == []
    assert await holes_of(other, 100 * BLOCK) == []
    assert small.asked == other.asked == []


async def test_where_ranges_are_many_and_small_much_is_read_between_two_questions() -> None:
    size = 4 * (CLOSE_TOGETHER + NOT_ASKED)
    server = Server([(offset, offset + 1) for offset in range(0, size, 2 * BLOCK)])
    found = await holes_of(server, size)
    assert len(server.asked) < 2 * MANY
    assert not set(range(2 * MANY, NOT_ASKED // BLOCK)) & set(found)
    # All that is known to be a hole is one.
    assert all(number % 2 for number in found)
    assert 1 in found


async def test_a_range_that_goes_over_several_questions_is_data_to_its_end() -> None:
    data = [(place * CLOSE_TOGETHER, (place + 1) * CLOSE_TOGETHER - BLOCK) for place in range(3 * MANY)]
    server = Server(data)
    size = 3 * MANY * CLOSE_TOGETHER
    assert await holes_of(server, size) == [(place + 1) * CLOSE_TOGETHER // BLOCK - 1 for place in range(3 * MANY)]
    assert len(server.asked) == 3
