"""One connection's HTTP, both ways: requests with forwarding headers, responses untouched, upgrades let through."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

import h11

from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.services.hub.tunnels.http.headers import ForwardingHeaders, tokens
from omnyshell.services.hub.tunnels.http.requests import BadRequestError, RequestReader
from omnyshell.services.hub.tunnels.http.responses import STEPS_A_TURN, ResponseFollower, UpgradeOutcome

MAX_OUTSTANDING = 256
"""Requests of a connection that may be unanswered before no more are read."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is told instead of being passed on."""

    status: int
    text: str

    def response(self) -> bytes:
        """The response as it goes out; the connection ends behind it."""
        body = f"{self.text}\n".encode(errors="replace")
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


class Speaks(Enum):
    """What the outside speaks."""

    HTTP = "http"
    LEAVING = "leaving"
    """A request to leave HTTP has begun, and not come to its end."""

    HOLDING = "holding"
    """It has, and the target's answer is awaited: what follows may be HTTP or not."""

    RAW = "raw"
    """Something else, that is no business of ours."""


_FOLLOWING: Mapping[Speaks, frozenset[Speaks]] = {
    Speaks.HTTP: frozenset({Speaks.LEAVING}),
    Speaks.LEAVING: frozenset({Speaks.HOLDING, Speaks.HTTP}),
    Speaks.HOLDING: frozenset({Speaks.HTTP, Speaks.RAW}),
    Speaks.RAW: frozenset(),
}


class HttpForwarder:
    """Feed it what comes from both sides.

    After a request to leave HTTP, what follows is held until the target has answered: it is read as more requests,
    or after an accepted upgrade passed on as it is. No more should be read from the outside than there is `room` for.
    What arrives at once may take several turns: call `work` while it `has_work`.
    """

    def __init__(self, marks: ForwardingHeaders) -> None:
        self._marks = marks
        self._follower = ResponseFollower()
        self._reader = RequestReader(marks, self._head_read)
        self._unread = b""
        self._speaks = Speaks.HTTP
        self.refusal: Refusal | None = None

    @property
    def is_holding(self) -> bool:
        """Whether what the outside sends waits for what the target makes of a request to leave HTTP."""
        return self._speaks is Speaks.HOLDING

    @property
    def room(self) -> int:
        """How many bytes to read from the outside at once.

        0 while an upgrade, or too many requests, are unanswered, or what was read is not dealt with.
        """
        if self._speaks is Speaks.RAW:
            return MAX_PAYLOAD
        if self.is_holding or self._unread or self.refusal is not None or self._follower.outstanding >= MAX_OUTSTANDING:
            return 0
        return self._reader.room

    @property
    def is_in_head(self) -> bool:
        """Whether a request has begun and its head is not complete."""
        return self._speaks is Speaks.HTTP and self._reader.has_begun and not self._reader.head_done

    @property
    def refusal_is_due(self) -> bool:
        """Whether the refusal is the next thing the client expects: all requests before it are answered."""
        unfinished = 1 if self._reader.head_done else 0
        return self.refusal is not None and (self._follower.outstanding <= unfinished or self._follower.is_lost)

    @property
    def has_work(self) -> bool:
        """Whether something arrived that has not been read, and can be."""
        return self.follows_late or (bool(self._unread) and not self.is_holding and self.refusal is None)

    @property
    def has_unread(self) -> bool:
        """Whether something from the outside has not gone on yet."""
        return bool(self._unread)

    @property
    def follows_late(self) -> bool:
        """Whether the target is ahead of what was read of it; no more credit should be returned to it."""
        return self._follower.has_work

    def request_bytes(self, data: bytes) -> bytes:
        """Take bytes from the outside; returns what goes on to the target. Sets `refusal` where they break HTTP."""
        if self._speaks is Speaks.RAW:
            return data
        if self.refusal is not None:
            return b""
        self._unread += data
        return self._read_requests()

    def response_bytes(self, data: bytes) -> bytes:
        """Note bytes from the target, which go on untouched; returns what may now go to the target."""
        if self._speaks is Speaks.RAW or self._follower.is_lost:
            return b""
        return self._told(self._follower.feed(data))

    def work(self) -> bytes:
        """Read for one turn; returns what may now go to the target."""
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
        # An answer may come before the request has come to its end; accepted it cannot be before that.
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
        """Take no more requests; the client is told why when it is due."""
        if self.refusal is None:
            self.refusal = Refusal(status, text)

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
        offered = [token for name, value in request.headers if name == b"upgrade" for token in tokens(value)]
        upgrade = any(token and token != b"h2c" for token in offered)
        if upgrade or request.method == b"CONNECT":
            if self._follower.is_lost:
                raise BadRequestError("no upgrade after an answer that cannot be read")
            self._becomes(Speaks.LEAVING)
        self._follower.expect(request.method, upgrade=upgrade)
