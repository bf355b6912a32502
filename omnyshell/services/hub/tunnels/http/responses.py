"""Follows a target's responses, which are passed on unchanged, to see whether an upgrade was accepted."""

import base64
import hashlib
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

import h11

from omnyshell.services.hub.tunnels.http.headers import offered, tokens
from omnyshell.services.hub.tunnels.http.requests import HEAD_STEPS, MAX_HEAD

STEPS_A_TURN = 120
"""Heads and chunks that are parsed in one turn, which takes a few milliseconds."""


class UpgradeOutcome(Enum):
    """The target's answer to an upgrade request."""

    ACCEPTED = auto()
    DENIED = auto()
    UNREADABLE = auto()
    """The response is not valid HTTP, so the answer is unknown."""


_SWITCHING = 101
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What RFC 6455 has a server hash behind the client's key."""


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What a request offers to go on with.

    A target that can be had to answer 101 by accident goes on in HTTP, behind headers that nobody added: so an answer
    accepts an upgrade only where it names what was offered, and proves that it read the key of a WebSocket.
    """

    protocols: frozenset[bytes]
    keys: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, request: h11.Request) -> "Upgrade | None":
        """Return what a request offers; None where it goes on in HTTP."""
        protocols = {one.lower() for name, value in request.headers if name == b"upgrade" for one in offered(value)}
        keys = tuple(value for name, value in request.headers if name == b"sec-websocket-key")
        return cls(frozenset(protocols), keys) if protocols else None

    def is_accepted_by(self, response: h11.InformationalResponse) -> bool:
        """Tell whether a response 101 is an answer to this."""
        named = {token for name, value in response.headers if name == b"upgrade" for token in tokens(value)}
        proofs = [value for name, value in response.headers if name == b"sec-websocket-accept"]
        expected = [
            base64.b64encode(hashlib.sha1(key + _WEBSOCKET, usedforsecurity=False).digest()) for key in self.keys
        ]
        is_proven = named != {b"websocket"} or not self.keys or proofs == expected
        return bool(named) and named <= self.protocols and is_proven


class ResponseFollower:
    """Counts answered requests. After an invalid response it stops counting.

    Input may take several turns: call `work` while it `has_work`.
    """

    def __init__(self) -> None:
        self._expected: deque[tuple[bytes, Upgrade | None]] = deque()
        self._parser: h11.Connection | None = None
        self._unread = b""
        self._is_inside = False
        self.is_lost = False

    @property
    def outstanding(self) -> int:
        """How many requests are not completely answered."""
        return len(self._expected)

    @property
    def has_work(self) -> bool:
        """Whether there is input that was not parsed yet."""
        return bool(self._unread) or self._is_inside

    def expect(self, method: bytes, upgrade: Upgrade | None) -> None:
        """Note a request that went to the target."""
        if self.is_lost:
            return
        self._expected.append((method, upgrade))

    def feed(self, data: bytes) -> UpgradeOutcome | None:
        """Parse bytes of responses; return the answer to an upgrade request, or None."""
        self._unread += data
        return self.work()

    def work(self) -> UpgradeOutcome | None:
        """Parse for one turn; return as `feed` does."""
        outcome = None
        steps = STEPS_A_TURN
        try:
            while self.has_work and steps > 0 and outcome is not UpgradeOutcome.ACCEPTED:
                steps, told = self._follow(steps)
                outcome = told or outcome
        except (h11.RemoteProtocolError, h11.LocalProtocolError):
            self.is_lost = True
            outcome = UpgradeOutcome.UNREADABLE
            self._expected.clear()
        if outcome in (UpgradeOutcome.ACCEPTED, UpgradeOutcome.UNREADABLE):
            self._unread, self._is_inside = b"", False
        return outcome

    def _begin(self) -> h11.Connection:
        """Prepare for the response to the oldest request. Raises `h11.RemoteProtocolError` if there is none."""
        if not self._expected:
            raise h11.RemoteProtocolError("the target speaks unasked")
        method, upgrade = self._expected[0]
        headers = [(b"Host", b"target")] + ([(b"Upgrade", b"any")] if upgrade else [])
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        parser.send(h11.Request(method=method, target=b"/", headers=headers))
        parser.send(h11.EndOfMessage())
        return parser

    def _follow(self, steps: int) -> tuple[int, UpgradeOutcome | None]:
        """Follow one response; return the steps that are left, and the answer to an upgrade request, or None."""
        parser = self._parser = self._parser or self._begin()
        _, upgrade = self._expected[0]
        outcome = None
        if not self._is_inside:
            data, self._unread = self._unread, b""
            parser.receive_data(data)
            self._is_inside = True
        while steps > 0:
            event = parser.next_event()
            steps -= 1
            if isinstance(event, h11.InformationalResponse) and event.status_code == _SWITCHING:
                if upgrade is None or not upgrade.is_accepted_by(event):
                    raise h11.RemoteProtocolError("the target switches to what was not offered")
            elif event is h11.PAUSED:
                # The connection has left HTTP, after an upgrade.
                self._expected.popleft()
                return steps, UpgradeOutcome.ACCEPTED
            if isinstance(event, h11.Response):
                steps -= HEAD_STEPS
                outcome = UpgradeOutcome.DENIED if upgrade else None
                if parser.their_state is h11.SWITCHED_PROTOCOL:
                    outcome = UpgradeOutcome.ACCEPTED
            elif isinstance(event, h11.EndOfMessage):
                self._expected.popleft()
                self._parser = None
                self._unread = parser.trailing_data[0] + self._unread
                self._is_inside = False
                return steps, outcome
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                self._is_inside = False
                return (steps, outcome) if self._unread else (0, outcome)
        return 0, outcome
