"""A stream layer for HTTP between the outside's stream and its connection; it adds forwarding headers to requests."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.services.hub.tunnels.http.forwarder import HttpForwarder, HttpRefusal
from omnyshell.transport.channel_stream import HALF_CLOSED_TIMEOUT
from omnyshell.transport.duplex import Duplex
from omnyshell.transport.stall_timer import StallTimer
from omnyshell.transport.tcp_stream import Bytes, ByteStream, StreamOwner

HEAD_TIMEOUT = 30.0
"""Seconds that a request's head may take, from its first byte."""

REFUSAL_LINGER = 2.0
"""Seconds in which the client can read a refusal, before a reset discards it."""

PENDING_REFUSAL_TIMEOUT = 60.0
"""Seconds without a byte after which a pending refusal no longer waits for answers to earlier requests."""


class HttpOwner(StreamOwner, Protocol):
    """The owner of an HTTP stream: bytes are counted as they are read, and passed on with added headers."""

    def note_read(self, size: int) -> None:
        """Count bytes that were read."""

    def pass_on(self, data: bytes) -> None:
        """Take bytes for the target; they may exceed the budget."""

    def watch(self, timeout: float) -> None:
        """End everything once no byte has moved for `timeout` seconds."""

    def turned_away(self, reason: str) -> None:
        """A refusal is being sent to the client: end the channel to the target."""


class HttpStream:
    """A `ByteStream` on top of another one, `below`, of which it is the owner; set `below` before anything else.

    A refusal is sent after the responses to earlier requests, and ends the stream; later input of the client is read
    and dropped.
    """

    below: ByteStream

    def __init__(self, owner: HttpOwner, forwarder: HttpForwarder, ids: Mapping[str, object]) -> None:
        self._owner = owner
        self._forwarder = forwarder
        self._life = Duplex("http", ids)
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger: StallTimer | None = None
        self._turn: asyncio.Handle | None = None
        self._written = 0
        """Bytes written by the owner, without a refusal."""

        self._taken = 0
        """Bytes that the stream below has sent."""

        self._reported = 0
        """Bytes that were reported to the owner as sent."""

    # What the owner calls

    def write(self, data: Bytes) -> None:
        """Write responses unchanged, and follow them."""
        if not self._life.may_send:
            return
        self._written += len(data)
        self.below.write(data)
        had_room = self._forwarder.room > 0
        self._pass_on(self._forwarder.response_bytes(bytes(data)))
        if not had_room:
            self.below.resume_reading()

    def write_eof(self) -> None:
        """Finish writing after all that was written; reading goes on."""
        if self._life.send_end():
            self._life.flushed()
            self.below.write_eof()

    def close(self, *, reset: bool = False) -> None:
        """Close after all that was written, unless a refusal is under way, which ends the stream itself."""
        if self._life.close(reset=reset):
            self.below.close(reset=reset)

    def abort(self) -> None:
        """End the stream at once."""
        self._life.close(reset=True)
        self.below.abort()

    def resume_reading(self) -> None:
        """Resume reading if there is a budget. Idempotent."""
        self.below.resume_reading()

    def refuse(self, status: int, text: str) -> None:
        """Send the client a refusal, and end the stream once it has had time to read it."""
        self._tell(HttpRefusal(status, text))

    # What the stream below calls

    def stream_opened(self) -> None:
        """Pass on that the client is connected."""
        self._life.open()
        self._owner.stream_opened()

    def budget(self) -> int:
        """How much to read: the forwarder's room; after a refusal anything, to be dropped."""
        return MAX_PAYLOAD if self._life.is_ending else min(self._forwarder.room, self._owner.budget())

    def bytes_read(self, data: memoryview) -> None:
        """Pass requests on with added headers."""
        if self._life.may_receive:
            self._owner.note_read(len(data))
            self._pass_on(self._forwarder.request_bytes(bytes(data)))

    def stream_ended(self) -> None:
        """The client finished writing: pass that on after all its requests."""
        self._stop_head_timer()
        waits = self._forwarder.has_unread
        if self._life.is_ending:
            self.below.close()
        elif self._life.receive_end(waits=waits):
            self._owner.stream_ended()
        elif waits:
            self._owner.watch(HALF_CLOSED_TIMEOUT)

    def bytes_taken(self, size: int) -> None:
        """Report what the client read, except for responses that are not processed yet."""
        self._taken += size
        self._report()

    def stream_lost(self, error: Exception | None) -> None:
        """Pass on that the client is gone."""
        self._life.lose()
        self._stop_head_timer()
        for timer in (self._turn, self._linger):
            if timer is not None:
                timer.cancel()
        self._owner.stream_lost(error)

    # The rest

    def _pass_on(self, data: bytes) -> None:
        """Pass processed requests on, and decide what comes next."""
        if data:
            self._owner.pass_on(data)
        self._watch_head()
        self._refuse_if_due()
        if self._turn is None and self._forwarder.has_work and not self._life.is_ending:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)
        if not self._forwarder.has_unread and self._life.delivered():
            self._owner.stream_ended()

    def _go_on(self) -> None:
        """Continue with input, after others have had their turn."""
        self._turn = None
        if self._life.is_ending:
            return
        self._pass_on(self._forwarder.work())
        self._report()
        self.below.resume_reading()

    def _report(self) -> None:
        size = min(self._taken, self._written) - self._reported
        if size and not self._forwarder.follows_late:
            self._reported += size
            self._owner.bytes_taken(size)

    def _watch_head(self) -> None:
        """Start or stop the timeout for a request's head."""
        if not self._forwarder.is_in_head or self._life.is_ending:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        self._forwarder.refuse(408, "the request did not come in time")
        self._refuse_if_due()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_if_due(self) -> None:
        """Send the refusal, if the responses to earlier requests are complete."""
        refusal = self._forwarder.refusal
        if refusal is None or self._life.is_ending:
            return
        if not self._forwarder.refusal_is_due:
            self._owner.watch(PENDING_REFUSAL_TIMEOUT)
            return
        self._owner.turned_away(f"http {refusal.status}")
        self._tell(refusal)

    def _tell(self, refusal: HttpRefusal) -> None:
        if not self._life.close():
            return
        self._stop_head_timer()
        self.below.write(refusal.response())
        self.below.write_eof()
        self.below.resume_reading()
        self._linger = StallTimer(REFUSAL_LINGER, lambda: self._taken, self.below.close)
