"""A connection to the hub: does the handshake, then passes each message to its handler."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, ImproperValueException, ProtocolException
from omnyshell.ids import CONTROL_CHANNEL, IdFactory
from omnyshell.model.live import LivePeer
from omnyshell.model.principals import Principal
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.frames import HEADER_SIZE, readdressed_header, unpack_header
from omnyshell.protocol.handshake import CLOSE_PROTOCOL_FAILURE
from omnyshell.protocol.limits import MAX_MESSAGE_TO_HUB, MAX_TEXT_BEFORE_LOGIN
from omnyshell.protocol.messages import (
    AuthOk,
    AuthRequest,
    ControlMessage,
    Hello,
    Ping,
    Pong,
    ProtocolError,
    SessionOpen,
    SessionRejected,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import Evidence
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.bounded_lists import encode_bounded
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.services.hub.peers.handlers import Handlers, ServedRole
from omnyshell.services.hub.peers.pace import SMALL_DATA, Pace, cost_of
from omnyshell.services.hub.peers.reception import Reception
from omnyshell.services.hub.peers.relay_probe import RelayProbe
from omnyshell.steps import step
from omnyshell.transport.channels import ChannelMultiplexer
from omnyshell.transport.server_link import ServerLink
from omnyshell.transport.websocket_protocol import ABNORMAL_CLOSURE

logger = logging.getLogger("omnyshell.hub")

EVICTION_TIMEOUT = 1.0
"""Seconds in which an evicted peer may close its side."""


class HubPeer:
    """A connection to the hub. After the login, the table of messages decides by role which messages it may send."""

    link: ServerLink
    hub = ""
    most_roles: frozenset[str] | None = None

    def __init__(
        self,
        *,
        clock: Clock,
        new_id: IdFactory,
        codec: FrameCodec,
        metrics: HubMetrics,
        probe: RelayProbe,
        quota: Quota,
        roles: Mapping[Role, ServedRole],
        reception: "Callable[[HubPeer], Reception]",
        on_login: "Callable[[HubPeer], None]",
        on_closed: "Callable[[HubPeer], None]",
        on_too_much: "Callable[[HubPeer, str], None]",
    ) -> None:
        """`reception` makes what receives the connection, until somebody has logged in.

        `on_too_much` ends a connection whose principal has too many unfinished messages, and is given the reason.
        """
        self._clock = clock
        self._codec = codec
        self._metrics = metrics
        self._probe = probe
        self._roles = roles
        self._on_login = on_login
        self._on_closed = on_closed
        self._on_too_much = on_too_much
        self.connected_at = clock.now()
        self.id = new_id()
        """The connection's id in logs and for admins."""

        self.has_said_goodbye = False
        """Whether the peer answered or sent a close, so that it was alive at the end."""

        self.evidence: Evidence | None = None
        """The evidence for which the login was accepted."""

        self.channels: dict[int, ChannelOwner] = {}
        """The owners of its channels, by channel id."""

        self._principal: Principal | None = None
        self._served: ServedRole | None = None
        self._handlers: Handlers = {}
        self._pace = Pace(quota)
        self._reception: Reception | None = reception(self)
        self._handshake = self._reception.handshake

    # What the broker, registry and relay use

    @property
    def principal(self) -> Principal:
        """The logged-in principal. Raises `RuntimeError` before the login."""
        if self._principal is None:
            raise RuntimeError("not logged in")
        return self._principal

    @property
    def is_logged_in(self) -> bool:
        """Whether the connection has logged in."""
        return self._principal is not None

    @property
    def role(self) -> str:
        """The role in the peer's `hello`; "" before it."""
        return self._handshake.role

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the peer announced."""
        return self._handshake.peer_features

    @property
    def address(self) -> str:
        """The peer's IP address."""
        return self.link.peer_address

    @property
    def silent_for(self) -> float:
        """Seconds since the peer last sent anything."""
        return max(0.0, asyncio.get_running_loop().time() - self.link.last_heard)

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self.link.is_open

    @property
    def has_room(self) -> bool:
        """Whether a message sent now goes out at once, or after little else."""
        return self.link.has_room

    @property
    def queued_bytes(self) -> int:
        """How many bytes wait to be sent."""
        return self.link.queued_bytes

    @property
    def taken_bytes(self) -> int:
        """A count that increases whenever the peer reads some of what waits."""
        return self.link.taken_bytes

    @property
    def unfinished_message(self) -> int:
        """A number that identifies the incomplete message; 0 if there is none."""
        return self.link.unfinished_message

    @property
    def is_choked(self) -> bool:
        """Whether too much waits to be sent, so that senders should get no more credit."""
        return self.link.is_choked

    @property
    def round_trip(self) -> float | None:
        """The last measured round trip in seconds; None before the first."""
        return self.link.round_trip

    def describe(self) -> LivePeer:
        """The connection as a value. Raises `RuntimeError` before the login."""
        return LivePeer(
            peer_id=self.id,
            role=self.role,
            principal=self.principal.id,
            address=self.address,
            connected_at=self.connected_at,
        )

    def multiplexer(self, incoming: str, ended: Callable[[int], None]) -> ChannelMultiplexer:
        """Return a multiplexer for channels that end in the hub itself; `incoming` is the stream that the peer sends.

        `ended` is called with the id of each channel that has ended.
        """
        return ChannelMultiplexer(self.link, incoming, ended)

    def worked(self, seconds: float) -> None:
        """Count work that was done for the peer later than its message was taken, toward how fast it is read."""
        self._pace.said(0, seconds)

    def ping(self) -> None:
        """Send a ping, to measure `round_trip` again."""
        self.link.ping()

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message ahead of all data."""
        self.link.send_urgent(encode_bounded(message, channel), channel or CONTROL_CHANNEL)

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        """Send a message after what its channel has queued."""
        self.link.send_text(channel, encode_control(message, channel))

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        """Relay a data frame, addressed to this channel."""
        self.link.send_binary(channel, readdressed_header(raw, channel), memoryview(raw)[HEADER_SIZE:])

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on the channel."""
        self.link.discard(channel)

    def drop_queued(self) -> None:
        """Drop all that waits to be sent."""
        self.link.drop_queued()

    def fail(self, code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:
        """Send a fatal `error` and close 4400."""
        if self.link.is_open:
            self.send(ProtocolError(code=code, message=text, fatal=True, retry_after=retry_after))
            self.close(CLOSE_PROTOCOL_FAILURE, code)

    def close(self, code: int, reason: str) -> None:
        """Close with this code."""
        self.link.close(code, reason)

    def evict(self, code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:
        """End its sessions and tunnels at once, and the connection shortly after, even if the peer does not answer.

        `retry_after` are seconds after which the peer may connect again.
        """
        if self._served is not None:
            self._served.left(self)
        self.fail(code, text, retry_after=retry_after)
        self.link.cut_off_within(EVICTION_TIMEOUT)

    def cut_off(self, code: ErrorCodes, text: str) -> None:
        """End the connection shortly, and read nothing more from it."""
        self.fail(code, text)
        self.link.hold_reading(2 * EVICTION_TIMEOUT)
        self.link.cut_off_within(EVICTION_TIMEOUT)

    def give_up(self, code: ErrorCodes, text: str, within: float) -> None:
        """Send a fatal `error`, and end the connection within so many seconds."""
        self.fail(code, text)
        self.link.cut_off_within(within)

    def dropped(self, size: int) -> None:
        """Count a dropped data frame of the peer, of `size` bytes."""
        self._drop()
        self._pace.misplaced(size)

    def send_away(self, code: int, reason: str) -> None:
        """End its sessions and tunnels at once, and the connection shortly after; the peer may reconnect."""
        if self._served is not None:
            self._served.left(self)
        self.close(code, reason)
        self.link.cut_off_within(EVICTION_TIMEOUT)

    # What its reception calls

    def logged_in(self, principal: Principal, evidence: Evidence | None, answer: AuthOk) -> None:
        """Somebody has logged in, and is told so before anything else is done for them."""
        self.evidence = evidence
        self._principal = principal
        self._reception = None
        self._pace.logged_in(principal, self.role)
        self.link.limit_messages(MAX_MESSAGE_TO_HUB)
        self._serve(self.role)
        step(logger, "logged in", peer=self.id, role=self.role, principal=principal.id, address=self.address)
        self.send(answer)
        self._on_login(self)

    # What the link calls

    def link_opened(self) -> None:
        """The upgrade is done: whoever connected is received."""
        self.link.max_text_size = MAX_TEXT_BEFORE_LOGIN
        self.link.on_slow_read = self._slow_frames_received
        self._pace.link = self.link
        if self._reception is not None:
            self._reception.begin()

    def text_received(self, data: bytes) -> None:
        """Handle a control message; one that cannot be decoded is dropped and counted."""
        metrics, monotonic = self._metrics, self._clock.monotonic
        dropped_before, began = metrics.frames_dropped, monotonic()
        message = self._take(data)
        had_place = metrics.frames_dropped == dropped_before
        self._pace.said(cost_of(message, had_place), monotonic() - began)

    def binary_received(self, data: bytes | memoryview) -> None:
        """Handle a data frame; one that is malformed, empty, or comes before the login is dropped and counted."""
        size = len(data)
        try:
            opcode, channel = unpack_header(data)
        except ProtocolException:
            size = HEADER_SIZE
        if size == HEADER_SIZE or self._served is None:
            self._drop()
            self._pace.charge()
            return
        owner = self.channels.get(channel)
        if owner is None:
            self.dropped(size)
        elif self._probe.is_armed:
            self._probe.measure(owner, opcode, data)
        else:
            owner.data(opcode, data)
        if size < SMALL_DATA:
            self._pace.small_data()

    def channel_flooded(self, channel: int) -> None:
        """Too many messages wait on a channel: end the channel's owner, or the connection if there is none."""
        owner = self.channels.get(channel)
        if owner is not None:
            owner.flooded()
        else:
            self.fail(ErrorCodes.CAPACITY_EXCEEDED, "More answers wait than are read")

    def link_closed(self, code: int, _reason: str) -> None:
        """The connection has ended."""
        reception, self._reception = self._reception, None
        if reception is not None:
            reception.end()
        step(logger, "link closed", peer=self.id, role=self.role, address=self.address, code=code)
        self.has_said_goodbye = code != ABNORMAL_CLOSURE
        if self._served is not None:
            self._served.left(self)
        self._pace.ended()
        self._on_closed(self)

    # The rest

    def _take(self, data: bytes) -> ControlMessage | None:
        """Handle a message; return it, or None if it cannot be decoded."""
        try:
            frame = self._codec.decode_control(data)
        except ProtocolException as exc:
            self._drop()
            if isinstance(exc, ImproperValueException):
                self._refuse(exc)
            return None
        if self._reception is None:
            self._dispatch(frame.message, frame.channel or 0)
        else:
            self._reception.receive(frame.message)
        return frame.message

    def _slow_frames_received(self, frames: int) -> None:
        if problem := self._pace.slow_read(frames):
            self._on_too_much(self, problem)

    def _refuse(self, error: ImproperValueException) -> None:
        """Answer a request with an improper value, as its sender would wait for ever."""
        may_ask = SessionOpen in self._handlers
        if may_ask and error.channel and error.message_type == SessionOpen.TYPE:
            text = f"The request cannot be read: its {error.field} {error.message}"
            self.send_in_order(SessionRejected(reason=ErrorCodes.BAD_REQUEST, message=text), error.channel)

    def _dispatch(self, message: ControlMessage, channel: int) -> None:
        handler = self._handlers.get(type(message))
        if handler is not None:
            if message.EXTENSION and message.EXTENSION not in self.features:
                self._drop()
            else:
                handler(self, message, channel)
        elif isinstance(message, Ping):
            self.send(Pong(id=message.id, ts=message.ts, server_ts=self._clock.now()))
        elif isinstance(message, Hello | AuthRequest):
            return
        elif self._served is None:
            self.fail(ErrorCodes.PROTOCOL_ERROR, "This role may only ping")
        else:
            self._drop()

    def _serve(self, role: str) -> None:
        """Select the handlers for the peer's role; an unknown role has none."""
        try:
            served = Role(role)
        except ValueError:
            return
        self._served = self._roles[served]
        self._handlers = self._served.handlers

    def _drop(self) -> None:
        self._metrics.frames_dropped += 1
