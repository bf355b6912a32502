"""HTTP of one connection, both ways: adds headers to requests, leaves responses unchanged, allows upgrades."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

import h11

from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.services.hub.tunnels.http.headers import ForwardingHeaders
from omnyshell.services.hub.tunnels.http.requests import BadRequestError, RequestReader
from omnyshell.services.hub.tunnels.http.responses import STEPS_A_TURN, ResponseFollower, Upgrade, UpgradeOutcome

MAX_OUTSTANDING = 256
"""Unanswered requests of a connection at which no more are read."""


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """The refusal of a request."""

    status: int
    text: str

    def response(self) -> bytes:
        """The response as bytes; the connection ends after it."""
        body = f"{self.text}\n".encode(errors="replace")
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


class Speaks(Enum):
    """The state of the outside's protocol."""

    HTTP = "http"
    LEAVING = "leaving"
    """An upgrade request is being read."""

    HOLDING = "holding"
    """The upgrade request is complete, and the target's answer is awaited: later bytes may be HTTP or not."""

    RAW = "raw"
    """Another protocol, which is passed on unchanged."""


_FOLLOWING: Mapping[Speaks, frozenset[Speaks]] = {
    Speaks.HTTP: frozenset({Speaks.LEAVING}),
    Speaks.LEAVING: frozenset({Speaks.HOLDING, Speaks.HTTP}),
    Speaks.HOLDING: frozenset({Speaks.HTTP, Speaks.RAW}),
    Speaks.RAW: frozenset(),
}


class HttpForwarder:
    """Feed it the bytes of both sides.

    After an upgrade request, later bytes are held until the target has answered: then they are read as more requests,
    or passed on unchanged if the upgrade was accepted. Read no more from the outside than `room`. Input may take
    several turns: call `work` while it `has_work`.
    """

    def __init__(self, marks: ForwardingHeaders) -> None:
        self._marks = marks
        self._follower = ResponseFollower()
        self._reader = RequestReader(marks, self._head_read)
        self._unread = b""
        self._speaks = Speaks.HTTP
        self.refusal: HttpRefusal | None = None

    @property
    def is_holding(self) -> bool:
        """Whether bytes of the outside wait for the answer to an upgrade request."""
        return self._speaks is Speaks.HOLDING

    @property
    def room(self) -> int:
        """How many bytes to read from the outside at a time.

        0 while an upgrade or too many requests are unanswered, or earlier input is not processed.
        """
        if self._speaks is Speaks.RAW:
            return MAX_PAYLOAD
        if self.is_holding or self._unread or self.refusal is not None or self._follower.outstanding >= MAX_OUTSTANDING:
            return 0
        return self._reader.room

    @property
    def is_in_head(self) -> bool:
        """Whether the head of a request is incomplete."""
        return self._speaks is Speaks.HTTP and self._reader.has_begun and not self._reader.head_done

    @property
    def refusal_is_due(self) -> bool:
        """Whether all requests before the refused one are answered, so that the refusal can be sent."""
        unfinished = 1 if self._reader.head_done else 0
        return self.refusal is not None and (self._follower.outstanding <= unfinished or self._follower.is_lost)

    @property
    def has_work(self) -> bool:
        """Whether there is input that can be processed now."""
        return self.follows_late or (bool(self._unread) and not self.is_holding and self.refusal is None)

    @property
    def has_unread(self) -> bool:
        """Whether there is input of the outside that was not passed on yet."""
        return bool(self._unread)

    @property
    def follows_late(self) -> bool:
        """Whether responses are not fully processed; return no more credit to the target then."""
        return self._follower.has_work

    def request_bytes(self, data: bytes) -> bytes:
        """Take bytes of the outside; return bytes for the target. Sets `refusal` if they break HTTP."""
        if self._speaks is Speaks.RAW:
            return data
        if self.refusal is not None:
            return b""
        self._unread += data
        return self._read_requests()

    def response_bytes(self, data: bytes) -> bytes:
        """Follow bytes of the target, which are passed on unchanged; return bytes that can now go to the target."""
        if self._speaks is Speaks.RAW or self._follower.is_lost:
            return b""
        return self._told(self._follower.feed(data))

    def work(self) -> bytes:
        """Process input for one turn; return bytes that can now go to the target."""
        if self._follower.has_work:
            return self._told(self._follower.work())
        return self._read_requests()

    def _told(self, outcome: UpgradeOutcome | None) -> bytes:
        if outcome is None or self._speaks is Speaks.HTTP:
            return b""
        if outcome is UpgradeOutcome.ACCEPTED and self.is_holding:
            self._becomes(Speaks.RAW)
            held, self._unread = self._unread, b""
            return held
        # The answer may come before the request is complete, but then it cannot accept the upgrade.
        self._becomes(Speaks.HTTP)
        if outcome is not UpgradeOutcome.DENIED:
            self.refuse(400, "the target's answer to the upgrade cannot be read")
            return b""
        return self._read_requests()

    def _becomes(self, speaks: Speaks) -> None:
        if speaks not in _FOLLOWING[self._speaks]:
            raise RuntimeError(f"the outside cannot speak {speaks.value} after {self._speaks.value}")
        self._speaks = speaks

    def refuse(self, status: int, text: str) -> None:
        """Accept no more requests; the refusal is sent when it is due."""
        if self.refusal is None:
            self.refusal = HttpRefusal(status, text)

    def _read_requests(self) -> bytes:
        out = bytearray()
        steps = 0
        try:
            while self._unread and not self.is_holding and steps < STEPS_A_TURN:
                before = self._reader.steps
                self._unread = self._reader.feed(self._unread, out)
                steps += self._reader.steps - before
                if self._reader.is_done:
                    self._reader = RequestReader(self._marks, self._head_read)
                    if self._speaks is Speaks.LEAVING:
                        self._becomes(Speaks.HOLDING)
        except BadRequestError as exc:
            self.refuse(exc.status, str(exc))
            self._unread = b""
        return bytes(out)

    def _head_read(self, request: h11.Request) -> None:
        upgrade = Upgrade.of(request)
        if upgrade is not None:
            if self._follower.is_lost:
                raise BadRequestError("no upgrade after an answer that cannot be read")
            self._becomes(Speaks.LEAVING)
        self._follower.expect(request.method, upgrade)
