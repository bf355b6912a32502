"""A client of another hub, as this one's parts see it: a `Peer` without a connection of its own."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from omnyshell.errors import ErrorCodes
from omnyshell.model.live import LivePeer
from omnyshell.model.principals import Principal
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.frames import HEADER_SIZE, readdressed_header
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeSessionOpened,
    NodeSessionRejected,
    SessionOpened,
    SessionRejected,
)
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import Evidence
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.bounded_lists import encode_bounded
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.services.hub.sessions.relay import SessionEnd
from omnyshell.transport.channels import ChannelMultiplexer


class VirtualPeer:
    """A client of another hub. Its failing or closing ends it and its sessions here, never the link."""

    role = Role.CLIENT
    evidence: Evidence | None = None
    is_logged_in = True
    round_trip: float | None = None
    silent_for = 0.0
    queued_bytes = 0
    has_said_goodbye = True

    def __init__(
        self,
        link: AnyLink,
        word: words.PeerCame,
        principal: Principal,
        metrics: HubMetrics,
        left: "Callable[[VirtualPeer], None]",
    ) -> None:
        """`principal` has the roles that both hubs give it; `left` ends what it has here."""
        self.id = f"{link.hub}/{word.peer}"
        self.their_id = word.peer
        """Its connection's id at its own hub."""

        self.hub = link.hub
        self.link = link
        self.principal = principal
        self.most_roles = frozenset(word.roles)
        self.address = word.address
        self.features = frozenset(word.features)
        self.connected_at: datetime = word.connected_at
        self._metrics = metrics
        self._left = left
        self._is_ended = False

    @property
    def channels(self) -> dict[int, ChannelOwner]:
        """The owners of the link's channels."""
        return self.link.channels

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self.link.is_up and not self._is_ended

    @property
    def is_choked(self) -> bool:
        """Whether too much waits on the link."""
        return self.link.is_choked

    @property
    def has_room(self) -> bool:
        """Whether a message sent now goes out at once, or after little else."""
        return self.link.link.has_room

    def describe(self) -> LivePeer:
        """The client as a value."""
        return LivePeer(
            peer_id=self.id,
            role=self.role,
            principal=self.principal.id,
            address=self.address,
            connected_at=self.connected_at,
        )

    def worked(self, _seconds: float) -> None:
        """Do nothing: links have a pace of their own."""

    def ping(self) -> None:
        """Do nothing: its own hub measures its round trip."""

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message ahead of all data: on a channel, or as the answer to a request."""
        if channel is not None:
            self.link.send(encode_control(message, channel), channel)
        elif not self._is_ended:
            self.link.say(words.Answered(self.their_id, msgspec.Raw(encode_bounded(message))))

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        """Send a message after what its channel has queued; what begins a session, before anything else of it."""
        told = self._as_a_node_says(message, channel)
        begins = isinstance(told, NodeSessionOpened | NodeSessionRejected)
        send = self.link.send if begins else self.link.send_in_order
        send(encode_control(told, channel), channel)

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        """Relay a data frame."""
        self.link.relay(channel, readdressed_header(raw, channel), memoryview(raw)[HEADER_SIZE:])

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on the channel."""
        self.link.discard(channel)

    def dropped(self, _size: int) -> None:
        """Count a dropped data frame from there."""
        self._metrics.frames_dropped += 1

    def multiplexer(self, _incoming: str, _ended: Callable[[int], None]) -> ChannelMultiplexer:
        """Raise `RuntimeError`: a client exposes its targets at its own hub alone."""
        raise RuntimeError("no channel of a link ends in the hub itself")

    def fail(self, _code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:  # noqa: ARG002
        """End all that it has here, and tell its hub."""
        self._end(text)

    def close(self, _code: int, reason: str) -> None:
        """End all that it has here, and tell its hub."""
        self._end(reason)

    def evict(self, _code: ErrorCodes, text: str, *, retry_after: int | None = None) -> None:  # noqa: ARG002
        """End all that it has here, and tell its hub."""
        self._end(text)

    def send_away(self, _code: int, reason: str) -> None:
        """End all that it has here, and tell its hub."""
        self._end(reason)

    def leave(self) -> None:
        """End all that it has here, as it has left. Idempotent."""
        if not self._is_ended:
            self._is_ended = True
            self._left(self)

    def _end(self, text: str) -> None:
        if not self._is_ended:
            self.leave()
            self.link.say(words.PeerEnded(self.their_id, text[:1024]))

    def _as_a_node_says(self, message: ControlMessage, channel: int) -> ControlMessage:
        """Return what a node would have said, as the other hub relays it from one."""
        if isinstance(message, SessionRejected):
            return NodeSessionRejected(reason=message.reason, message=message.message, unused=message.unused)
        if not isinstance(message, SessionOpened):
            return message
        owner = self.channels.get(channel)
        told = {name: getattr(message, name) for name in NodeSessionOpened.__struct_fields__ if hasattr(message, name)}
        return NodeSessionOpened(**told, user=owner.route.as_user if isinstance(owner, SessionEnd) else "")
