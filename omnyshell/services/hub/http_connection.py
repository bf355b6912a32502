"""A connection through an `http` tunnel: as any other, with forwarding headers on each of its requests."""

import asyncio

from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.services.hub.http.forwarder import HttpForwarder
from omnyshell.services.hub.tunnel_connection import TunnelConnection

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
    _was_refused = False

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
        self._send(self.forwarder.request_bytes(bytes(data)))
        self._watch_head()
        self._refuse_if_due()

    def stream_ended(self) -> None:
        """The outside finished writing."""
        self._stop_head_timer()
        if self._was_refused:
            self.stream.close()
        else:
            super().stream_ended()

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Write responses as they are, and see what they decide."""
        if self._was_refused:
            return
        super().data_received(opcode, payload)
        if opcode is DataOpcode.STDOUT and not self.channel.is_closed:
            had_room = self.forwarder.room > 0
            self._send(self.forwarder.response_bytes(bytes(payload)))
            self._refuse_if_due()
            if not had_room:
                self.stream.resume_reading()

    def over(self) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        super().over()

    # The rest

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
        self._was_refused = True
        self._stop_head_timer()
        self._on_refused(self._tunnel, self.address, f"http {refusal.status}")
        self._close_channel(CloseReason.EXTERNAL_ERROR)
        self.stream.write(refusal.response())
        self.stream.write_eof()
        self.stream.resume_reading()
        self.watch(REFUSAL_LINGER)

    def _stalled(self) -> None:
        if self._was_refused:
            self.stream.close()
        else:
            super()._stalled()
