"""Who comes at once begins a few in each turn of the loop."""

import asyncio

from omnyshell.transport.turnstile import FEWEST, MOST, SHORT, Pace, Turnstile


def test_short_turns_let_more_begin_and_a_long_one_half_as_many() -> None:
    pace, now, begun = Pace(), 0.0, []
    for _ in range(2 * MOST):
        now += SHORT / 2
        begun.append(pace.turn(now))
    assert begun[0] == FEWEST
    assert begun[-1] == max(begun) == MOST
    assert pace.turn(now + 2 * SHORT) == MOST // 2
    assert [pace.turn(now + number * SHORT * 3) for number in range(2, 12)][-1] == FEWEST


async def test_who_comes_alone_does_not_wait() -> None:
    turnstile, turns = Turnstile(), []
    asyncio.get_running_loop().call_soon(turns.append, "next")
    await turnstile.through()
    assert turns == []


async def test_many_at_once_begin_in_order_and_spread_over_turns() -> None:
    turnstile, loop = Turnstile(), asyncio.get_running_loop()
    turn, begun = 0, dict[int, int]()

    def count() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(count)

    async def come(number: int) -> None:
        await turnstile.through()
        begun[number] = turn

    loop.call_soon(count)
    async with asyncio.timeout(60):
        await asyncio.gather(*map(come, range(1000)))
    assert list(begun) == sorted(begun)
    assert max(list(begun.values()).count(each) for each in range(turn + 1)) <= 2 * MOST
    assert begun[999] >= 1000 // MOST // 2


async def test_who_is_cut_off_while_waiting_takes_nobodys_turn() -> None:
    turnstile = Turnstile()
    waiting = [asyncio.create_task(turnstile.through()) for _ in range(100)]
    await asyncio.sleep(0)
    for task in waiting[1::2]:
        task.cancel()
    async with asyncio.timeout(60):
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(each is None for each in ended[::2])
