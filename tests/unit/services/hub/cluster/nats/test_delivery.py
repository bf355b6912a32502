"""What a consumer delivers is taken a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.deadline import DEADLINE
from support.passing import passes

from omnyshell.services.hub.cluster.nats.delivery import AT_A_TIME, Delivery


class Library:
    """A client whose subscription hands messages on, one after another, as the library does."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self.ended = False

    def new_inbox(self) -> str:
        return "inbox"

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]], **_bounds: int) -> Any:
        async def hand_on() -> None:
            for number in range(self._messages):
                await cb(number)

        task = asyncio.create_task(hand_on())

        async def unsubscribe() -> None:
            self.ended = task.cancel()

        return SimpleNamespace(subject=subject, unsubscribe=unsubscribe)


async def test_thousands_at_once_are_taken_in_order_a_few_in_each_turn() -> None:
    loop, turn, taken = asyncio.get_running_loop(), 0, dict[int, int]()

    def count() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(count)

    loop.call_soon(count)
    async with asyncio.timeout(DEADLINE):
        delivery = await Delivery.begin(cast("Any", Library(1000)))
        for _ in range(1000):
            taken[cast("int", await delivery.next(DEADLINE))] = turn
    assert list(taken) == list(range(1000))
    turns = list(taken.values())
    assert max(turns.count(each) for each in set(turns)) <= AT_A_TIME


async def test_what_comes_while_the_process_is_stopped_is_waited_for() -> None:
    delivery = await Delivery.begin(cast("Any", Library(0)))
    waiting = asyncio.create_task(delivery.next(DEADLINE))
    await passes(DEADLINE)
    # It is read a turn later than the clock.
    await asyncio.sleep(0)
    await delivery._put(cast("Any", 1))
    assert await waiting == 1


async def test_it_waits_for_one_no_longer_than_that_and_what_is_not_taken_stays_with_the_library() -> None:
    library = Library(0)
    delivery = await Delivery.begin(cast("Any", library))
    assert delivery.subject == "inbox"
    with pytest.raises(TimeoutError):
        await delivery.next(0.001)
    library = Library(2 * AT_A_TIME)
    delivery = await Delivery.begin(cast("Any", library))
    for _ in range(10):
        await asyncio.sleep(0)
    assert delivery._messages.qsize() == AT_A_TIME
    await delivery.end()
    assert library.ended
