"""How much the kernel may hold of what a connection receives.

Channels take turns in the sender's outbox; what has left it waits in the order it was written. The kernel's own tuning
lets megabytes wait there when the receiver is the slower side, and a keystroke behind them (decision 1 of the
architecture). Over a short way so much is never needed to keep the line busy.
"""

import socket
import struct
from contextlib import suppress
from typing import Protocol

SHORT_WAY = 0.001
"""Round trip, in seconds, up to which the receive buffer is bounded: 256 KiB then still carry 256 MB a second."""

RECEIVE_BUFFER = 128 * 1024
"""Bytes; Linux allows twice as much, for its own bookkeeping."""

_RTT_IN_TCP_INFO = 68
"""Where Linux's `struct tcp_info` has the smoothed round trip, in microseconds."""


class SocketOptions(Protocol):
    """What is needed of a socket; event loops show a likeness of one."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Return an option's bytes."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""


def bound_receive_buffer(sock: SocketOptions) -> None:
    """Bound what the kernel holds for a peer that is near; does nothing where the distance cannot be told."""
    with suppress(OSError, AttributeError, struct.error):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        (microseconds,) = struct.unpack_from("I", info, _RTT_IN_TCP_INFO)
        if microseconds <= SHORT_WAY * 1e6:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
