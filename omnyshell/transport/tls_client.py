"""A TLS client transport, between the event loop's plain transport and a protocol.

asyncio's own costs several times the encryption of a small message, and a short command cannot afford to load a faster
one. This one does only what a link needs: no renegotiation, no start in mid-stream, and no waiting for the other side's
`close_notify`, as WebSocket has its own closing handshake.
"""

import asyncio
import logging
import ssl
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any, cast

from omnyshell.errors import UntrustedHubException
from omnyshell.protocol.limits import KIB
from omnyshell.steps import entered
from omnyshell.transport.buffers import ReadBuffer
from omnyshell.transport.tls import shown_chain
from omnyshell.transport.tls_core import MORE, NOTHING_YET, TlsCore

_ENDED = "the connection ended in the TLS handshake: the hub may be full, or it is no hub, or of an old TLS version"


logger = logging.getLogger("omnyshell.link")

_cipher_buffer = ReadBuffer(256 * KIB)


class TlsStage(Enum):
    """How far a connection has come."""

    HANDSHAKE = "in the handshake"
    OPEN = "open"
    INPUT_ENDED = "without more input"
    """The other side has ended its input, and nothing is written any more."""


_FOLLOWING: Mapping[TlsStage, Collection[TlsStage]] = {
    TlsStage.HANDSHAKE: {TlsStage.OPEN},
    TlsStage.OPEN: {TlsStage.INPUT_ENDED},
    TlsStage.INPUT_ENDED: (),
}

# Looked at for each read and write.
_HANDSHAKE, _OPEN, _INPUT_ENDED = TlsStage


async def connect_tls(protocol: asyncio.BufferedProtocol, host: str, port: int, context: ssl.SSLContext) -> None:
    """Connect `protocol` to a server, once TLS is up and the server's certificate is verified for `host`.

    Raises `UntrustedHubException` for a certificate that is not accepted, `OSError`, which includes `ssl.SSLError`, and
    `UnicodeError` for an invalid host name.
    """
    loop = asyncio.get_running_loop()
    tls = TlsClientTransport(protocol, context, host, loop)
    try:
        await loop.create_connection(lambda: tls.wire, host, port)
        await tls.shaken_hands
    except ssl.SSLCertVerificationError as exc:
        tls.abort()
        raise untrusted(host, port, exc, tls.shown_chain()) from exc
    except BaseException:
        tls.give_up()
        raise


def untrusted(
    host: str, port: int, error: ssl.SSLCertVerificationError, chain: tuple[bytes, ...] = ()
) -> UntrustedHubException:
    """Return what is said of a certificate that is not accepted; `chain` is what was shown, if known."""
    text = f"the certificate of {host}:{port} is not trusted: {error.verify_message.rstrip('.')}"
    return UntrustedHubException(text, chain=chain)


