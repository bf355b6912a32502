"""A connection before somebody has logged in on it: hello, a login or a join, in time (docs/protocol.md#handshake)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes
from omnyshell.ids import new_secure_token
from omnyshell.model.hubs import OtherHub
from omnyshell.model.principals import Principal
from omnyshell.protocol.handshake import (
    CLOSE_PROTOCOL_FAILURE,
    CLOSE_TRY_AGAIN_LATER,
    CLOSE_UNAUTHORIZED,
    CredentialOffered,
    HandshakeState,
    HubHandshake,
    Violation,
)
from omnyshell.protocol.messages import AuthOk, AuthRequest, ControlMessage
from omnyshell.protocol.messages.admin import JoinAccepted, JoinRefused, JoinRequest
from omnyshell.security.authenticators import Evidence
from omnyshell.security.credentials import LoginContext
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.login_gate import Accepted, LoginGate, LoginRefusal, NotNow
from omnyshell.steps import step

logger = logging.getLogger("omnyshell.hub")

CLOSE_JOINED = 1000

LATE_LOGIN_TIMEOUT = 0.5
"""Seconds that a peer gets to read that its login is too late."""


class Arriving(Protocol):
    """A connection on which nobody has logged in."""

    @property
    def id(self) -> str:
        """Its id in logs."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""

    def send(self, message: ControlMessage) -> None:
        """Send a message."""

    def close(self, code: int, reason: str) -> None:
        """Close with this code."""

    def give_up(self, code: ErrorCodes, text: str, within: float) -> None:
        """Send a fatal `error`, and end the connection within so many seconds."""

    def logged_in(self, principal: Principal, evidence: Evidence | None, answer: AuthOk) -> None:
        """Somebody has logged in, and is told so before anything else is done for them."""


class Reception:
    """Receives a connection. `begin` when the link is open, `end` with it; a login ends it as well."""

    __slots__ = (
        "_certificate",
        "_clock",
        "_gate",
        "_join",
        "_metrics",
        "_opened_at",
        "_others",
        "_peer",
        "_timer",
        "handshake",
    )

    def __init__(
        self,
        peer: Arriving,
        *,
        gate: LoginGate,
        certificate: HubCertificate,
        features: frozenset[str],
        join: "Callable[[Reception, JoinRequest, LoginContext], None]",
        others: Callable[[], tuple[OtherHub, ...]],
        metrics: HubMetrics,
        clock: Clock,
    ) -> None:
        """`features` are the extensions that the hub announces.

        `join` takes a request to join, and answers through `answer_join` or `refuse`. `others` returns the other hubs.
        """
        self._peer = peer
        self._gate = gate
        # The one that this connection is about to see, whatever is renewed meanwhile.
        self._certificate = certificate.current
        self._join = join
        self._others = others
        self._metrics = metrics
        self._clock = clock
        self._opened_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.handshake = HubHandshake(
            nonce=new_secure_token(), hub_uid=self._certificate.uid, features=features, peer_id=peer.id
        )
        """What both sides have said of themselves."""

    @property
    def role(self) -> str:
        """What the peer says it is; empty before its hello."""
        return self.handshake.role

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the peer announced."""
        return self.handshake.peer_features

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self._peer.address

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._peer.is_open

    def begin(self) -> None:
        """Say hello, and wait for a login, not for ever."""
        self._opened_at = self._clock.monotonic()
        step(logger, "link open", peer=self._peer.id, address=self.address)
        self._timer = asyncio.get_running_loop().call_later(self._gate.timeout, self._too_late)
        self._peer.send(self.handshake.hello())

    def end(self) -> None:
        """Wait no longer. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def receive(self, message: ControlMessage) -> None:
        """Take a message of somebody who has not logged in."""
        if isinstance(message, JoinRequest) and self.handshake.begin_join():
            self._join(self, message, self._login_context())
        elif self.handshake.state is not HandshakeState.FAILED:
            self._shake_hands(message)

    def refuse(self, verdict: LoginRefusal | NotNow) -> None:
        """Answer a login, or a join, that is refused, and close."""
        why = verdict.why if isinstance(verdict, NotNow) else verdict.name.lower()
        step(logger, "login refused", peer=self._peer.id, role=self.role, address=self.address, reason=why)
        if isinstance(verdict, NotNow):
            self._violated(self.handshake.refuse_for_now(verdict.why, verdict.code))
        elif verdict is LoginRefusal.UNKNOWN_METHOD:
            self._violated(self.handshake.refuse_method())
        elif verdict is LoginRefusal.WRONG:
            self._peer.send(self.handshake.refuse())
            self._peer.close(CLOSE_UNAUTHORIZED, ErrorCodes.AUTH_FAILED)
        else:
            self.handshake.end()
            self._peer.close(CLOSE_TRY_AGAIN_LATER, "too many failed logins")

    def answer_join(self, answer: JoinAccepted | JoinRefused) -> None:
        """Answer a join, and close: who joined logs in on a connection of its own."""
        self.handshake.end()
        refused = isinstance(answer, JoinRefused)
        step(logger, "join refused" if refused else "joined", peer=self._peer.id, address=self.address)
        if self.is_open:
            self._peer.send(answer)
            code, why = (CLOSE_UNAUTHORIZED, "refused") if refused else (CLOSE_JOINED, "joined")
            self._peer.close(code, why)

    def _shake_hands(self, message: ControlMessage) -> None:
        event = self.handshake.receive(message)
        if isinstance(event, Violation):
            self._violated(event)
        elif isinstance(event, CredentialOffered):
            self._judge(event.request)

    def _judge(self, request: AuthRequest) -> None:
        verdict = self._gate.judge(request, self._login_context(), self.address)
        if isinstance(verdict, Accepted):
            self._welcome(verdict)
        else:
            self.refuse(verdict)

    def _welcome(self, login: Accepted) -> None:
        self.end()
        self._metrics.login_seconds.observe(self._clock.monotonic() - self._opened_at)
        answer = self.handshake.accept(login.principal, new_secure_token(), self._others())
        self._peer.logged_in(login.principal, login.evidence, answer)

    def _login_context(self) -> LoginContext:
        return LoginContext(
            nonce=self.handshake.nonce, role=self.handshake.role, spki_sha256=self._certificate.spki_sha256
        )

    def _violated(self, violation: Violation) -> None:
        step(logger, "handshake ended", peer=self._peer.id, role=self.role, code=violation.error.code)
        self._peer.send(violation.error)
        self._peer.close(CLOSE_PROTOCOL_FAILURE, violation.error.code)

    def _too_late(self) -> None:
        self._timer = None
        step(logger, "no login in time", peer=self._peer.id, role=self.role, address=self.address)
        self._peer.give_up(ErrorCodes.TIMEOUT, "No login in time", LATE_LOGIN_TIMEOUT)
