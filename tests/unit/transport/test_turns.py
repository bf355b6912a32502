"""How much of what one connection sends is dealt with before others have their turn."""

import asyncio

import pytest
from support.played_links import arrive, message, opened, turns

from omnyshell.transport.server_link import FRAMES_A_TURN


@pytest.mark.parametrize("kinds", [(0x81,), (0x82,), (0x81, 0x82, 0x89)])
async def test_of_many_frames_that_came_at_once_a_few_are_dealt_with_in_each_turn(kinds: tuple[int, ...]) -> None:
    link, handler, transport = opened()
    count = 5 * FRAMES_A_TURN + 7
    sent = [kinds[number % len(kinds)] for number in range(count)]
    arrive(link, b"".join(map(message, sent, range(count))))
    rounds = 1
    while len(handler.got) < count - sent.count(0x89):
        assert not transport.is_read
        assert len(handler.got) <= rounds * FRAMES_A_TURN
        await turns()
        rounds += 1
        assert rounds < 10
    assert handler.got == [number for number in range(count) if sent[number] != 0x89]
    assert transport.is_read
    link.connection_lost(None)


async def test_what_fits_a_turn_is_dealt_with_at_once() -> None:
    link, handler, transport = opened()
    arrive(link, b"".join(message(0x82, number) for number in range(FRAMES_A_TURN - 1)))
    assert len(handler.got) == FRAMES_A_TURN - 1
    assert transport.is_read
    link.connection_lost(None)


async def test_a_hold_for_some_time_is_not_cut_short_by_the_end_of_a_turn() -> None:
    link, handler, transport = opened()
    handler.on_message = lambda: link.hold_reading(0.05) if len(handler.got) == FRAMES_A_TURN else None
    arrive(link, b"".join(message(0x82, number) for number in range(2 * FRAMES_A_TURN)))
    for _ in range(5):
        await turns()
    assert len(handler.got) == FRAMES_A_TURN
    link.hold_reading(0)
    await turns()
    assert not transport.is_read
    await asyncio.sleep(0.1)
    assert len(handler.got) == 2 * FRAMES_A_TURN
    link.connection_lost(None)


async def test_nothing_is_dealt_with_after_the_end() -> None:
    link, handler, _ = opened()
    arrive(link, b"".join(message(0x82, number) for number in range(2 * FRAMES_A_TURN)))
    link.connection_lost(None)
    await turns()
    assert len(handler.got) == FRAMES_A_TURN
