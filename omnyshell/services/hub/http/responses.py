"""Follows a target's responses, which go on untouched: only they tell whether an upgrade was accepted."""

from collections import deque
from enum import Enum, auto

import h11

from omnyshell.services.hub.http.requests import MAX_HEAD


class UpgradeOutcome(Enum):
    """What the target made of a request to leave HTTP."""

    ACCEPTED = auto()
    DENIED = auto()
    UNREADABLE = auto()
    """The target does not speak HTTP as it should: nothing can be told."""


class ResponseFollower:
    """Counts which requests have been answered. What it cannot read it gives up on, and counts no further."""

    def __init__(self) -> None:
        self._expected: deque[tuple[bytes, bool]] = deque()
        self._parser: h11.Connection | None = None
        self.is_lost = False

    @property
    def outstanding(self) -> int:
        """How many requests have not been answered to the end."""
        return len(self._expected)

    def expect(self, method: bytes, *, upgrade: bool) -> None:
        """Note a request that went to the target."""
        if self.is_lost:
            return
        self._expected.append((method, upgrade))

    def feed(self, data: bytes) -> UpgradeOutcome | None:
        """Take bytes of responses; returns what became of an upgrade, where they tell."""
        outcome = None
        while data and outcome is not UpgradeOutcome.ACCEPTED:
            try:
                data, told = self._follow(data)
            except (h11.RemoteProtocolError, h11.LocalProtocolError):
                self.is_lost = True
                self._expected.clear()
                return UpgradeOutcome.UNREADABLE
            outcome = told or outcome
        return outcome

    def _begin(self) -> h11.Connection:
        """Prepare for the response to the oldest request. Raises `h11.RemoteProtocolError` where there is none."""
        if not self._expected:
            raise h11.RemoteProtocolError("the target speaks unasked")
        method, upgrade = self._expected[0]
        headers = [(b"Host", b"target")] + ([(b"Upgrade", b"any")] if upgrade else [])
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        parser.send(h11.Request(method=method, target=b"/", headers=headers))
        parser.send(h11.EndOfMessage())
        return parser

    def _follow(self, data: bytes) -> tuple[bytes, UpgradeOutcome | None]:
        """Follow one response; returns what belongs to the next, and what became of an upgrade."""
        parser = self._parser = self._parser or self._begin()
        method, upgrade = self._expected[0]
        outcome = None
        parser.receive_data(data)
        while True:
            event = parser.next_event()
            if event is h11.PAUSED:
                # It has left HTTP: the answer to CONNECT or to an upgrade.
                self._expected.popleft()
                return b"", UpgradeOutcome.ACCEPTED
            if isinstance(event, h11.Response):
                outcome = UpgradeOutcome.DENIED if upgrade or method == b"CONNECT" else None
                if parser.their_state is h11.SWITCHED_PROTOCOL:
                    outcome = UpgradeOutcome.ACCEPTED
            elif isinstance(event, h11.EndOfMessage):
                self._expected.popleft()
                self._parser = None
                return parser.trailing_data[0], outcome
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return b"", outcome
