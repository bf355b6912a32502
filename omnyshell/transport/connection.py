"""A node's or client's connection to a hub: dialed, logged in, with its channels."""

import asyncio
import logging
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from omnyshell.errors import (
    AuthException,
    ConfigException,
    ErrorCodes,
    ImproperValueException,
    OmnyShellException,
    OmnyShellTimeoutException,
    ProtocolException,
    Remedy,
    SessionRejectedException,
    TransportException,
)
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.frames import HEADER_SIZE, unpack_header
from omnyshell.protocol.handshake import (
    CLOSE_HEARTBEAT_TIMEOUT,
    CLOSE_HUB_STOPPING,
    CLOSE_MESSAGE_TOO_BIG,
    CLOSE_TRY_AGAIN_LATER,
    CLOSE_UNAUTHORIZED,
    HandshakeState,
    PeerHandshake,
    refusal,
)
from omnyshell.protocol.limits import MAX_MESSAGE_TO_HUB
from omnyshell.protocol.messages import ChannelMessage, ControlMessage, Ping, Pong, ProtocolError
from omnyshell.transport.channels import ChannelMultiplexer
from omnyshell.transport.client_link import ClientLink
from omnyshell.transport.keepalive import Keepalive, KeepaliveTimes
from omnyshell.transport.tls_client import connect_tls
from omnyshell.transport.websocket_protocol import ABNORMAL_CLOSURE

DEFAULT_PORT = 8443

logger = logging.getLogger("omnyshell.node")

OPENING_MESSAGES = frozenset({"hello", "auth.ok", "auth.fail", "error", "join.accepted", "join.refused"})
"""Messages that a peer expects before it is logged in."""

_CLOSE_TEXTS = {
    CLOSE_TRY_AGAIN_LATER: "the hub asks to try again later",
    CLOSE_UNAUTHORIZED: "the hub refused the credential",
    CLOSE_HEARTBEAT_TIMEOUT: "the hub heard no heartbeat in time",
    CLOSE_HUB_STOPPING: "the hub is stopping",
    CLOSE_MESSAGE_TOO_BIG: "a message was larger than the other side takes",
    ABNORMAL_CLOSURE: "the connection to the hub was lost",
}


_NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
_OLD_TLS = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL")
_NO_CIPHER = ("SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_SHARED_CIPHER")
"""Names of OpenSSL's errors, grouped by their meaning for a peer that dials a hub."""


_SCHEME = re.compile("^https://", re.IGNORECASE)
"""What browsers call the same: the pages of a hub are read there, and their address is copied."""


class HubAddress(NamedTuple):
    """The address of a hub."""

    host: str
    port: int
    path: str = "/"

    @classmethod
    def parse(cls, url: str) -> "HubAddress":
        """Read `wss://host:port/path`; scheme, port and path may be left out, and `https` stands for the scheme.

        Raises `ConfigException`.
        """
        try:
            parts = urlsplit(_SCHEME.sub("wss://", url) if "://" in url else f"wss://{url}")
            host, port = parts.hostname, parts.port
        except ValueError as exc:
            raise ConfigException(f"hub address '{url}' is wrong: {exc}") from exc
        if parts.scheme != "wss":
            raise ConfigException(f"hub address '{url}' must begin with wss://: there is no unencrypted mode")
        if not host or parts.username or parts.query or parts.fragment or not _is_plain(parts.path):
            raise ConfigException(f"hub address '{url}' is wrong; write it as wss://host:port")
        return cls(host, port if port is not None else DEFAULT_PORT, parts.path or "/")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wss://{host}:{self.port}{self.path if self.path != '/' else ''}"


def _tls_failure(address: HubAddress, reason: str) -> str:
    if reason in _NO_TLS:
        return f"what answers at {address} does not speak TLS: it is no hub; check host and port"
    if reason in _OLD_TLS:
        return f"what answers at {address} speaks no TLS 1.2 or newer: update it, or the proxy in front of it"
    if reason in _NO_CIPHER:
        return f"what answers at {address} has no TLS cipher in common with this program: is it a hub?"
    return f"TLS with {address} failed ({reason}); is it a hub?"


def in_words(error: OSError) -> str:
    """Why a connection failed: in the system's words, as asyncio's own say which call failed, but not how."""
    if isinstance(error, ssl.SSLError | socket.gaierror):
        # Their numbers are none of the system's.
        return error.strerror or str(error)
    return os.strerror(error.errno) if error.errno else str(error)


def _given_up(error: OmnyShellException) -> OmnyShellException:
    """Return the error for a hub that did not wait for the credential, which may be made in time another time."""
    return TransportException(f"the hub waited no longer for the signature ({error}): give it sooner")


