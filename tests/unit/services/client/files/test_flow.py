"""How much is under way, and how far a copy is."""

import asyncio

import pytest
from support.clock import FakeClock

from omnyshell.services.client.files.flow import Flow
from omnyshell.services.client.files.progress import Progress


async def test_no_more_is_under_way_than_may_be_and_who_came_first_goes_first() -> None:
    flow, went = Flow(10), list[int]()

    async def go(number: int, size: int) -> None:
        await flow.take(size)
        went.append(number)

    waiting = [asyncio.create_task(go(number, size)) for number, size in enumerate((4, 6, 8, 1, 20))]
    await asyncio.sleep(0)
    assert (went, flow.has_room(1)) == ([0, 1], False)
    waiting[3].cancel()
    flow.give_back(4)
    await asyncio.sleep(0)
    assert went == [0, 1]
    flow.give_back(6)
    await asyncio.sleep(0)
    assert went == [0, 1, 2]
    flow.give_back(8)
    await asyncio.sleep(0)
    # What is larger than all of it goes alone.
    assert (went, flow.has_room(1)) == ([0, 1, 2, 4], False)
    flow.give_back(20)
    assert flow.has_room(10)
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("is_first", [True, False])
async def test_who_is_cancelled_as_its_turn_comes_takes_nothing(is_first: bool) -> None:
    """Whether it is cancelled before or behind that."""
    flow = Flow(1)
    await flow.take(1)
    waiting = asyncio.create_task(flow.take(1))
    await asyncio.sleep(0)
    if is_first:
        waiting.cancel()
    flow.give_back(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert flow.has_room(1)


def test_the_rate_is_that_of_late_and_says_how_long_it_takes() -> None:
    clock = FakeClock()
    progress = Progress(clock)
    progress.found(1000)
    progress.there(400, False)
    assert (progress.rate(), progress.time_left()) == (0, None)
    clock.seconds += 1
    progress.there(100, True)
    assert (progress.rate(), progress.time_left()) == (100, None)
    progress.is_counted = True
    assert (progress.time_left(), progress.seconds) == (5, 1)
    for _ in range(20):
        clock.seconds += 1
        progress.there(10, True)
        progress.rate()
    assert 9 < progress.rate() < 12
    assert (progress.bytes_there, progress.moved) == (700, 300)
