"""Far ends of sessions and tunnels: a connection of this hub, and what stands for another hub's."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from support.clock import FakeClock
from support.fake_peers import no_reception

from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.frames import MAX_DATA_FRAME, DataOpcode, pack_data, unpack_data
from omnyshell.protocol.messages import ChannelMessage, ControlMessage, NodeSessionOpen, SessionOpen
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.histogram import Histogram
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import ReachableNode
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.handlers import ServedRole
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.relay_probe import RelayProbe
from omnyshell.transport.channels import ChannelMultiplexer
from omnyshell.transport.server_link import ServerLink

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TEXT = 1


class Arrived(NamedTuple):
    """What came out at the other side of a connection: a message by its name, or data."""

    channel: int
    what: str | bytes


class _Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_aborted = False

    def writelines(self, list_of_data: Any) -> None:
        for piece in list_of_data:
            self.written += piece

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class Connected:
    """A connection of this hub, from its far end down to what goes over the wire. It takes a loop that runs."""

    def __init__(self, most_queued: int = 0) -> None:
        self.metrics, unused = HubMetrics(), cast("Any", None)
        quota = Quota()
        self.peer = HubPeer(
            clock=FakeClock(),
            new_id=lambda: "id",
            codec=unused,
            metrics=self.metrics,
            probe=RelayProbe(Histogram((1.0,))),
            quota=quota,
            roles={},
            reception=no_reception,
            on_login=unused,
            on_closed=lambda _peer: None,
            on_too_much=unused,
        )
        self._wire = _Wire()
        self.link = self.peer.link = ServerLink(self.peer, MAX_DATA_FRAME, 10)
        self.link.connection_made(self._wire)
        buffer = self.link.get_buffer(-1)
        buffer[: len(UPGRADE)] = UPGRADE
        self.link.buffer_updated(len(UPGRADE))
        self.peer._served = ServedRole({}, lambda _peer: None)
        self._wire.written.clear()
        self._codec = FrameCodec()

    @property
    def end(self) -> FarEnd:
        return self.peer

    def wire_channel(self, channel: int) -> int:
        """The number that a channel of the far end has on the wire."""
        return channel

    def pause(self) -> None:
        self.link.pause_writing()

    def resume(self) -> None:
        self.link.resume_writing()

    def cut(self) -> None:
        self.link.connection_lost(None)

    def receive(self, channel: int, data: bytes) -> None:
        self.peer.binary_received(pack_data(DataOpcode.STDOUT, self.wire_channel(channel), data))

    def arrived(self) -> list[Arrived]:
        """What has come out since it was asked last; data of one channel in a row as one."""
        found: list[Arrived] = []
        raw, self._wire.written = memoryview(bytes(self._wire.written)), bytearray()
        while raw:
            kind, size, at = raw[0] & 0x0F, raw[1], 2
            if size > 125:
                at = 4 if size == 126 else 10
                size = int.from_bytes(raw[2:at], "big")
            self._take(found, kind, bytes(raw[at : at + size]))
            raw = raw[at + size :]
        return found

    def _take(self, found: list[Arrived], kind: int, payload: bytes) -> None:
        if kind == TEXT:
            frame = self._codec.decode_control(payload)
            found.append(Arrived(frame.channel or 0, frame.message.TYPE))
            return
        frame_of_data = unpack_data(payload)
        last = found[-1] if found else None
        if last is not None and last.channel == frame_of_data.channel and isinstance(last.what, bytes):
            found[-1] = Arrived(last.channel, last.what + frame_of_data.payload)
        else:
            found.append(Arrived(frame_of_data.channel, frame_of_data.payload))


OFFSET = 1_000
"""Between the numbers that a channel has here and at the other hub."""


class _Forwarded:
    """Owns a channel at the other hub: all that comes there goes to its owner here."""

    def __init__(self, end: "LinkedEnd", channel: int) -> None:
        self._end, self._channel = end, channel

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        if (owner := self._end.channels.get(self._channel)) is not None:
            owner.data(opcode, raw)
        else:
            self._end.dropped(len(raw))

    def message(self, message: ChannelMessage) -> None:
        if (owner := self._end.channels.get(self._channel)) is not None:
            owner.message(message)

    def flooded(self) -> None:
        if (owner := self._end.channels.get(self._channel)) is not None:
            owner.flooded()


class _Channels(dict[int, ChannelOwner]):
    """The owners here; each channel has its other half at the other hub."""

    def __init__(self, end: "LinkedEnd", there: FarEnd) -> None:
        super().__init__()
        self._end, self._there = end, there

    def __setitem__(self, channel: int, owner: ChannelOwner) -> None:
        super().__setitem__(channel, owner)
        self._there.channels[channel + OFFSET] = _Forwarded(self._end, channel)

    def __delitem__(self, channel: int) -> None:
        super().__delitem__(channel)
        del self._there.channels[channel + OFFSET]


class _Way:
    """Carries channels that end here to their other halves."""

    def __init__(self, there: FarEnd) -> None:
        self._there, self._codec = there, FrameCodec()

    @property
    def is_open(self) -> bool:
        return self._there.is_open

    def send_urgent(self, text: bytes, channel: int = 0) -> None:
        frame = self._codec.decode_control(text)
        self._there.send(frame.message, frame.channel + OFFSET if frame.channel else None)

    def send_text(self, channel: int, text: bytes) -> None:
        self._there.send_in_order(self._codec.decode_control(text).message, channel + OFFSET)

    def send_binary(self, channel: int, head: bytes, data: bytes | memoryview) -> None:
        self._there.relay_data(channel + OFFSET, head + bytes(data))

    def discard(self, channel: int) -> None:
        self._there.discard(channel + OFFSET)


class LinkedEnd:
    """A second implementation of `FarEnd`: it leads to a connection that another hub has."""

    def __init__(self, there: FarEnd) -> None:
        self._there = there
        self.id = f"elsewhere-{there.id}"
        self.hub = ""
        self.channels: dict[int, ChannelOwner] = _Channels(self, there)

    @property
    def features(self) -> frozenset[str]:
        return self._there.features

    @property
    def is_open(self) -> bool:
        return self._there.is_open

    @property
    def is_choked(self) -> bool:
        return self._there.is_choked

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        self._there.send(message, channel + OFFSET if channel else channel)

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        self._there.send_in_order(message, channel + OFFSET)

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        self._there.relay_data(channel + OFFSET, raw)

    def discard(self, channel: int) -> None:
        self._there.discard(channel + OFFSET)

    def dropped(self, size: int) -> None:
        self._there.dropped(size)

    def multiplexer(self, incoming: str, ended: Callable[[int], None]) -> ChannelMultiplexer:
        return ChannelMultiplexer(_Way(self._there), incoming, ended)


class ConnectedElsewhere(Connected):
    """A connection that another hub has."""

    def __init__(self) -> None:
        super().__init__()
        self._end = LinkedEnd(self.peer)

    @property
    def end(self) -> FarEnd:
        return self._end

    def wire_channel(self, channel: int) -> int:
        return channel + OFFSET


class NodeElsewhere:
    """A node that another hub has."""

    def __init__(self, there: ReachableNode) -> None:
        self.there = there
        self.peer = LinkedEnd(there.peer)

    @property
    def node_id(self) -> str:
        return self.there.node_id

    @property
    def resource(self) -> NodeResource:
        return self.there.resource

    @property
    def labels(self) -> dict[str, str]:
        return self.there.labels

    @property
    def platform(self) -> PlatformInfo:
        return self.there.platform

    @property
    def capabilities(self) -> NodeCapabilities | None:
        return self.there.capabilities

    @property
    def size(self) -> int:
        return self.there.size

    def allocate_channel(self) -> int:
        return self.there.allocate_channel()

    def describe(self) -> NodeDescriptor:
        return self.there.describe()

    def open(self, _client: Peer, _request: SessionOpen, asked: NodeSessionOpen, channel: int) -> None:
        self.peer.send(asked, channel)

    def ask(self, _client: Peer, _request: ControlMessage, asked: ControlMessage) -> None:
        self.peer.send(asked)


class DirectoryElsewhere:
    """A second implementation of `NodeDirectory`: of nodes that another hub has."""

    def __init__(self, there: NodeRegistry) -> None:
        self._there = there
        self._known: dict[ReachableNode, NodeElsewhere] = {}

    def find(self, node_id: str) -> ReachableNode | None:
        node = self._there.find(node_id)
        return self._here(node) if node is not None else None

    def online(self) -> frozenset[str]:
        return self._there.online()

    def _here(self, node: ReachableNode) -> ReachableNode:
        if node not in self._known:
            self._known[node] = NodeElsewhere(node)
        return self._known[node]
