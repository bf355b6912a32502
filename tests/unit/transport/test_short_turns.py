"""What arrives on many connections of strangers at once is dealt with in short turns of the loop."""

import asyncio
from functools import partial

from support.played_links import UPGRADE, Handler, Transport, arrive, made, message, opened, turns

from omnyshell.transport.server_link import FRAMES_A_TURN, ServerLink
from omnyshell.transport.short_turns import LONGEST, ShortTurns

COST = LONGEST / 4
"""Seconds that a message takes."""

A_TURN = 5
"""How many messages a turn may begin at most."""


class Hall:
    """Strangers' links. Their messages take time by the clock that counts, and are noted in order."""

    def __init__(self, count: int) -> None:
        self._now = 0.0
        self._turns = ShortTurns(lambda: self._now)
        self.dealt_with: list[tuple[int, int]] = []
        """Which message of which link."""

        self.links: list[ServerLink] = []
        self.transports: list[Transport] = []
        for number in range(count):
            link, handler, transport = opened()
            link.doorkeeper = partial(self._turns.take, link)
            handler.on_message = partial(self._took, number, handler)
            self.links.append(link)
            self.transports.append(transport)

    def _took(self, number: int, handler: Handler) -> None:
        self._now += COST
        self.dealt_with.append((number, handler.got[-1]))

    def close(self) -> None:
        for link in self.links:
            link.connection_lost(None)


async def test_what_many_say_at_once_is_dealt_with_in_short_turns_and_in_order() -> None:
    hall = Hall(50)
    for link in hall.links:
        arrive(link, message(0x81, 0))
    assert len(hall.dealt_with) <= A_TURN
    assert [transport.is_read for transport in hall.transports].count(True) <= A_TURN
    while len(hall.dealt_with) < 50:
        before = len(hall.dealt_with)
        await turns()
        assert 0 < len(hall.dealt_with) - before <= A_TURN
    assert [number for number, _ in hall.dealt_with] == list(range(50))
    assert all(transport.is_read for transport in hall.transports)
    # Who has waited is read on, and may say more.
    await turns()
    arrive(hall.links[7], message(0x81, 1))
    assert hall.dealt_with[-1] == (7, 1)
    hall.close()


async def test_who_comes_later_waits_behind_those_who_wait_already() -> None:
    hall = Hall(3 * A_TURN)
    for link in hall.links[:-1]:
        arrive(link, message(0x81, 0))
    # As the loop deals with what waits before it looks for more, what comes now has come in the next turn.
    await turns()
    arrive(hall.links[-1], message(0x81, 0))
    while len(hall.dealt_with) < len(hall.links):
        await turns()
    assert [number for number, _ in hall.dealt_with] == list(range(len(hall.links)))
    hall.close()


async def test_a_flood_of_one_is_still_a_few_frames_a_turn_and_nothing_is_lost_where_it_waits() -> None:
    hall = Hall(A_TURN + 1)
    for link in hall.links[:-1]:
        arrive(link, message(0x81, 0))
    count = 3 * FRAMES_A_TURN
    arrive(hall.links[-1], b"".join(message(0x81, number) for number in range(count)))
    while len(hall.dealt_with) < A_TURN + count:
        before = len(hall.dealt_with)
        await turns()
        assert len(hall.dealt_with) - before <= FRAMES_A_TURN + A_TURN
    assert [said for number, said in hall.dealt_with if number == A_TURN] == list(range(count))
    hall.close()


async def test_who_leaves_or_is_held_while_he_waits_has_no_turn() -> None:
    hall = Hall(4 * A_TURN)
    for link in hall.links:
        arrive(link, message(0x81, 0))
    left, held = hall.links[-1], hall.links[-2]
    left.connection_lost(None)
    held.hold_reading(60.0)
    while len(hall.dealt_with) < len(hall.links) - 2:
        await turns()
    for _ in range(3):
        await turns()
    assert [number for number, _ in hall.dealt_with] == list(range(len(hall.links) - 2))
    # What has arrived is kept, and goes first.
    held.hold_reading(0)
    assert not hall.transports[-2].is_read
    hall.close()


async def test_an_upgrade_waits_as_well_with_the_frames_behind_it() -> None:
    hall = Hall(A_TURN)
    late, handler, transport = made()
    late.doorkeeper = partial(hall._turns.take, late)
    for link in hall.links:
        arrive(link, message(0x81, 0))
    arrive(late, UPGRADE + message(0x81, 7))
    assert not late.is_open
    assert not transport.is_read
    while not handler.got:
        await turns()
    assert late.is_open
    assert handler.got == [7]
    late.connection_lost(None)
    hall.close()


async def test_an_error_in_one_turn_keeps_nobody_else_from_theirs() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    in_turns, got, problem = ShortTurns(), list[int](), RuntimeError("of one")

    def fail() -> None:
        raise problem

    in_turns.soon(fail)
    in_turns.soon(lambda: got.append(1))
    while not got:
        await turns()
    assert told == [problem]


async def test_a_hub_that_has_dealt_with_all_is_not_woken_again() -> None:
    hall = Hall(1)
    arrive(hall.links[0], message(0x81, 0))
    for _ in range(3):
        await turns()
    assert hall._turns._turn is None
    hall.close()
