"""TLS over a TCP stream, on the accepting side. Unlike asyncio's own, it can be half-closed and holds no buffers.

RFC 8446 section 6.1: `close_notify` ends one direction, the other goes on.
"""

import asyncio
import ssl
import threading
from contextlib import suppress

from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.transport.tcp_stream import Bytes, StreamOwner, TcpStream


class _PlainBuffer(threading.local):
    def __init__(self) -> None:
        self.view = memoryview(bytearray(MAX_PAYLOAD))


_plain_buffer = _PlainBuffer()


class TlsStream:
    """A `ByteStream` that is encrypted on the wire; the stream opens when the handshake is done, within `timeout` s.

    `tcp` is the protocol for the transport.
    """

    def __init__(self, owner: StreamOwner, context: ssl.SSLContext, timeout: float) -> None:
        self.tcp = TcpStream(self)
        self._owner = owner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._timeout = timeout
        self._is_open = False
        self._raw_ended = False
        self._read_ended = False
        self._timer: asyncio.TimerHandle | None = None

    # What the owner calls

    def write(self, data: Bytes) -> None:
        """Write bytes, in order; `bytes_taken` tells when the socket took them."""
        if self._is_open and len(data):
            self._tls.write(data)
            self.tcp.write_counted(self._outgoing.read(), len(data))

    def write_eof(self) -> None:
        """Say `close_notify`, behind all that was written, and finish writing; reading goes on."""
        self._say_goodbye()
        self.tcp.write_eof()

    def close(self, *, reset: bool = False) -> None:
        """Close behind all that was written; with `reset` without `close_notify`, so that it shows."""
        if not reset:
            self._say_goodbye()
        self.tcp.close(reset=reset)

    def abort(self) -> None:
        """End the stream at once."""
        self.tcp.abort()

    def resume_reading(self) -> None:
        """Read on, beginning with what has arrived already. Idempotent."""
        if self._is_open:
            self._decrypt()
            self.tcp.resume_reading()

    # What the TCP stream calls

    def stream_opened(self) -> None:
        """Wait for the handshake, not for ever."""
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self.tcp.abort)

    def budget(self) -> int:
        """Read what the owner has room for; the handshake at once."""
        return self._owner.budget() if self._is_open else MAX_PAYLOAD

    def bytes_read(self, data: memoryview) -> None:
        """Take ciphertext."""
        self._incoming.write(data)
        if self._is_open:
            self._decrypt()
        else:
            self._shake_hands()

    def stream_ended(self) -> None:
        """Take an end that TLS did not announce: an end all the same, once what came before it is read."""
        self._raw_ended = True
        if self._is_open:
            self._decrypt()
        else:
            self.tcp.abort()

    def bytes_taken(self, size: int) -> None:
        """Pass on what the socket took, in bytes of plaintext."""
        if self._is_open:
            self._owner.bytes_taken(size)

    def stream_lost(self, error: Exception | None) -> None:
        """Pass on that the stream is gone."""
        self._disarm()
        self._owner.stream_lost(error)

    # The rest

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            # The alert that says what was wrong still goes out.
            self._flush()
            self.tcp.close()
        else:
            self._disarm()
            self._flush()
            self._is_open = True
            self._owner.stream_opened()
            self._decrypt()

    def _decrypt(self) -> None:
        """Hand on plaintext while the owner has room for it, in pieces as large as are there."""
        while not self._read_ended and (room := min(self._owner.budget(), MAX_PAYLOAD)) > 0:
            size, is_last = self._read(room)
            if size:
                self._owner.bytes_read(_plain_buffer.view[:size])
            if is_last:
                break
        self._flush()

    def _read(self, room: int) -> tuple[int, bool]:
        """Decrypt up to `room` bytes into the shared buffer; returns how many, and whether there are no more now."""
        view = _plain_buffer.view
        size = 0
        try:
            while size < room:
                count = self._tls.read(room - size, view[size:room])
                if not count:
                    return size, self._end(size)
                size += count  # type: ignore[operator]
        except ssl.SSLWantReadError:
            return size, self._end(size) if self._raw_ended else True
        except ssl.SSLZeroReturnError:
            return size, self._end(size)
        except ssl.SSLError:
            self.tcp.close(reset=True)
            return 0, True
        return size, False

    def _end(self, size: int) -> bool:
        """The plaintext has ended: told once the owner has all of it, so one round later where bytes come first."""
        if size:
            return False
        self._read_ended = True
        self._owner.stream_ended()
        return True

    def _say_goodbye(self) -> None:
        if not self._is_open:
            return
        # It asks to wait for the other side's answer, which may come much later or never.
        with suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        self._flush()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self.tcp.write_counted(data, 0)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
