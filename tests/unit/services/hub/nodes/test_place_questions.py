"""A hub asks a node to prove where it is, whatever that answers."""

from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.fake_peers import FakePeer

from omnyshell.errors import ProtocolException, TransportException
from omnyshell.protocol.messages.places import NodePlaceRequest, NodePlaceResponse
from omnyshell.security.keys import encode_base64
from omnyshell.security.place_proof import PlaceProof
from omnyshell.services.hub.nodes.place_questions import ask_for_proof
from omnyshell.services.hub.nodes.places import AskedPlace
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.truth.answer import Answer


class World:
    """A hub and a node."""

    def __init__(self) -> None:
        self.node = FakePeer("n-1", "node")
        self.questions = NodeQuestions(FakeClock(), lambda: "r")

    def ask(self) -> Answer[PlaceProof]:
        return ask_for_proof(self.questions, cast("Any", self.node), AskedPlace("g", "a", 7))

    def say(self, key: str, signature: str) -> bool:
        answer = NodePlaceResponse(request_id="r", public_key=key, signature=signature)
        return self.questions.answered(cast("Any", self.node), answer)


def test_what_a_node_signs_comes_as_it_is() -> None:
    world = World()
    answer = world.ask()
    assert world.node.inbox == [(None, NodePlaceRequest(request_id="r", generation="g", hub="a", epoch=7))]
    assert world.say(encode_base64(b"k" * 32), encode_base64(b"s" * 64))
    assert answer.now() == PlaceProof(b"k" * 32, b"s" * 64)


def test_what_cannot_be_read_is_no_proof_and_a_node_that_left_says_so() -> None:
    for key, signature in (("", "é"), ("\ud800", ""), ("A", "AA"), ("AA==", "A A A"), ("AAAA" * 99, "%")):
        world = World()
        answer = world.ask()
        assert world.say(key, signature)
        with pytest.raises(ProtocolException, match="cannot be read"):
            answer.now()
    world = World()
    answer = world.ask()
    world.questions.node_gone(cast("Any", world.node))
    with pytest.raises(TransportException):
        answer.now()
