"""Records are taken in order, each once, whether they are delivered or asked for."""

import asyncio
from typing import Any, cast

import pytest
from support.deadline import DEADLINE

from omnyshell.services.hub.cluster.nats.taking import Taking
from omnyshell.services.hub.cluster.order.order import EngineAwayException, Origin, Stored, UncertainException


class World:
    """A stream of which some numbers are superseded, and its reader."""

    def __init__(self, *numbers: int) -> None:
        self.stored = [Stored(number, "subject", b"%d" % number) for number in numbers]
        self.asked: list[int] = []
        self.taken: list[int] = []
        self.is_silent = self.refuses = False
        self.taking = Taking(cast("Any", self), "stream", cast("Any", self))
        self.during = lambda: None

    # The connection

    async def next_of(self, _stream: str, seq: int) -> Stored | None:
        self.asked.append(seq)
        await asyncio.sleep(0)
        if self.is_silent:
            raise EngineAwayException("nobody answers")
        self.during()
        return next((each for each in self.stored if each.seq >= seq), None)

    # The reader

    def begin_reading(self, _origin: Origin) -> int:
        return 3

    def take(self, stored: Stored) -> None:
        if self.refuses:
            raise UncertainException("it is read anew")
        self.taken.append(stored.seq)


async def test_what_is_asked_for_and_what_is_delivered_is_taken_once_and_in_order() -> None:
    world = World(1, 3, 4, 7, 9)
    assert world.taking.begin(Origin("now", 7)) == 3
    assert not world.taking.is_at_end
    world.taking.take(world.stored[1])
    await world.taking.ask_on(lambda: world.taking.seq >= 7)
    assert (world.taken, world.taking.is_at_end) == ([3, 4, 7], True)
    # The consumer delivers all of it behind that.
    for each in world.stored:
        world.taking.take(each)
    assert world.taken == [3, 4, 7, 9]
    await world.taking.ask_on(lambda: False)
    assert world.asked == [4, 5, 10]


async def test_of_a_stream_that_was_made_anew_meanwhile_nothing_is_taken() -> None:
    for created in ("later", "now"):
        world = World(3, 4)
        world.taking.begin(Origin("now", 4))
        world.during = lambda world=world, created=created: world.taking.begin(Origin(created, 0))
        await world.taking.ask_on(lambda: False)
        assert world.taken == []


async def test_what_is_asked_for_is_taken_no_more_where_the_reader_wants_to_begin_anew() -> None:
    """It has forgotten what was before, and would take what comes behind it for all that there is."""
    world = World(3, 4, 5)
    world.taking.begin(Origin("now", 5))
    world.refuses = True
    with pytest.raises(UncertainException):
        await world.taking.ask_on(lambda: False)
    world.refuses = False
    await world.taking.catch_up()
    assert world.taken == []
    world.taking.begin(Origin("now", 5))
    await world.taking.catch_up()
    assert world.taken == [3, 4, 5]


async def test_nobody_is_asked_on_who_does_not_answer() -> None:
    world = World(3)
    world.taking.begin(Origin("now", 3))
    world.is_silent = True
    with pytest.raises(EngineAwayException):
        await world.taking.ask_on(lambda: False)
    assert world.taken == []


async def test_a_record_is_late_that_is_known_and_not_delivered_nor_is_anything_else() -> None:
    world = World(3, 4)
    world.taking.begin(Origin("now", 4))
    world.taking.want(3, 0.001)
    async with asyncio.timeout(DEADLINE):
        await world.taking.late()
    await world.taking.catch_up()
    assert (world.taken, world.asked) == ([3, 4], [3, 4, 5])


async def test_a_record_is_not_late_that_was_taken_or_while_others_are_delivered() -> None:
    world = World(3, 4)
    world.taking.begin(Origin("now", 4))
    late = asyncio.create_task(world.taking.late())
    world.taking.take(world.stored[0])
    world.taking._look(3, 0.0)
    world.taking.heard()
    world.taking._look(4, DEADLINE)
    await asyncio.sleep(0)
    assert not late.done()
    world.taking._look(4, 0.0)
    async with asyncio.timeout(DEADLINE):
        await late
    # It is delivered after all, and what is behind that as well.
    world.during = world.taking.heard
    await world.taking.catch_up()
    assert world.asked == [4]


async def test_what_was_taken_last_is_compared_twice_before_there_is_a_doubt() -> None:
    another = [Stored(3, "subject", b"another"), Stored(4, "subject", b"4")]
    for stored, said in (([], "no record 3 any more"), (another, "another record 3")):
        world = World(3)
        world.taking.begin(Origin("now", 3))
        await world.taking.look(DEADLINE)
        assert world.asked == []
        await world.taking.take_next()
        await world.taking.look(DEADLINE)
        right, world.stored = world.stored, list(stored)
        await world.taking.look(DEADLINE)
        # A server that led before, and said for a moment what it knew.
        world.stored = right
        await world.taking.look(DEADLINE)
        world.stored = list(stored)
        await world.taking.look(DEADLINE)
        assert world.taking.doubt == ""
        await world.taking.look(DEADLINE)
        assert said in world.taking.doubt
        world.taking.begin(Origin("now", 3))
        assert world.taking.doubt == ""


async def test_a_look_finds_what_is_not_delivered_and_doubts_nothing_that_is_superseded() -> None:
    """A server whose copy has stopped delivers nothing, and goes on with its heartbeats."""
    for numbers in ((3, 5), (5,)):
        world = World(3)
        world.taking.begin(Origin("now", 3))
        await world.taking.take_next()
        world.stored = World(*numbers).stored
        for _ in range(2):
            await world.taking.look(0.001)
        async with asyncio.timeout(DEADLINE):
            await world.taking.late()
        assert world.taking.doubt == ""
        # Where something is taken meanwhile, there is nothing to compare.
        world.stored = []
        world.during = lambda world=world: world.taking.take(Stored(9, "subject", b"9"))
        await world.taking.look(DEADLINE)
        world.during = lambda: None
        assert (world.taking.doubt, world.taking._seems) == ("", "")
