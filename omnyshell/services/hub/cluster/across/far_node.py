"""A node of another hub, as this one's parts see it: a `ReachableNode` whose far end is on a link."""

from collections.abc import Callable

import msgspec

from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.frames import HEADER_SIZE, readdressed_header
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeSessionDetach,
    NodeSessionOpen,
    SessionDetachRequest,
    SessionOpen,
)
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.cluster.across.about import About
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.cluster.places.table import Place
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.transport.channels import ChannelMultiplexer

Introduce = Callable[[AnyLink, Peer], None]
"""Tells the other hub of a client, once on each link."""


class FarNodeEnd:
    """The `FarEnd` of a node of another hub: channels of the link to that hub."""

    def __init__(
        self, link: AnyLink | None, hub: str, node_id: str, features: frozenset[str], metrics: HubMetrics
    ) -> None:
        """`link` is None where there is none to that hub: nothing can be sent then."""
        self.id = f"{hub}/{node_id}"
        self.hub = hub
        self.features = features
        self.link = link
        self._metrics = metrics

    @property
    def channels(self) -> dict[int, ChannelOwner]:
        """The owners of the link's channels."""
        return self.link.channels if self.link is not None else {}

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self.link is not None and self.link.is_up

    @property
    def is_choked(self) -> bool:
        """Whether too much waits on the link."""
        return self.link is not None and self.link.is_choked

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message on a channel ahead of all data: to a virtual peer there, in words that a client has."""
        if self.link is None or channel is None:
            return
        if isinstance(message, NodeSessionDetach):
            message = SessionDetachRequest(timeout_seconds=message.timeout_seconds)
        self.link.send(encode_control(message, channel), channel)

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        """Send a message after what its channel has queued."""
        if self.link is not None:
            self.link.send_in_order(encode_control(message, channel), channel)

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        """Relay a data frame."""
        if self.link is not None:
            self.link.relay(channel, readdressed_header(raw, channel), memoryview(raw)[HEADER_SIZE:])

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on the channel."""
        if self.link is not None:
            self.link.discard(channel)

    def dropped(self, _size: int) -> None:
        """Count a dropped data frame from there."""
        self._metrics.frames_dropped += 1

    def multiplexer(self, _incoming: str, _ended: Callable[[int], None]) -> ChannelMultiplexer:
        """Raise `RuntimeError`: public ports are opened at the hub that has the node."""
        raise RuntimeError("no channel of a link ends in the hub itself")


class FarNode:
    """A node of another hub, as that hub described it. Another place of the node is another object."""

    def __init__(
        self, place: Place, about: About, end: FarNodeEnd, hub_labels: dict[str, str], introduce: Introduce
    ) -> None:
        """`hub_labels` are this hub's own ceiling for the node id."""
        self.place = place
        self.about = about
        self.peer = end
        self.hub_labels = hub_labels
        self._introduce = introduce

    @property
    def node_id(self) -> str:
        """The id under which the node is reached."""
        return self.place.entry.node_id

    @property
    def hub(self) -> str:
        """The hub that has it."""
        return self.place.hub

    @property
    def resource(self) -> NodeResource:
        """The facts by which access to it is decided."""
        return NodeResource(self.node_id, self.labels, self.hub_labels)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that it gave itself."""
        return self.about.registration.labels

    @property
    def platform(self) -> PlatformInfo:
        """Its platform, as it reports it."""
        return self.about.registration.platform

    @property
    def capabilities(self) -> NodeCapabilities | None:
        """Its capabilities; None until it reports them."""
        return self.about.capabilities

    @property
    def size(self) -> int:
        """The size of its self-description in bytes."""
        return self.about.size

    def allocate_channel(self) -> int:
        """Return the next channel id of the link. Raises `RuntimeError` without a link."""
        if self.peer.link is None:
            raise RuntimeError("there is no link to the node's hub")
        return self.peer.link.allocate_channel()

    def describe(self) -> NodeDescriptor:
        """The node as clients see it."""
        return self.about.describe()

    def open(self, client: Peer, request: SessionOpen, asked: NodeSessionOpen, channel: int) -> None:
        """Ask the node's hub, which decides again, for a session; the answer comes on the channel."""
        link = self.peer.link
        if link is None:
            return
        self._introduce(link, client)
        raw = msgspec.Raw(encode_control(request, channel))
        word = words.Open(client.id, channel, asked.session_id, self.place.entry.epoch, raw)
        link.send(words.encode(word), channel)

    def ask(self, client: Peer, request: ControlMessage, _asked: ControlMessage) -> None:
        """Ask the node's hub, which decides again, about sessions; `request` has an id of this hub's."""
        link = self.peer.link
        if link is not None:
            self._introduce(link, client)
            link.say(words.Ask(client.id, self.place.entry.epoch, msgspec.Raw(encode_control(request))))
