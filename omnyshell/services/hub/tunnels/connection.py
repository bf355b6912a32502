"""A connection from the outside through a tunnel: its public side, and its channel (docs/protocol.md#tunnels)."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING

from omnyshell.errors import ErrorCodes
from omnyshell.ids import short_id
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import INITIAL_CREDIT
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelMessage,
    NodeTunnelConnect,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
)
from omnyshell.services.hub.tunnels.http.forwarder import HttpForwarder
from omnyshell.services.hub.tunnels.http.stream import HttpStream
from omnyshell.transport.channel_stream import EXTRA_CREDIT, ChannelStream
from omnyshell.transport.duplex import log_change
from omnyshell.transport.tcp_stream import StreamOwner, TcpStream
from omnyshell.transport.tls_stream import TlsStream

if TYPE_CHECKING:
    from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel

CONNECT_TIMEOUT = 15.0
"""Seconds that an exposer may take to answer; a little more than our exposers allow for dialing."""

NO_ANSWER = "No answer in time"

TLS_TIMEOUT = 10.0

NO_HALF_CLOSE_GRACE = 2.0
"""Seconds without a byte after which the connection ends, once the outside has finished and the exposer lacks
`tunnel-eof`.

Such an exposer cannot be told that the outside has finished, and would keep the connection for ever.
"""

OnRefused = Callable[["OpenTunnel", str, str], None]
"""Called for a refused connection with its tunnel, the outside's address, and the reason."""


class ExposerState(Enum):
    """The exposer's state of a connection. It only moves forward."""

    UNAWARE = "unaware"
    ASKED = "asked"
    ANSWERED = "answered"
    """It has connected or refused, or its time is over."""


_NEXT = {
    ExposerState.UNAWARE: {ExposerState.ASKED, ExposerState.ANSWERED},
    ExposerState.ASKED: {ExposerState.ANSWERED},
}


