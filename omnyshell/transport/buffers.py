"""How much of a connection's traffic may wait where nothing can overtake it: in the transport and in the kernel.

Channels take turns in the sender's outbox; what has left it waits in the order it was written. The kernel's own
tuning lets megabytes wait there when the receiver is the slower side, and a keystroke behind them
(docs/architecture.md#nobody-waits-for-a-slow-peer). Over a short way so much is never needed to keep the line busy.
While somebody types, or reads what comes in small pieces, still less may wait: bulk beside it gets slower, and its
time is not what anyone feels.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import NamedTuple, Protocol

from omnyshell.protocol.limits import KIB
from omnyshell.transport.attention import Attention

SMALL_FRAME = KIB
"""Bytes of data up to which a frame counts as typed, or as the echo of it."""

SHORT_WAY = 0.001
"""Round trip, in seconds, up to which the receive buffer is bounded: 2 MiB then still carry 2 GB a second."""

RECEIVE_BUFFER = 1024 * KIB
"""Bytes; Linux allows twice as much. The less there is, the more often sender and receiver wait for each other."""

_RTT_IN_TCP_INFO = 68
"""Where Linux's `struct tcp_info` has the smoothed round trip, in microseconds."""


class SocketOptions(Protocol):
    """What is needed of a socket; event loops show a likeness of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return an option's bytes."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""


class _Bounds(NamedTuple):
    """Bytes that may wait at the sender: in the transport, and unsent in the kernel."""

    transport: int
    unsent: int


BULK = _Bounds(transport=128 * KIB, unsent=128 * KIB)
ATTENTIVE = _Bounds(transport=32 * KIB, unsent=16 * KIB)


class LineBuffers:
    """The buffers of one connection; bounds what the kernel holds where it can be told to."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._socket: SocketOptions | None = transport.get_extra_info("socket")
        if self._socket is not None:
            bound_receive_buffer(self._socket)
        self._attention = Attention(loop, began=lambda: self._apply(ATTENTIVE), ended=self._relax)
        self.small_frame = self._attention.note
        """To be called when a small frame goes either way: what follows it soon is to be quick."""

        self._apply(BULK)

    def close(self) -> None:
        """The connection is gone."""
        self._attention.close()

    def _relax(self) -> None:
        if not self._transport.is_closing():
            self._apply(BULK)

    def _apply(self, bounds: _Bounds) -> None:
        self._transport.set_write_buffer_limits(high=bounds.transport)
        if self._socket is None:
            return
        with suppress(OSError, AttributeError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, bounds.unsent)


def bound_receive_buffer(sock: SocketOptions) -> None:
    """Bound what the kernel holds of a peer that is near; does nothing where the distance cannot be told.

    Once for all: a window that gets smaller than half of what it was makes the sender wait for its timers.
    """
    with suppress(OSError, AttributeError, struct.error):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        (microseconds,) = struct.unpack_from("I", info, _RTT_IN_TCP_INFO)
        if microseconds <= SHORT_WAY * 1e6:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
