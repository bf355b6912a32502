"""What a hub asks nodes itself ends once: with the answer of the node that was asked, its time, or its connection."""

import itertools
import random
from collections import Counter
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.fake_peers import FakePeer

from omnyshell.errors import ErrorCodes, OmnyShellException, OmnyShellTimeoutException, TransportException
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsResponse,
)
from omnyshell.protocol.messages.events import NodeLiveSessionsResponse
from omnyshell.services.hub.nodes import questions as module
from omnyshell.services.hub.nodes.questions import ANSWER_TIMEOUT, NodeQuestions


class World:
    """A hub that asks nodes to kill a session, and what it heard."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        ids = itertools.count(1)
        self.questions = NodeQuestions(self.clock, lambda: f"id-{next(ids)}")
        self.node, self.other = FakePeer("n-1", "node"), FakePeer("m-1", "node")
        self.heard: list[NodeDetachedSessionKillResponse] = []
        self.failed: list[OmnyShellException] = []

    def ask(self, node: FakePeer | None = None) -> None:
        self.questions.ask(
            cast("Any", node or self.node),
            lambda id_: NodeDetachedSessionKillRequest(request_id=id_, principal="ann", session_ref="s"),
            NodeDetachedSessionKillResponse,
            self.heard.append,
            self.failed.append,
        )

    def say(self, answer: ControlMessage, node: FakePeer | None = None) -> bool:
        return self.questions.answered(cast("Any", node or self.node), answer)

    def pass_time(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.questions.expire(self.clock.seconds)

    @property
    def rest(self) -> tuple[int, int, int]:
        """How many have an answer, have none and never will, and are waited for."""
        return len(self.heard), len(self.failed), len(self.questions)


def killed(id_: str) -> NodeDetachedSessionKillResponse:
    return NodeDetachedSessionKillResponse(request_id=id_, ok=True)


def test_an_answer_reaches_who_asked_once() -> None:
    world = World()
    world.ask()
    assert [message.request_id for _, message in world.node.inbox] == ["id-1"]
    assert world.say(killed("id-1"))
    assert not world.say(killed("id-1"))
    world.pass_time(ANSWER_TIMEOUT)
    assert world.rest == (1, 0, 0)


@pytest.mark.parametrize(
    "forged",
    [
        killed("id-2"),
        NodeDetachedSessionsResponse(request_id="id-1"),
        NodeLiveSessionsResponse(request_id="id-1"),
    ],
    ids=["another id", "a list", "everyone's list"],
)
def test_what_a_node_says_and_was_not_asked_is_no_answer(forged: ControlMessage) -> None:
    world = World()
    world.ask()
    assert not world.say(forged)
    assert world.rest == (0, 0, 1)


def test_no_node_answers_for_another() -> None:
    world = World()
    world.ask()
    assert not world.say(killed("id-1"), world.other)
    assert world.say(killed("id-1"))


def test_a_silent_node_has_its_time_and_no_more() -> None:
    world = World()
    world.ask()
    world.pass_time(ANSWER_TIMEOUT / 2)
    world.ask()
    world.pass_time(ANSWER_TIMEOUT / 2)
    assert world.rest == (0, 1, 1)
    (error,) = world.failed
    assert isinstance(error, OmnyShellTimeoutException)
    assert (error.code, error.message) == (ErrorCodes.TIMEOUT, "the node did not answer within 10 s")
    assert not world.say(killed("id-1"))
    world.pass_time(ANSWER_TIMEOUT / 2)
    assert world.rest == (0, 2, 0)


def test_what_a_node_was_asked_ends_at_once_with_its_connection() -> None:
    world = World()
    for node in (world.node, world.other, world.node):
        world.ask(node)
    for _ in range(2):
        world.questions.node_gone(cast("Any", world.node))
    assert world.rest == (0, 2, 1)
    assert all(isinstance(error, TransportException) and error.code == "node_offline" for error in world.failed)
    assert world.say(killed("id-2"), world.other)


def test_a_node_that_is_gone_is_not_asked() -> None:
    world = World()
    world.node.vanish()
    world.ask()
    assert world.rest == (0, 1, 0)
    assert world.node.inbox == []


def test_a_node_that_answers_nothing_costs_no_more_than_so_many_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    world = World()
    for _ in range(5):
        world.ask()
    assert world.rest == (0, 2, 3)
    assert [world.say(killed(f"id-{number}")) for number in range(1, 6)] == [False, False, True, True, True]


def test_who_is_told_that_there_is_no_answer_may_ask_again() -> None:
    world, again = World(), []

    def ask() -> None:
        world.questions.ask(
            cast("Any", world.node), killed, NodeDetachedSessionKillResponse, world.heard.append, failed
        )

    def failed(error: OmnyShellException) -> None:
        again.append(error)
        if len(again) < 3:
            ask()

    ask()
    for _ in range(4):
        world.pass_time(ANSWER_TIMEOUT)
    assert (len(again), len(world.questions)) == (3, 0)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_nodes_do_each_question_ends_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 8)
    chance, world, ends = random.Random(seed), World(), Counter[int]()
    nodes = [FakePeer(f"n{number}-1", "node") for number in range(3)]
    asked = 0
    for _ in range(200):
        node = chance.choice(nodes)
        step = chance.random()
        if step < 0.5:
            number, asked = asked, asked + 1
            world.questions.ask(
                cast("Any", node),
                killed,
                NodeDetachedSessionKillResponse,
                lambda _answer, number=number: ends.update([number]),
                lambda _error, number=number: ends.update([number]),
            )
        elif step < 0.8 and node.inbox:
            world.say(killed(chance.choice(node.inbox)[1].request_id), chance.choice(nodes))
        elif step < 0.9:
            world.pass_time(chance.choice((0.1, ANSWER_TIMEOUT)))
        else:
            world.questions.node_gone(cast("Any", node))
    for node in nodes:
        world.questions.node_gone(cast("Any", node))
    assert ends == Counter(range(asked))
    assert (len(world.questions), world.questions._of_node) == (0, {})
