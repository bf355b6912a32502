"""Registration, heartbeats and listing of nodes (docs/protocol.md#nodes)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import COUNT, EPOCH, ID, NODE_ID
from omnyshell.model.hubs import OtherHub
from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.model.schema import ANSWERED, FREE, OMIT, STRICT_ITEMS
from omnyshell.protocol.messages.base import ControlMessage, Way


class NodeRegister(ControlMessage, kw_only=True):
    """A node names itself to the hub."""

    TYPE: ClassVar[str] = "node.register"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    node_id: Annotated[str, ANSWERED]
    """The id that the node wants to have."""

    uid: Annotated[str | None, OMIT, ANSWERED] = None
    """Its UID, derived from its key and its machine."""

    display_name: Annotated[str, FREE] = ""
    """Its name for people."""

    platform: PlatformInfo
    """The machine it runs on."""

    labels: Annotated[dict[str, str], FREE] = {}
    """Its labels; `allow-roles` says who may use it."""

    instance: Annotated[str | None, OMIT, ID] = None
    """Of `node-instance`: names the process, over all its connections."""

    epoch: Annotated[int | None, OMIT, EPOCH] = None
    """Of `epochs`: the newest that the process has had, else the one before it; 0 for none."""


class NodeRegistered(ControlMessage, kw_only=True):
    """The hub took the registration."""

    TYPE: ClassVar[str] = "node.registered"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    node_id: Annotated[str, NODE_ID]
    """The id that the node now has."""

    assigned_at: datetime
    """Since when, by the hub's clock."""

    epoch: Annotated[int | None, OMIT, EPOCH] = None
    """Of `epochs`: by which this hub has the node, where it is one of several."""

    hubs: Annotated[tuple[OtherHub, ...], OMIT] = ()
    """Of `hubs`: all others, as of now."""


class NodeCapabilitiesMessage(NodeCapabilities, ControlMessage):
    """A node says what it supports."""

    TYPE: ClassVar[str] = "node.capabilities"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    @property
    def capabilities(self) -> NodeCapabilities:
        """The payload as a value of its own."""
        return NodeCapabilities(
            shells=self.shells,
            features=self.features,
            max_sessions=self.max_sessions,
            direct_endpoint=self.direct_endpoint,
        )


class NodeHeartbeat(ControlMessage, kw_only=True):
    """A node is alive."""

    TYPE: ClassVar[str] = "node.heartbeat"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    node_id: Annotated[str, FREE]
    """The node's id."""

    active_sessions: Annotated[int, COUNT] = 0
    """How many sessions it has: for information."""

    seq: Annotated[int, FREE]
    """Higher than the one before; the first of a registration is free."""

    ts: datetime
    """The node's time."""


class NodeHeartbeatAck(ControlMessage, kw_only=True):
    """The hub heard a heartbeat."""

    TYPE: ClassVar[str] = "node.heartbeat.ack"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    seq: Annotated[int, FREE]
    """That of the heartbeat."""

    ts: datetime
    """The hub's time."""


class NodeListRequest(ControlMessage, kw_only=True):
    """A client asks for the connected nodes."""

    TYPE: ClassVar[str] = "node.list.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    filter: Annotated[dict[str, str], OMIT, FREE] = {}
    """Labels that a node must have, with their values; the key `platform` stands for the operating system."""


class NodeListResponse(ControlMessage, kw_only=True):
    """The connected nodes. Answers come in the order of the requests."""

    TYPE: ClassVar[str] = "node.list.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    LISTS: ClassVar[str] = "nodes"

    nodes: Annotated[tuple[NodeDescriptor, ...], STRICT_ITEMS] = ()
    """The nodes, sorted by id."""

    shortened: Annotated[int, OMIT, COUNT] = 0
    """Of `rights`: how many are described without display name, uid, shells, most labels and unknown features."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """Of `rights`: how many are not told of, as there was no room."""