class TunnelConnection(ChannelStream):
    """One connection from the outside. `serve` it once its channel is set.

    With `http`, both directions pass through an `HttpStream`, which reads the requests.
    """

    def __init__(
        self,
        tunnel: "OpenTunnel",
        address: str,
        on_refused: OnRefused,
        *,
        half_close: bool,
        http: HttpForwarder | None = None,
    ) -> None:
        self._ids: dict[str, object] = {"tunnel_id": short_id(tunnel.info.tunnel_id), "address": address}
        super().__init__(
            self._ids,
            sends=DataOpcode.STDIN,
            half_close=half_close,
            closed=CloseReason.EXTERNAL_CLOSED,
            failed=CloseReason.EXTERNAL_ERROR,
            grace=NO_HALF_CLOSE_GRACE,
        )
        self._http = HttpStream(self, http, self._ids) if http is not None else None
        self.address = address
        self._tunnel = tunnel
        self._on_refused = on_refused
        self._exposer = ExposerState.UNAWARE
        self._deadline: asyncio.TimerHandle | None = None
        self._adopting: asyncio.Task[None] | None = None
        self.waiting = 0
        """Bytes that wait for the outside to read."""

    def serve(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Take over the socket; with `tls`, do a handshake first."""
        self._ids["channel"] = self.channel.id
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Only keepalives detect a half-open connection on which nothing is sent.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        tcp = self._lay_streams(tls)
        self._adopting = asyncio.get_running_loop().create_task(self._adopt(sock, tcp))
        # A task that is cancelled before it runs cannot close the socket itself.
        self._adopting.add_done_callback(lambda task: sock.close() if task.cancelled() else None)

    async def wait_ended(self) -> None:
        """Wait until the task that took over the socket has ended."""
        if self._adopting is not None:
            await asyncio.gather(self._adopting, return_exceptions=True)

    def abort(self, reason: CloseReason, message: str | None = None) -> None:
        """End both sides at once, and drop what waits. Idempotent."""
        self._end_unheard_channel()
        if self._adopting is not None:
            self._adopting.cancel()
        super().abort(reason, message)

    # What the stream calls

    def stream_opened(self) -> None:
        """The outside is connected: ask the exposer to connect, with a timeout."""
        if self.channel.is_closed:
            self.stream.abort()
            return
        self._exposer_becomes(ExposerState.ASKED)
        self._deadline = asyncio.get_running_loop().call_later(CONNECT_TIMEOUT, self._late)
        info = self._tunnel.info
        self.channel.send(
            NodeTunnelConnect(
                tunnel_id=info.tunnel_id,
                target_host=info.target_host,
                target_port=info.target_port,
                principal=self._tunnel.owner.id,
            )
        )

    def bytes_read(self, data: memoryview) -> None:
        """Send data of the outside on."""
        self._tunnel.counters.bytes_in += len(data)
        super().bytes_read(data)

    def bytes_taken(self, size: int) -> None:
        """Return credit for what the outside read."""
        self._tunnel.counters.bytes_out += size
        super().bytes_taken(size)
        self._count(self.bytes_received - self.bytes_delivered)

    def stream_lost(self, error: Exception | None) -> None:
        """End the connection: the outside is gone."""
        self._end_unheard_channel()
        super().stream_lost(error)

    # Further calls of an `HttpStream`

    def note_read(self, size: int) -> None:
        """Count bytes from the outside."""
        self._tunnel.counters.bytes_in += size
        self.bytes_sent += size

    def turned_away(self, reason: str) -> None:
        """An HTTP refusal is being sent to the outside: audit it, and end the channel to the target."""
        self._on_refused(self._tunnel, self.address, reason)
        self.leave_stream(CloseReason.EXTERNAL_ERROR)

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Write data of the target; more than the credit allowed ends the connection."""
        super().data_received(opcode, payload)
        if self.channel.is_closed:
            return
        self._count(self.bytes_received - self.bytes_delivered)
        if self.waiting > INITIAL_CREDIT + EXTRA_CREDIT:
            self.abort(CloseReason.ERROR, "More data than the credit allows")
        elif self.waiting and self._tunnel.backlog.is_full:
            self.abort(CloseReason.ERROR, "More waits for the outside than is kept")

    def message_received(self, message: ChannelMessage) -> None:
        """Handle a message of the exposer."""
        if isinstance(message, NodeTunnelConnected):
            if self._exposer is ExposerState.ASKED:
                self._answered()
                self.join()
        elif isinstance(message, NodeTunnelConnectFailed | ChannelClose) and self._exposer is not ExposerState.ANSWERED:
            self._refuse(message.reason)
        elif not isinstance(message, NodeTunnelConnectFailed):
            super().message_received(message)

    def over(self) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self._count(0)
        self._tunnel.connection_over(self)

    # The rest

    def _lay_streams(self, tls: ssl.SSLContext | None) -> TcpStream:
        """Stack the streams from the socket to this connection; return the lowest one."""
        owner: StreamOwner = self._http or self
        below: TcpStream | TlsStream
        if tls is None:
            below = tcp = TcpStream(owner, self._ids)
        else:
            below = TlsStream(owner, tls, TLS_TIMEOUT, self._ids)
            tcp = below.tcp
        if self._http is not None:
            self._http.below = below
        self.stream = self._http or below
        return tcp

    def _end_unheard_channel(self) -> None:
        if self._exposer is ExposerState.UNAWARE:
            self.channel.end()

    def _exposer_becomes(self, to: ExposerState) -> None:
        if to not in _NEXT.get(self._exposer, ()):
            raise RuntimeError(f"the exposer cannot become {to.value} after {self._exposer.value}")
        self._exposer = to
        log_change("connection", self._ids, "exposer", to)

    def _count(self, waiting: int) -> None:
        waiting = 0 if self._life.is_gone else waiting
        self._tunnel.backlog.waiting += waiting - self.waiting
        self.waiting = waiting

    def _refuse(self, reason: str) -> None:
        """Refuse the outside at once, as the target cannot be reached."""
        self._on_refused(self._tunnel, self.address, reason)
        self._answered()
        self.channel.end()
        if self._http is None:
            self.stream.close()
        else:
            self._http.refuse(502, "the target cannot be reached")

    def _late(self) -> None:
        self._on_refused(self._tunnel, self.address, ErrorCodes.TIMEOUT)
        self._answered()
        if self._http is None:
            self.abort(CloseReason.ERROR, NO_ANSWER)
        else:
            self.channel.close(ChannelClose(reason=CloseReason.ERROR, message=NO_ANSWER))
            self._http.refuse(504, "the target did not answer in time")

    def _answered(self) -> None:
        self._exposer_becomes(ExposerState.ANSWERED)
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _adopt(self, sock: socket.socket, tcp: TcpStream) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: tcp, sock)
        except BaseException as exc:
            sock.close()
            self.channel.end()
            self._finish()
            if not isinstance(exc, OSError | asyncio.CancelledError):
                raise
