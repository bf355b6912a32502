"""How long a client goes on looking for its hub, whatever hub and node do, and in which order they do it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from support.still_loop import StillLoop

from omnyshell.errors import ErrorCodes, NodeUnavailableException, OmnyShellException, TransportException
from omnyshell.protocol import messages as m
from omnyshell.services.client.resumer import LIVED, Resumer

TIMEOUT, NODE_TIMEOUT = 60.0, 30.0
ROUND = LIVED + 10.0
"""Seconds that a resume and the loss behind it take at most: a delay, an answer, and what counts as the same loss."""


class Session:
    """A session of which only is known how far it is, and whether it is lost."""

    node_id = "n1"

    def __init__(self, number: int) -> None:
        self.id = f"s{number}"
        self.progress = 0
        self.is_suspended = False
        self.lost_by: OmnyShellException | None = None
        self.failed: OmnyShellException | None = None

    def resume_request(self, _features: object) -> m.SessionOpen:
        return m.SessionOpen(node_id="n1", resume_session_id=self.id)

    def resumed(self, _channel: object, _opened: object) -> None:
        self.is_suspended = False

    def give_up(self, error: OmnyShellException) -> None:
        self.is_suspended, self.failed = False, error


class World:
    """A client with sessions, at a hub and a node that come and go."""

    def __init__(self, loop: StillLoop, sessions: int) -> None:
        self.loop = loop
        self.sessions = [Session(number) for number in range(sessions)]
        self.has_hub = self.has_node = True
        self.connection: Any = self
        self.features = frozenset[str]()
        self.asked = 0
        self.dialled = 0
        self.resumer = Resumer(
            timeout=TIMEOUT,
            node_timeout=NODE_TIMEOUT,
            dial=self._dial,
            connection=lambda: self.connection,
            leave=lambda: False,
            has_untried=lambda: False,
            on_state=lambda _state: None,
        )

    async def _dial(self) -> Any:
        self.dialled += 1
        if not self.has_hub:
            raise TransportException("nobody answers")
        self.connection = self
        return self

    # A connection and its channels

    @property
    def channels(self) -> "World":
        return self

    id = 1

    def open(self, handler: Any) -> "World":
        self._handler = handler
        return self

    def close(self, _message: object) -> None:
        """An attempt has failed."""

    def send(self, message: m.SessionOpen, _channel: int) -> None:
        self.asked += 1
        answer = (
            m.SessionOpened(session_id=message.resume_session_id or "")
            if self.has_node
            else m.SessionRejected(reason=ErrorCodes.NODE_OFFLINE, message="no node")
        )
        self.loop.call_soon(self._handler.message_received, answer)

    # What happens

    def lose_hub(self) -> None:
        def lost() -> None:
            self.connection = None
            self.resumer.start()
            for session in self.sessions:
                self._lose(session, TransportException("the hub is gone"))

        self.loop.do(lost)

    def lose_node(self) -> None:
        def lost() -> None:
            for session in self.sessions:
                self._lose(session, NodeUnavailableException("the node is gone"))

        self.loop.do(lost)

    def _lose(self, session: Session, error: OmnyShellException) -> None:
        if session.failed is None and not session.is_suspended:
            session.lost_by, session.is_suspended = error, True
            if not self.resumer.add(cast("Any", session)):
                session.give_up(error)

    def back(self, seconds: float = 20.0) -> bool:
        """Let time pass until every session goes on or is given up; tell whether one goes on."""
        for _ in range(round(seconds * 10)):
            if not any(session.is_suspended for session in self.sessions):
                break
            self.loop.passes(0.1)
        return all(session.failed is None and not session.is_suspended for session in self.sessions)


@contextmanager
def client_with(sessions: int) -> Iterator[World]:
    world = World(StillLoop(), sessions)
    try:
        yield world
    finally:
        world.loop.wait_for(world.resumer.close())
        world.loop.close()


@pytest.mark.parametrize("lose", [World.lose_hub, World.lose_node])
def test_a_session_that_gets_on_between_losses_is_never_given_up(lose: Any) -> None:
    with client_with(2) as world:
        for number in range(100):
            lose(world)
            assert world.back(), number
            # One is idle, and lives as long as the other one gets on.
            world.sessions[0].progress += 1
            world.loop.passes(LIVED / 2)


@pytest.mark.parametrize("lose", [World.lose_hub, World.lose_node])
def test_a_hub_that_takes_up_and_drops_is_given_up_in_time(lose: Any) -> None:
    with client_with(1) as world:
        world.sessions[0].progress = 7
        began, rounds = world.loop.time(), 0
        while world.sessions[0].failed is None:
            lose(world)
            world.back()
            rounds += 1
            # Less than before, as where a screen was painted anew, is no progress.
            world.sessions[0].progress = rounds % 7
            world.loop.passes(0.1)
            assert world.loop.time() - began <= TIMEOUT + ROUND
        # It neither gave up at once nor asked without pause.
        assert world.loop.time() - began >= TIMEOUT - ROUND
        assert rounds <= 120


def test_a_node_has_its_time_once_the_hub_is_back() -> None:
    with client_with(1) as world:
        world.loop.passes(LIVED)
        world.has_node = False
        world.lose_node()
        world.loop.passes(NODE_TIMEOUT / 2)
        world.has_hub = False
        world.lose_hub()
        world.loop.passes(NODE_TIMEOUT * 0.6)
        world.has_hub = True
        world.loop.passes(NODE_TIMEOUT / 3)
        assert world.sessions[0].is_suspended
        world.has_node = True
        assert world.back()


EVENTS = st.tuples(
    st.sampled_from(["lose hub", "lose node", "hub goes", "hub comes", "node goes", "node comes"]),
    st.floats(0, 25),
    st.integers(0, 2),
)


@given(st.lists(EVENTS, max_size=40))
def test_in_any_order_all_are_up_or_given_up_in_the_end(events: list[tuple[str, float, int]]) -> None:
    """And none is given up before a whole timeout without progress, unless its node was away for that long."""
    with client_with(2) as world:
        moved, node_away = world.loop.time(), 0.0
        for what, seconds, progress in events:
            if what == "lose hub":
                world.lose_hub()
            elif what == "lose node" and world.connection is not None:
                world.lose_node()
            elif what.startswith("hub"):
                world.has_hub = what.endswith("comes")
            elif what.startswith("node"):
                world.has_node = what.endswith("comes")
            world.loop.passes(seconds)
            node_away = node_away + seconds if not world.has_node or not world.has_hub else 0.0
            for session in world.sessions:
                if session.failed is not None:
                    assert world.loop.time() - moved >= min(TIMEOUT, NODE_TIMEOUT), events
                elif not session.is_suspended and progress:
                    session.progress += progress
                    moved = world.loop.time()
        world.has_hub = world.has_node = True
        world.loop.passes(TIMEOUT + ROUND)
        assert not any(session.is_suspended for session in world.sessions)
        assert not world.resumer.is_working