def _is_here(host: str) -> bool:
    """Tell whether the host is this machine's loopback."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _is_plain(path: str) -> bool:
    """Tell whether the path can stand in an HTTP request."""
    return path.isascii() and path.isprintable() and " " not in path


class OmnyShellConnection:
    """A connection to a hub, from the peer's side.

    Messages outside channels go to `on_message`. When the connection ends, channels are told, and then `on_lost` is
    called once. Frames that cannot be decoded, or belong to no channel, are dropped and counted in `dropped`; for an
    improper value `on_improper` is called, so that the message's waiter can be failed. Pass a `codec` to support more
    messages.
    """

    def __init__(
        self,
        address: HubAddress,
        handshake: PeerHandshake,
        *,
        incoming: str,
        on_message: Callable[[ControlMessage, int | None], None],
        on_lost: Callable[[OmnyShellException], None],
        codec: FrameCodec | None = None,
        on_improper: Callable[[ImproperValueException], None] = lambda _error: None,
    ) -> None:
        self.handshake = handshake
        self.dropped = 0
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_improper = on_improper
        self.codec = codec or FrameCodec()
        """Decodes what is received; more messages can be taught to it."""

        self._loop = asyncio.get_running_loop()
        self._login: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._fatal: OmnyShellException | None = None
        self._keepalive: Keepalive | None = None
        self._making: asyncio.Task[None] | None = None
        """Makes the credential, where that takes a while."""

        self._limit = asyncio.timeout(None)
        self._seconds = 0.0
        self.address = address
        self.link = ClientLink(self, address.host, address.port, address.path)
        self.channels = ChannelMultiplexer(self.link, incoming)

    # Life

    async def open(self, tls: ssl.SSLContext, *, timeout: float, keepalive: KeepaliveTimes) -> None:  # noqa: ASYNC109
        """Dial and log in, within `timeout` seconds; those in which the credential is made do not count.

        Raises `TransportException` if the hub cannot be reached, `UntrustedHubException` if its certificate is not
        trusted, `AuthException` for a refused credential, `ProtocolException` for an incompatible hub, and
        `OmnyShellTimeoutException` after `timeout`.
        """
        try:
            self._limit, self._seconds = asyncio.timeout(timeout), timeout
            async with self._limit:
                await self._dial(tls)
                await asyncio.shield(self._login)
        except TimeoutError as exc:
            self.link.abort()
            raise OmnyShellTimeoutException(f"the hub at {self.address} did not answer within {timeout:g} s") from exc
        except BaseException:
            self.link.abort()
            raise
        finally:
            await self._stop_making()
        self._keepalive = Keepalive(keepalive)
        self._keepalive.watch(self.link)

    async def close(self) -> None:
        """Send what waits, and close; end at once if this is cancelled. Idempotent."""
        self.link.close(flush=True)
        try:
            await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            self.link.abort()
            raise

    @property
    def is_open(self) -> bool:
        """Whether the connection is logged in and alive."""
        return self.handshake.state is HandshakeState.DONE and self.link.is_open

    @property
    def principal(self) -> str:
        """The logged-in principal; "" before the login."""
        return self.handshake.welcome.principal if self.handshake.welcome is not None else ""

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the hub announced."""
        return self.handshake.hub_features

    def require(self, extension: str) -> None:
        """Raise `SessionRejectedException` where the hub did not announce it."""
        if extension not in self.features:
            text = f"the hub is too old for this: it does not know '{extension}'"
            raise SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST)

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message ahead of all data. Raises `TransportException` when the connection is gone."""
        if not self.link.is_open:
            raise self._fatal or TransportException(_CLOSE_TEXTS[ABNORMAL_CLOSURE])
        self.link.send_urgent(encode_control(message, channel))

    def reply(self, message: ControlMessage) -> None:
        """Answer a request; does nothing if the connection is gone, or would be ended for the size of the answer."""
        text = encode_control(message)
        if len(text) > MAX_MESSAGE_TO_HUB:
            logger.error("%s is not answered: %d bytes are more than a hub takes", message.TYPE, len(text))
        elif self.link.is_open:
            self.link.send_urgent(text)

    # What the link calls

    def link_opened(self) -> None:
        """Do nothing: the hub speaks first."""

    def text_received(self, data: bytes) -> None:
        """Handle a control message."""
        try:
            frame = self.codec.decode_control(data)
        except ImproperValueException as exc:
            self.dropped += 1
            self._refuse(exc)
            return
        except ProtocolException:
            self.dropped += 1
            return
        if self.handshake.state is HandshakeState.DONE:
            self._dispatch(frame.message, frame.channel)
        else:
            self._shake_hands(frame.message)

    def binary_received(self, data: bytes | memoryview) -> None:
        """Handle a chunk of a channel's stream."""
        try:
            opcode, channel = unpack_header(data)
            known = self.channels.receive_data(channel, opcode, memoryview(data)[HEADER_SIZE:])
        except ProtocolException:
            known = False
        if not known:
            self.dropped += 1

    def channel_flooded(self, _channel: int) -> None:
        """End the connection, as the hub does not read."""
        self.link.abort()

    def link_closed(self, code: int, reason: str) -> None:
        """Fail everything that waits, as the connection is gone."""
        if self._keepalive is not None:
            self._keepalive.close()
        error = self._fatal or self._closed_error(code, reason)
        self._fatal = error
        was_open = self.handshake.state is HandshakeState.DONE
        if not self._login.done():
            self._login.set_exception(error)
            # Retrieve the exception, as the waiter may have been cancelled meanwhile.
            self._login.exception()
        self.channels.lose(error)
        if was_open:
            self._on_lost(error)
        if not self._ended.done():
            self._ended.set_result(None)

    # The rest

    async def _dial(self, tls: ssl.SSLContext) -> None:
        address = self.address
        try:
            await connect_tls(self.link, address.host, address.port, tls)
        except ssl.SSLError as exc:
            raise TransportException(_tls_failure(address, exc.reason or "")) from exc
        except socket.gaierror as exc:
            raise TransportException(f"cannot find host '{address.host}': {exc.strerror}; check the hub's URL") from exc
        except UnicodeError as exc:
            text = f"cannot find host '{address.host}': it is no host name; check the hub's URL"
            raise TransportException(text) from exc
        except ConnectionRefusedError as exc:
            text = f"nothing listens at {address} (connection refused); is the hub running?"
            error = TransportException(text)
            raise (error.advising(Remedy.START_HUB_HERE) if _is_here(address.host) else error) from exc
        except OSError as exc:
            raise TransportException(f"cannot reach the hub at {address}: {in_words(exc)}") from exc

    def _shake_hands(self, message: ControlMessage) -> None:
        was_making = self.handshake.state is HandshakeState.MAKING
        try:
            replies = self.handshake.receive(message)
        except OmnyShellException as exc:
            self._fail_login(_given_up(exc) if was_making else exc)
            return
        for reply in replies:
            self.link.send_urgent(encode_control(reply))
        if self.handshake.making is not None:
            making, self.handshake.making = self.handshake.making, None
            self._making = self._loop.create_task(self._make(making))
        if self.handshake.state is HandshakeState.DONE and not self._login.done():
            self._login.set_result(None)

    async def _make(self, credential: Awaitable[ControlMessage]) -> None:
        """Offer the credential when it is made; who makes it has a deadline of its own."""
        self._limit.reschedule(None)
        try:
            request = await credential
        except OmnyShellException as exc:
            self._fail_login(exc)
        except Exception as exc:
            # An embedder's own error, which whoever opens the connection gets.
            if not self._login.done():
                self._login.set_exception(exc)
        else:
            self._limit.reschedule(self._loop.time() + self._seconds)
            if self.link.is_open:
                self.link.send_urgent(encode_control(self.handshake.offer(request)))

    async def _stop_making(self) -> None:
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)

    def _refuse(self, error: ImproperValueException) -> None:
        """Report a message with an improper value to its waiter."""
        error.sender = "the hub"
        if self.handshake.state is HandshakeState.DONE:
            self._on_improper(error)
        elif error.message_type in OPENING_MESSAGES:
            self._fail_login(error)

    def _fail_login(self, error: OmnyShellException) -> None:
        self._fatal = error
        if not self._login.done():
            self._login.set_exception(error)
            self._login.exception()
        self.link.close()

    def _dispatch(self, message: ControlMessage, channel: int | None) -> None:
        if isinstance(message, ProtocolError) and message.fatal:
            may_come_back = message.retry_after is not None
            self._fatal = (
                TransportException(message.message) if may_come_back else refusal(message.code, message.message)
            )
        if (
            isinstance(message, ChannelMessage)
            and channel is not None
            and self.channels.receive_message(channel, message)
        ):
            return
        if isinstance(message, Ping):
            self.reply(Pong(id=message.id, ts=message.ts, server_ts=datetime.now(UTC)))
            return
        self._on_message(message, channel)

    def _closed_error(self, code: int, reason: str) -> OmnyShellException:
        text = _CLOSE_TEXTS.get(code, f"the hub closed the connection ({code})")
        if code == ABNORMAL_CLOSURE and self.link.refusal:
            text = f"what answers at {self.address} does not speak as a hub does ({self.link.refusal}); is it one?"
        if reason and code != CLOSE_HUB_STOPPING:
            text = f"{text}: {reason}"
        if code == CLOSE_UNAUTHORIZED:
            return AuthException(text)
        return TransportException(text, close_code=code, close_reason=reason)
