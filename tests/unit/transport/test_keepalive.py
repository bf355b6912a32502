"""Silent links are pinged and aborted, many of them in several turns of the loop."""

from collections.abc import Iterator
from typing import cast

import pytest
from support.still_loop import StillLoop

from omnyshell.transport.keepalive import SILENT_A_TURN, Keepalive, KeepaliveTimes
from omnyshell.transport.link import WebSocketLink

TIMES = KeepaliveTimes(interval=12.0, timeout=10.0)
MANY = 2 * SILENT_A_TURN + 1
IN_TURNS = [SILENT_A_TURN, SILENT_A_TURN, 1]


class World:
    """Links that are watched, and how many of them were pinged or aborted in each turn of the loop."""

    def __init__(self, loop: StillLoop) -> None:
        self.loop = loop
        self.turns: list[int] = []
        self._in_this_turn = 0
        self.pinged = self.aborted = 0
        self.loop.do(self._begin)
        self.links = [Link(self) for _ in range(MANY)]
        for link in self.links:
            self.keepalive.watch(cast("WebSocketLink", link))

    def _begin(self) -> None:
        self.keepalive = Keepalive(TIMES)

    def acted(self) -> None:
        if not self._in_this_turn:
            self.loop.call_soon(self._turn_ends)
        self._in_this_turn += 1

    def _turn_ends(self) -> None:
        self.turns.append(self._in_this_turn)
        self._in_this_turn = 0

    def passes(self, seconds: float) -> list[int]:
        """Let time pass, and return what was done in each turn meanwhile."""
        self.turns.clear()
        self.loop.passes(seconds)
        return list(self.turns)


class Link:
    def __init__(self, world: World) -> None:
        self._world = world
        self.last_heard = world.loop.time()

    def ping(self) -> None:
        self._world.pinged += 1
        self._world.acted()

    def abort(self) -> None:
        self._world.aborted += 1
        self._world.acted()
        self._world.keepalive.forget(cast("WebSocketLink", self))


@pytest.fixture
def world() -> Iterator[World]:
    loop = StillLoop()
    made = World(loop)
    yield made
    loop.do(made.keepalive.close)
    loop.close()


def test_many_silent_links_are_pinged_and_aborted_a_few_in_each_turn(world: World) -> None:
    assert world.passes(TIMES.interval - 4) == []
    assert world.passes(6) == IN_TURNS
    assert (world.pinged, world.aborted) == (MANY, 0)
    assert world.passes(TIMES.timeout + 4) == IN_TURNS
    assert (world.pinged, world.aborted) == (MANY, MANY)
    assert world.passes(100) == []


def test_who_answers_stays(world: World) -> None:
    world.passes(TIMES.interval + 3)
    for link in world.links[1:]:
        link.last_heard = world.loop.time()
    assert world.passes(TIMES.timeout + 1) == [1]
    assert world.aborted == 1


def test_after_the_loop_was_blocked_the_rest_of_a_wait_is_half_of_it_at_most(world: World) -> None:
    began = world.loop.time()
    world.passes(TIMES.interval + 4)
    assert (world.pinged, world.aborted) == (MANY, 0)
    # Until just after an answer was due.
    world.loop.leaps(TIMES.timeout + 1)
    world.passes(TIMES.timeout / 2 - 1)
    assert world.aborted == 0
    world.passes(TIMES.timeout / 3 - 0.5)
    assert world.aborted == MANY
    assert world.loop.time() - began < 35


def test_a_link_that_ends_between_two_turns_is_let_be(world: World) -> None:
    world.loop.call_later(TIMES.interval - 0.001, lambda: None)
    ended = world.links[-1]

    def end() -> None:
        world.keepalive.forget(cast("WebSocketLink", ended))

    world.links[0].ping = lambda: (world.acted(), world.loop.call_soon(end))  # type: ignore[method-assign, assignment]
    world.passes(TIMES.interval + 3)
    assert world.pinged == MANY - 2
