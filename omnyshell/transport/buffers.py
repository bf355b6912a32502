"""Bounds how many bytes of a connection wait where nothing can overtake them: in the transport and in the kernel.

Channels take turns in the sender's outbox; after that, bytes wait in the order in which they were written. By its own
tuning the kernel lets megabytes wait for a slow receiver, and a keystroke after them
(docs/architecture.md#nobody-waits-for-a-slow-peer). With a short round trip, so much is never needed to use the full
bandwidth. During interactive traffic still less may wait: that slows bulk traffic down, but nobody notices its latency.
"""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from typing import NamedTuple, Protocol

from omnyshell.protocol.limits import KIB
from omnyshell.transport.attention import Attention

SMALL_FRAME = KIB
"""Bytes of data up to which a frame counts as interactive: a keystroke or its echo."""

SHORT_WAY = 0.001
"""Round trip, in seconds, up to which the receive buffer is bounded: 2 MiB then still allow 2 GB a second."""

RECEIVE_BUFFER = 1024 * KIB
"""Bytes; Linux allows twice as much. The less there is, the more often sender and receiver wait for each other."""

_RTT_IN_TCP_INFO = 68
"""Offset of the smoothed round trip, in microseconds, in Linux's `struct tcp_info`."""


class SocketOptions(Protocol):
    """The methods of a socket that are used; event loops offer an object that has them."""

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


class ReadBuffer(threading.local):
    """A buffer of `size` bytes for each thread with an event loop.

    All connections read into it, as each read is processed before the next one. A new buffer of the largest size for
    each read would cost more than decryption.
    """

    def __init__(self, size: int) -> None:
        self.view = memoryview(bytearray(size))


class LineBuffers:
    """The buffers of one connection; bounds the kernel's ones where the system allows it."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._socket: SocketOptions | None = transport.get_extra_info("socket")
        if self._socket is not None:
            bound_receive_buffer(self._socket)
        self._attention = Attention(loop, began=lambda: self._apply(ATTENTIVE), ended=self._relax)
        self.small_frame = self._attention.note
        """Call this for each small frame in either direction: later frames then have low latency for a while."""

        self._apply(BULK)

    def close(self) -> None:
        """Stop, as the connection is gone."""
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
    """Bound the kernel's receive buffer for a near peer; does nothing if the round trip is unknown.

    Call it once only: if a TCP window shrinks to less than half, the sender waits for its timers.
    """
    with suppress(OSError, AttributeError, struct.error):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        (microseconds,) = struct.unpack_from("I", info, _RTT_IN_TCP_INFO)
        if microseconds <= SHORT_WAY * 1e6:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
