"""TLS over a TCP stream, on the accepting side. Unlike asyncio's, it can be half-closed, and keeps no buffers.

RFC 8446 section 6.1: `close_notify` ends one direction, the other goes on.
"""

import asyncio
import ssl
from collections.abc import Mapping

from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.transport.buffers import ReadBuffer
from omnyshell.transport.duplex import NO_IDS, Due, Duplex
from omnyshell.transport.tcp_stream import Bytes, StreamOwner, TcpStream
from omnyshell.transport.tls_core import END, MORE, After, TlsCore

_plain_buffer = ReadBuffer(MAX_PAYLOAD)


class TlsStream:
    """A `ByteStream` with TLS; it opens when the handshake is done, which must be within `timeout` seconds.

    `tcp` is the protocol for the transport. `ids` identify the stream in the log.
    """

    def __init__(
        self, owner: StreamOwner, context: ssl.SSLContext, timeout: float, ids: Mapping[str, object] = NO_IDS
    ) -> None:
        self.tcp = TcpStream(self, ids)
        self._owner = owner
        self._core = TlsCore.accepting(context)
        self._timeout = timeout
        self._life = Duplex("tls", ids)
        self._timer: asyncio.TimerHandle | None = None

    # What the owner calls

    def write(self, data: Bytes) -> None:
        """Write bytes, in order; `bytes_taken` tells when the socket took them."""
        if self._life.may_send and len(data):
            self._core.write(data)
            self.tcp.write_counted(self._core.outgoing.read(), len(data))

    def write_eof(self) -> None:
        """Send `close_notify` after all that was written, and finish writing; reading goes on."""
        if self._life.send_end():
            self._end_if_due()

    def close(self, *, reset: bool = False) -> None:
        """Close after all that was written; with `reset` no `close_notify` is sent, so that the other side notices."""
        says_goodbye = self._life.may_send and not reset
        if self._life.close(reset=reset) and says_goodbye:
            self._say_goodbye()
        self.tcp.close(reset=reset)

    def abort(self) -> None:
        """End the stream at once."""
        self._life.close(reset=True)
        self.tcp.abort()

    def resume_reading(self) -> None:
        """Resume reading, beginning with input that has arrived already. Idempotent."""
        if not self._life.is_opening:
            self._decrypt()
            self.tcp.resume_reading()

    # What the TCP stream calls

    def stream_opened(self) -> None:
        """Start the timeout for the handshake."""
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self.tcp.abort)

    def budget(self) -> int:
        """As much as the owner's budget; without limit during the handshake, and after the end, to drop the rest."""
        if self._life.may_receive:
            return self._owner.budget()
        return 0 if self._life.is_ending else MAX_PAYLOAD

    def bytes_read(self, data: memoryview) -> None:
        """Process ciphertext; after the other side's `close_notify` it is ignored."""
        if self._life.may_receive:
            self._core.feed(data)
            self._decrypt()
        elif self._life.is_opening:
            self._core.feed(data)
            self._shake_hands()

    def stream_ended(self) -> None:
        """Handle an end without `close_notify`: it counts as an end too, after all earlier input."""
        if self._life.is_opening:
            self.abort()
        else:
            self._life.receive_end(waits=True)
            self._decrypt()

    def bytes_taken(self, size: int) -> None:
        """Report what the socket has taken, in bytes of plaintext."""
        self._owner.bytes_taken(size)

    def stream_lost(self, error: Exception | None) -> None:
        """Pass on that the stream is gone."""
        self._life.lose()
        self._disarm()
        self._owner.stream_lost(error)

    # The rest

    def _shake_hands(self) -> None:
        try:
            is_done = self._core.shake_hands()
        except ssl.SSLError:
            # The alert with the cause is still sent.
            self._flush()
            self.close()
            return
        self._flush()
        if is_done:
            self._disarm()
            self._life.open()
            self._owner.stream_opened()
            self._end_if_due()
            self._decrypt()

    def _decrypt(self) -> None:
        """Pass plaintext on while the owner has a budget, in pieces as large as possible, and then its end."""
        while self._life.may_receive and (room := min(self._owner.budget(), MAX_PAYLOAD)) > 0:
            plain = _plain_buffer.view[:room]
            size, after = self._core.read(plain)
            if size:
                self._owner.bytes_read(plain[:size])
            if after is not MORE:
                self._plain_ended(after)
                break
        self._flush()

    def _plain_ended(self, after: After) -> None:
        """Handle the state after all present plaintext was passed on, which may be the end."""
        if after is After.NO_TLS:
            self.close(reset=True)
            return
        if after is END:
            self._life.receive_end(waits=True)
        if self._life.delivered():
            self._owner.stream_ended()

    def _end_if_due(self) -> None:
        if not self._life.is_ending and self._life.flushed() is Due.END:
            self._say_goodbye()
            self.tcp.write_eof()

    def _say_goodbye(self) -> None:
        self._core.say_goodbye()
        self._flush()

    def _flush(self) -> None:
        if self._core.outgoing.pending:
            self.tcp.write_counted(self._core.outgoing.read(), 0)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