class TlsClientTransport(asyncio.Transport):
    """The transport of the protocol.

    Encrypts at once; ciphertext that the socket does not take waits in the plain transport.
    """

    def __init__(
        self,
        protocol: asyncio.BufferedProtocol,
        context: ssl.SSLContext,
        host: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__()
        self._core = TlsCore.connecting(context, host)
        self._protocol = protocol
        self.shaken_hands: asyncio.Future[None] = loop.create_future()
        self.wire = _Wire(self)
        self._stage = _HANDSHAKE

    # What the protocol calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes, in order."""
        self.writelines((data,))

    def writelines(self, list_of_data: Any) -> None:
        """Write several pieces with one system call."""
        if self.is_closing():
            return
        for data in list_of_data:
            if data:
                self._core.write(data)
        self._flush()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._stage is _INPUT_ENDED or self.wire.transport is None or self.wire.transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """How many bytes of ciphertext the socket has not taken yet."""
        return self.wire.transport.get_write_buffer_size() if self.wire.transport is not None else 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits at which the protocol is paused and resumed, in bytes of ciphertext."""
        if self.wire.transport is not None:
            self.wire.transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        """Take nothing from the socket until `resume_reading`."""
        if self.wire.transport is not None:
            self.wire.transport.pause_reading()

    def resume_reading(self) -> None:
        """Resume reading."""
        if self.wire.transport is not None:
            self.wire.transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `ssl_object`, or the plain transport's information."""
        if name == "ssl_object":
            return self._core.session
        return self.wire.transport.get_extra_info(name, default) if self.wire.transport is not None else default

    def close(self) -> None:
        """Close after all that was written."""
        if self.wire.transport is None or self.wire.transport.is_closing():
            return
        self._core.say_goodbye()
        self._flush()
        self.wire.transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self.wire.transport is not None:
            self.wire.transport.abort()

    def give_up(self) -> None:
        """End the connection at once, as nobody waits for the handshake any more: how that ends is told to nobody."""
        if not self.shaken_hands.cancel() and not self.shaken_hands.cancelled():
            # It has failed already, perhaps while its waiter was given up.
            self.shaken_hands.exception()
        self.abort()

    def shown_chain(self) -> tuple[bytes, ...]:
        """Return the certificates that the server presented, in DER, trusted or not."""
        return shown_chain(self._core.session)

    # What the wire calls

    def begin(self) -> None:
        """Start the handshake, as the socket is connected."""
        self._shake_hands()

    def receive(self, data: memoryview) -> None:
        """Process ciphertext."""
        self._core.feed(data)
        if not self.shaken_hands.done():
            self._shake_hands()
        if self._stage is not _HANDSHAKE:
            self._decrypt()

    def receive_end(self) -> None:
        """Handle the end of the connection, with or without `close_notify`; the plain transport closes itself."""
        if self._stage is _OPEN:
            self._become(_INPUT_ENDED)
            self._protocol.eof_received()

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._stage is not _HANDSHAKE:
            self._protocol.connection_lost(error)
        elif not self.shaken_hands.done():
            if error is None or isinstance(error, ConnectionResetError):
                error = ConnectionResetError(_ENDED)
            self.shaken_hands.set_exception(error)

    def pause_writing(self) -> None:
        """The socket is full."""
        if self._stage is not _HANDSHAKE:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The socket has room."""
        if self._stage is not _HANDSHAKE:
            self._protocol.resume_writing()

    # The rest

    def _shake_hands(self) -> None:
        try:
            is_done = self._core.shake_hands()
        except ssl.SSLError as exc:
            # The alert with the cause is still sent.
            self._flush()
            self.shaken_hands.set_exception(exc)
            if self.wire.transport is not None:
                self.wire.transport.close()
            return
        self._flush()
        if is_done:
            self.shaken_hands.set_result(None)
            self._become(_OPEN)
            self._protocol.connection_made(self)

    def _decrypt(self) -> None:
        """Pass on all received plaintext, in pieces as large as the protocol's buffer."""
        while self._stage is _OPEN:
            # The protocol has aborted the connection meanwhile.
            if self.is_closing():
                return
            buffer = cast("memoryview", self._protocol.get_buffer(-1))
            size, after = self._core.read(buffer)
            if size:
                self._protocol.buffer_updated(size)
            if after is NOTHING_YET:
                break
            if after is not MORE:
                # Both the other side's close_notify and invalid TLS end the connection.
                self.receive_end()
                self.close()
        if self._core.outgoing.pending:
            self._flush()

    def _become(self, stage: TlsStage) -> None:
        self._stage = entered(stage, self._stage, _FOLLOWING, "TLS connection", logger)

    def _flush(self) -> None:
        data = self._core.outgoing.read()
        if data and self.wire.transport is not None:
            self.wire.transport.write(data)


class _Wire(asyncio.BufferedProtocol):
    """The plain transport's protocol."""

    def __init__(self, tls: TlsClientTransport) -> None:
        self.transport: asyncio.Transport | None = None
        self._tls = tls
        self._buffer = _cipher_buffer.view

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._tls.begin()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._tls.receive(self._buffer[:nbytes])

    def eof_received(self) -> None:
        self._tls.receive_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tls.lost(exc)
        self.transport = None

    def pause_writing(self) -> None:
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        self._tls.resume_writing()
