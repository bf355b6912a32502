"""A TCP stream with back-pressure: it reads as much as its owner's budget, and reports what the socket has taken.

All streams of a thread share one read buffer, so that an idle stream holds no memory.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, cast

from omnyshell.protocol.limits import BULK_PAYLOAD
from omnyshell.transport.buffers import ReadBuffer
from omnyshell.transport.duplex import NO_IDS, Due, Duplex, Way
from omnyshell.transport.stall_timer import StallTimer

Bytes = bytes | memoryview
"""Bytes to write; the contents of a view must not change afterwards."""

DRAIN_TIMEOUT = 60.0
"""Seconds after which a closing stream is aborted if the socket takes no byte."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


_read_buffer = ReadBuffer(BULK_PAYLOAD)


class StreamOwner(Protocol):
    """The receiver of a stream's events."""

    def stream_opened(self) -> None:
        """The stream is open: it can be written to, and reads while there is a budget."""

    def budget(self) -> int:
        """How many bytes may be read now; at 0 reading stops until `resume_reading`."""

    def bytes_read(self, data: memoryview) -> None:
        """Handle bytes, at most as many as the budget. The view is valid only during the call."""

    def stream_ended(self) -> None:
        """The other side finished writing; it may still be written to."""

    def bytes_taken(self, size: int) -> None:
        """The socket has taken `size` of the written bytes."""

    def stream_lost(self, error: Exception | None) -> None:
        """The stream is gone, with an error unless it was closed. Called once."""


class ByteStream(Protocol):
    """The interface of a stream for its owner."""

    def write(self, data: Bytes) -> None:
        """Write bytes, in order; `bytes_taken` tells when the socket took them."""

    def write_eof(self) -> None:
        """Finish writing after all that was written; reading goes on."""

    def close(self, *, reset: bool = False) -> None:
        """Close after all that was written; with `reset` the other side sees that something failed."""

    def abort(self) -> None:
        """End the stream at once."""

    def resume_reading(self) -> None:
        """Resume reading if there is a budget. Idempotent."""


class TcpStream(asyncio.BufferedProtocol):
    """A `ByteStream` on an asyncio transport. `ids` identify it in the log."""

    def __init__(self, owner: StreamOwner, ids: Mapping[str, object] = NO_IDS) -> None:
        self._owner = owner
        self._life = Duplex("tcp", ids)
        self._transport: asyncio.Transport | None = None
        self._buffer = _read_buffer.view
        self._reading_paused = False
        self._unread = b""
        self._waiting: deque[tuple[Bytes, int]] = deque()
        self._stalled = False
        self._in_transport = 0
        self._taken = 0
        self._drain_timer: StallTimer | None = None

    @property
    def is_opening(self) -> bool:
        """Whether the socket is not connected yet."""
        return self._life.is_opening

    # What the owner calls

    def write(self, data: Bytes) -> None:
        """Write bytes, in order; `bytes_taken` tells when the socket took them."""
        self.write_counted(data, len(data))

    def write_counted(self, data: Bytes, size: int) -> None:
        """Write bytes that count as `size` when they are reported, as ciphertext stands for less plaintext."""
        if self._transport is None or not self._life.may_send or self._transport.is_closing():
            return
        if self._stalled:
            self._waiting.append((data, size))
        else:
            self._push(data, size)

    def write_eof(self) -> None:
        """Finish writing after all that was written; reading goes on."""
        if self._life.send_end():
            self._finish()

    def close(self, *, reset: bool = False) -> None:
        """Close after all that was written; with `reset` the other side sees that something failed."""
        if self._transport is None or not self._life.close(reset=reset):
            return
        self._pause_reading()
        self._finish()
        if not self._transport.is_closing():
            self._drain_timer = StallTimer(DRAIN_TIMEOUT, lambda: self._taken, self.abort)

    def abort(self) -> None:
        """End the stream at once."""
        self._life.close(reset=True)
        self._waiting.clear()
        if self._transport is not None:
            self._transport.abort()

    def resume_reading(self) -> None:
        """Resume reading if there is a budget. Idempotent."""
        if self._unread and not self._deliver_unread():
            return
        if self._reading_paused and self._is_reading and self._owner.budget() > 0:
            self._reading_paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start; read only if there is a budget."""
        # uvloop's transports are Transports by behaviour, not by type.
        self._transport = cast("asyncio.Transport", transport)
        # Writing pauses at the first byte that the socket does not take, so the end of the pause means that it took
        # all.
        self._transport.set_write_buffer_limits(high=0)
        self._life.open()
        self._owner.stream_opened()
        self._pause_without_budget()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return a part of the shared buffer, as large as the owner's budget."""
        budget = self._owner.budget()
        return self._buffer[:budget] if 0 < budget < BULK_PAYLOAD else self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass the input on."""
        if self._owner.budget() > 0 and not self._unread:
            self._owner.bytes_read(self._buffer[:nbytes])
        else:
            self._unread += bytes(self._buffer[:nbytes])
        self._pause_without_budget()

    def eof_received(self) -> bool:
        """Report the end of input; the transport stays open for writing."""
        if self._life.receive_end(waits=bool(self._unread)):
            self._owner.stream_ended()
        return True

    def pause_writing(self) -> None:
        """Queue further bytes, as the socket is full."""
        self._stalled = True

    def resume_writing(self) -> None:
        """Report that the socket has taken all bytes, and continue writing."""
        self._stalled = False
        self._report()
        while self._waiting and not self._stalled:
            self._push(*self._waiting.popleft())
        if not self._life.may_send:
            # Not called directly: asyncio's transport would shut down or close a second time when this returns.
            asyncio.get_running_loop().call_soon(self._finish)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once."""
        self._life.lose()
        self._waiting.clear()
        if self._drain_timer is not None:
            self._drain_timer.cancel()
        self._owner.stream_lost(exc)

    # The rest

    @property
    def _is_reading(self) -> bool:
        return self._life.may_receive and self._life.incoming is Way.OPEN

    def _deliver_unread(self) -> bool:
        """Pass on bytes that were read without a budget, as far as there is one now; return whether none are left."""
        while self._unread and (room := self._owner.budget()) > 0 and self._life.may_receive:
            size = min(room, len(self._unread))
            data, self._unread = self._unread[:size], self._unread[size:]
            self._owner.bytes_read(memoryview(data))
        if not self._unread and self._life.delivered():
            self._owner.stream_ended()
        return not self._unread

    def _push(self, data: Bytes, size: int) -> None:
        transport = self._transport
        if transport is None:
            return
        self._in_transport += size
        transport.write(data)
        if not self._stalled:
            self._report()

    def _report(self) -> None:
        taken, self._in_transport = self._in_transport, 0
        if taken:
            self._taken += taken
            self._owner.bytes_taken(taken)

    def _finish(self) -> None:
        """Do what is due after the last written byte."""
        transport = self._transport
        if transport is None or self._stalled or self._waiting or transport.is_closing():
            return
        due = self._life.flushed()
        if due is Due.END:
            transport.write_eof()
        elif due is not Due.NOTHING:
            if due is Due.RESET:
                self._reset_on_close(transport)
            transport.close()

    def _reset_on_close(self, transport: asyncio.Transport) -> None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    def _pause_without_budget(self) -> None:
        if self._owner.budget() <= 0:
            self._pause_reading()

    def _pause_reading(self) -> None:
        # Set even if reading is paused already: uvloop starts to read after `connection_made` regardless.
        self._reading_paused = True
        if self._life.incoming is Way.OPEN and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
