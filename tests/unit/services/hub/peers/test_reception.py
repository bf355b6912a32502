"""Whoever connects is received once: with a login that is told first, a refusal, a join's answer, or too late."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clock import FakeClock

from omnyshell.errors import ErrorCodes
from omnyshell.model.admin import InviteKind
from omnyshell.model.principals import Principal, PrincipalId
from omnyshell.protocol.messages import AuthFail, AuthOk, AuthRequest, ControlMessage, Hello, ProtocolError
from omnyshell.protocol.messages.admin import JoinAccepted, JoinRefused, JoinRequest
from omnyshell.protocol.version import PROTOCOL_VERSION
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.login_gate import Accepted, LoginRefusal, NotNow
from omnyshell.services.hub.peers.reception import Reception

ANN = Principal(PrincipalId("ann"))
HELLO = Hello(role="client", protocol_version=PROTOCOL_VERSION)
JOIN = JoinRequest(token="t", public_key="k", signature="s")


class Received:
    """A connection, and a hub whose gate says what it is told to."""

    address, id, is_open = "192.0.2.1", "p", True

    def __init__(self, verdict: Any = None, timeout: float = 30.0) -> None:
        self.did: list[Any] = []
        self.joins: list[Reception] = []
        certificate = SimpleNamespace(current=SimpleNamespace(uid="hub_" + "A" * 43, spki_sha256=b""))
        self.reception = Reception(
            cast("Any", self),
            gate=cast("Any", SimpleNamespace(judge=lambda *_: verdict, timeout=timeout)),
            certificate=cast("Any", certificate),
            features=frozenset(),
            join=lambda reception, _request, _context: self.joins.append(reception),
            others=tuple,
            metrics=HubMetrics(),
            clock=FakeClock(),
        )
        self.reception.begin()

    def send(self, message: ControlMessage) -> None:
        self.did.append(type(message))

    def close(self, code: int, _reason: str) -> None:
        self.did.append(code)
        self.is_open = False

    def give_up(self, code: ErrorCodes, _text: str, _within: float) -> None:
        self.did += [code, "cut off"]

    def logged_in(self, principal: Principal, _evidence: object, answer: AuthOk) -> None:
        self.did += [principal, type(answer)]

    def says(self, *messages: ControlMessage) -> list[Any]:
        for message in messages:
            self.reception.receive(message)
        self.reception.end()
        return self.did


def login() -> AuthRequest:
    return AuthRequest(method="token", principal="ann", token="t")


async def test_a_login_is_handed_on_with_its_answer() -> None:
    assert Received(Accepted(ANN, None)).says(HELLO, login()) == [Hello, ANN, AuthOk]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (LoginRefusal.WRONG, [AuthFail, 4401]),
        (LoginRefusal.LIMITED, [1013]),
        (LoginRefusal.UNKNOWN_METHOD, [ProtocolError, 4400]),
        (NotNow("too many"), [ProtocolError, 4400]),
    ],
    ids=str,
)
async def test_a_login_that_is_refused_is_the_last_one(verdict: Any, told: list[Any]) -> None:
    assert Received(verdict).says(HELLO, login(), login(), HELLO) == [Hello, *told]


async def test_who_joins_logs_in_on_another_connection() -> None:
    received = Received(Accepted(ANN, None))
    assert received.says(HELLO, JOIN) == [Hello]
    assert received.joins == [received.reception]
    received.reception.answer_join(JoinAccepted(kind=InviteKind.NODE, principal="node:n", roles=()))
    assert received.says(login(), JOIN) == [Hello, JoinAccepted, 1000]


async def test_who_says_more_while_a_join_is_judged_breaks_the_handshake() -> None:
    for more in (JOIN, login()):
        received = Received(Accepted(ANN, None))
        assert received.says(HELLO, JOIN, more, login()) == [Hello, ProtocolError, 4400]
        assert received.joins == [received.reception]


async def test_a_join_that_is_refused_is_closed_as_a_login_is() -> None:
    received = Received()
    received.says(HELLO, JOIN)
    received.reception.answer_join(JoinRefused(reason="used", message="it was used"))
    assert received.did == [Hello, JoinRefused, 4401]


async def test_nothing_is_answered_where_nobody_is_any_more() -> None:
    received = Received()
    received.says(HELLO, JOIN)
    received.is_open = False
    received.reception.answer_join(JoinRefused(reason="used", message="it was used"))
    assert received.did == [Hello]


async def test_who_says_nothing_is_cut_off_in_time() -> None:
    received = Received(timeout=0.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert received.did == [Hello, ErrorCodes.TIMEOUT, "cut off"]
    assert Received(timeout=0.0).says(HELLO) == [Hello]
