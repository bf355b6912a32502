"""A connection through an `http` tunnel: as any other, with forwarding headers on each of its requests."""

import asyncio

from omnyshell.errors import ErrorCodes
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.protocol.messages import ChannelClose
from omnyshell.services.hub.tunnels.connection import TunnelConnection
from omnyshell.services.hub.tunnels.http.forwarder import HttpForwarder, Refusal
from omnyshell.transport.channel_stream import HALF_CLOSED_TIMEOUT

HEAD_TIMEOUT = 30.0
"""Seconds that a request's head may take from its first byte on."""

REFUSAL_LINGER = 2.0
"""Seconds for the client to read a refusal, before a reset destroys it."""

PENDING_REFUSAL_TIMEOUT = 60.0
"""Seconds without a byte that earlier requests may take to be answered before the refusal of a later one."""


class HttpTunnelConnection(TunnelConnection):
    """One connection from the outside that speaks HTTP. Give it its forwarder before it is served."""

    forwarder: HttpForwarder
    _head_timer: asyncio.TimerHandle | None = None
    _turn: asyncio.Handle | None = None
    _was_refused = False
    _uncredited = 0
    _end_waits = False

    # What the stream calls

    def budget(self) -> int:
        """Read what there is room for; after a refusal, read to drop."""
        return MAX_PAYLOAD if self._was_refused else min(self.forwarder.room, super().budget())

    def bytes_read(self, data: memoryview) -> None:
        """Send on requests with their headers."""
        if self._was_refused:
            return
        self._tunnel.counters.bytes_in += len(data)
        self.bytes_sent += len(data)
        self._pass_on(self.forwarder.request_bytes(bytes(data)))

    def stream_ended(self) -> None:
        """The outside finished writing."""
        self._stop_head_timer()
        if self._was_refused:
            self.stream.close()
        elif self.forwarder.has_unread:
            self._end_waits = True
            self.watch(HALF_CLOSED_TIMEOUT)
        else:
            super().stream_ended()

    def bytes_taken(self, size: int) -> None:
        """Return credit for what the outside took, unless the responses have yet to be looked at."""
        self._uncredited += size
        if not self.forwarder.follows_late:
            size, self._uncredited = self._uncredited, 0
            super().bytes_taken(size)

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Write responses as they are, and see what they decide."""
        if self._was_refused:
            return
        super().data_received(opcode, payload)
        if opcode is DataOpcode.STDOUT and not self.channel.is_closed:
            had_room = self.forwarder.room > 0
            self._pass_on(self.forwarder.response_bytes(bytes(payload)))
            if not had_room:
                self.stream.resume_reading()

    def over(self) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        if self._turn is not None:
            self._turn.cancel()
        super().over()

    # The rest

    def _pass_on(self, data: bytes) -> None:
        """Send on what has been read, and see what is next."""
        self._send(data)
        self._watch_head()
        self._refuse_if_due()
        if self._turn is None and self.forwarder.has_work and not self._is_over:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)
        if self._end_waits and not self.forwarder.has_unread and not self._was_refused:
            self._end_waits = False
            super().stream_ended()

    def _go_on(self) -> None:
        """Read on: others have had their turn."""
        self._turn = None
        if self._was_refused or self.channel.is_closed:
            return
        self._pass_on(self.forwarder.work())
        self.bytes_taken(0)
        self.stream.resume_reading()

    def _send(self, data: bytes) -> None:
        if data and not self.channel.is_closed:
            self.channel.send_data(DataOpcode.STDIN, data)

    def _watch_head(self) -> None:
        """See that a head comes to its end in time."""
        if not self.forwarder.is_in_head:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = asyncio.get_running_loop().call_later(HEAD_TIMEOUT, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        self.forwarder.refuse(408, "the request did not come in time")
        self._refuse_if_due()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_if_due(self) -> None:
        """Tell the outside, behind the responses to what came before, and end the connection."""
        refusal = self.forwarder.refusal
        if refusal is None or self._was_refused:
            return
        if not self.forwarder.refusal_is_due:
            self.watch(PENDING_REFUSAL_TIMEOUT)
            return
        self._on_refused(self._tunnel, self.address, f"http {refusal.status}")
        self._close_channel(CloseReason.EXTERNAL_ERROR)
        self._tell(refusal)

    def _refuse(self, reason: str) -> None:
        """There is no way to the target."""
        self._on_refused(self._tunnel, self.address, reason)
        self._answered()
        self.channel.end()
        self._tell(Refusal(502, "the target cannot be reached"))

    def _late(self) -> None:
        self._on_refused(self._tunnel, self.address, ErrorCodes.TIMEOUT)
        self.channel.close(ChannelClose(reason=CloseReason.ERROR, message="No answer in time"))
        self._tell(Refusal(504, "the target did not answer in time"))

    def _tell(self, refusal: Refusal) -> None:
        """Say what is wrong, and end the connection once the client has had time to read it."""
        self._was_refused = True
        self._stop_head_timer()
        self.stream.write(refusal.response())
        self.stream.write_eof()
        self.stream.resume_reading()
        self.watch(REFUSAL_LINGER)

    def _stalled(self) -> None:
        if self._was_refused:
            self.stream.close()
        else:
            super()._stalled()
