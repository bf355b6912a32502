"""A connection from the outside through a tunnel: its public side, and its channel (docs/protocol.md#tunnels)."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from omnyshell.errors import ErrorCodes
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
from omnyshell.transport.channel_stream import EXTRA_CREDIT, ChannelStream
from omnyshell.transport.tcp_stream import TcpStream
from omnyshell.transport.tls_stream import TlsStream

if TYPE_CHECKING:
    from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel

CONNECT_TIMEOUT = 15.0
"""Seconds that an exposer may take to answer; a little more than ours takes to dial."""

TLS_TIMEOUT = 10.0

NO_HALF_CLOSE_GRACE = 2.0
"""Seconds without a byte that an answer may still take once the outside has finished, where the exposer cannot be told.

It would otherwise wait for ever on a connection that has been left.
"""

OnRefused = Callable[["OpenTunnel", str, str], None]
"""Takes note of a connection that was refused: its tunnel, the outside's address, and the reason."""


class TunnelConnection(ChannelStream):
    """One connection from the outside. `serve` it once its channel is set."""

    def __init__(self, tunnel: "OpenTunnel", address: str, on_refused: OnRefused, *, half_close: bool) -> None:
        super().__init__(
            sends=DataOpcode.STDIN,
            half_close=half_close,
            closed=CloseReason.EXTERNAL_CLOSED,
            failed=CloseReason.EXTERNAL_ERROR,
        )
        self.address = address
        self._tunnel = tunnel
        self._on_refused = on_refused
        self._is_requested = False
        self._deadline: asyncio.TimerHandle | None = None
        self._adopting: asyncio.Task[None] | None = None
        self.waiting = 0
        """Bytes that the outside has yet to take."""

    def serve(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Take over the socket: with `tls`, after a handshake."""
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Only this finds a half-open connection on which nothing is sent.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if tls is None:
            self.stream = tcp = TcpStream(self)
        else:
            self.stream = TlsStream(self, tls, TLS_TIMEOUT)
            tcp = self.stream.tcp
        self._adopting = asyncio.get_running_loop().create_task(self._adopt(sock, tcp))
        # A task that is cancelled before it runs closes nothing itself.
        self._adopting.add_done_callback(lambda task: sock.close() if task.cancelled() else None)

    async def ended(self) -> None:
        """Wait until the task that took over the socket has ended."""
        if self._adopting is not None:
            await asyncio.gather(self._adopting, return_exceptions=True)

    def abort(self, reason: CloseReason, message: str | None = None) -> None:
        """End both sides at once, with what waits. Idempotent."""
        if not self._is_requested:
            # The exposer has not heard of the channel.
            self.channel.end()
        if self._adopting is not None:
            self._adopting.cancel()
        super().abort(reason, message)

    # What the stream calls

    def stream_opened(self) -> None:
        """The outside is there: have the exposer connect, and wait for it, not for ever."""
        if self.channel.is_closed:
            self.stream.abort()
            return
        self._is_requested = True
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
        """Send on what the outside wrote."""
        self._tunnel.counters.bytes_in += len(data)
        super().bytes_read(data)

    def stream_ended(self) -> None:
        """The outside finished writing."""
        if self._half_close or self._channel_ended or self.channel.is_closed:
            super().stream_ended()
        else:
            self._stream_ended = True
            self.watch(NO_HALF_CLOSE_GRACE)

    def bytes_taken(self, size: int) -> None:
        """Return credit for what the outside took."""
        self._tunnel.counters.bytes_out += size
        super().bytes_taken(size)
        self._count(self.bytes_received - self.bytes_delivered)

    def stream_lost(self, error: Exception | None) -> None:
        """The outside is gone."""
        if not self._is_requested:
            self.channel.end()
        super().stream_lost(error)

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Write what the target sent, as far as the credit allowed it."""
        super().data_received(opcode, payload)
        if self.channel.is_closed:
            return
        self._count(self.bytes_received - self.bytes_delivered)
        if self.waiting > INITIAL_CREDIT + EXTRA_CREDIT:
            self.abort(CloseReason.ERROR, "More data than the credit allows")
        elif self.waiting and self._tunnel.backlog.is_full:
            self.abort(CloseReason.ERROR, "More waits for the outside than is kept")

    def message_received(self, message: ChannelMessage) -> None:
        """Take what the exposer says."""
        if isinstance(message, NodeTunnelConnected):
            if not self._is_joined and self._is_requested:
                self._answered()
                self.join()
        elif isinstance(message, NodeTunnelConnectFailed):
            if not self._is_joined:
                self._refuse(message.reason)
        elif isinstance(message, ChannelClose) and not self._is_joined:
            self._refuse(message.reason)
        else:
            super().message_received(message)

    def over(self) -> None:
        """Forget the connection."""
        self._answered()
        self._count(0)
        self._tunnel.connection_over(self)

    # The rest

    def _stalled(self) -> None:
        if self._half_close:
            super()._stalled()
        else:
            self.finish()

    def _count(self, waiting: int) -> None:
        waiting = 0 if self._is_over else waiting
        self._tunnel.backlog.waiting += waiting - self.waiting
        self.waiting = waiting

    def _refuse(self, reason: str) -> None:
        """There is no way to the target: the outside learns it at once."""
        self._on_refused(self._tunnel, self.address, reason)
        self._answered()
        self.channel.end()
        self.stream.close()

    def _late(self) -> None:
        self._on_refused(self._tunnel, self.address, ErrorCodes.TIMEOUT)
        self.abort(CloseReason.ERROR, "No answer in time")

    def _answered(self) -> None:
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
