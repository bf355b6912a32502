from collections.abc import Iterator
from typing import Any, cast

import pytest
from support.still_loop import StillLoop

from omnyshell.errors import TransportException
from omnyshell.model.targets import Target
from omnyshell.services.client.forwarding.ahead import KEPT, PAUSE, ConnectionsAhead
from omnyshell.services.client.session import RemoteSession

ONE, OTHER = Target("localhost", 1), Target("localhost", 2)


class Session:
    has_ended = False
    is_opening = True
    is_spare = False

    def close(self) -> None:
        self.has_ended, self.is_opening = True, False


class Asked:
    """Connections that were asked for, all of them."""

    def __init__(self) -> None:
        self.made: list[Session] = []
        self.answers: list[Any] = []

    def __call__(self, _target: Target) -> RemoteSession | None:
        if self.answers and isinstance(answer := self.answers.pop(), Exception | None):
            if answer is not None:
                raise answer
            return None
        self.made.append(Session())
        return cast("RemoteSession", self.made[-1])


@pytest.fixture
def loop() -> Iterator[StillLoop]:
    made = StillLoop()
    yield made
    made.close()


def test_one_is_kept_for_each_target_for_a_while(loop: StillLoop) -> None:
    asked = Asked()
    ahead = ConnectionsAhead(asked)
    for target in (ONE, ONE, OTHER):
        loop.do(lambda target=target: ahead.prepare(target))
    first, other = asked.made
    assert (first.is_spare, other.is_spare) == (True, True)
    assert ahead.take(ONE) is cast("RemoteSession", first)
    assert (first.is_spare, other.is_spare) == (False, True)
    assert ahead.take(ONE) is None
    loop.passes(KEPT)
    assert (first.has_ended, other.has_ended, ahead.take(OTHER)) == (False, True, None)
    loop.do(lambda: ahead.prepare(ONE))
    loop.do(ahead.close)
    assert asked.made[-1].has_ended


def test_under_another_permission_none_waits_for_what_became_of_those_before(loop: StillLoop) -> None:
    asked = Asked()
    ahead = ConnectionsAhead(asked)
    for lost_before in (True, False):
        loop.do(lambda: ahead.prepare(ONE))
        loop.do(lambda: ahead.prepare(OTHER))
        first, other = asked.made[-2:]
        # The end of one may be heard of before that of the permission.
        first.close()
        taken: list[object] = []
        if lost_before:
            loop.do(lambda taken=taken: taken.append(ahead.take(ONE)))
        loop.do(ahead.begin_anew)
        assert other.has_ended
        loop.do(lambda: ahead.prepare(ONE))
        assert not asked.made[-1].has_ended
        loop.do(lambda taken=taken: taken.append(ahead.take(ONE)))
        assert taken == [*([None] if lost_before else []), asked.made[-1]]
    loop.do(ahead.close)


def test_what_cannot_be_had_is_not_asked_for_again_at_once(loop: StillLoop) -> None:
    asked = Asked()
    ahead = ConnectionsAhead(asked)
    asked.answers = [None, TransportException("lost")]
    for _ in range(3):
        loop.do(lambda: ahead.prepare(ONE))
    asked.made[0].close()
    taken: list[object] = []
    loop.do(lambda: taken.append(ahead.take(ONE)))
    loop.do(lambda: ahead.prepare(ONE))
    assert (taken, len(asked.made)) == ([None], 1)
    loop.passes(PAUSE)
    loop.do(lambda: ahead.prepare(ONE))
    assert len(asked.made) == 2
    # What is open already, or waits to be resumed, is used by nobody.
    asked.made[1].is_opening = False
    loop.do(lambda: taken.append(ahead.take(ONE)))
    assert (taken[1], asked.made[1].has_ended) == (None, True)
    loop.do(ahead.close)
