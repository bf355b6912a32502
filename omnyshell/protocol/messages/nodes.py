"""Registration, heartbeats and listing of nodes (wire protocol section 3)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.grammars import COUNT, ID, NODE_ID
from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.model.schema import ANSWERED, FREE, OMIT, STRICT_ITEMS
from omnyshell.protocol.messages.base import ControlMessage


class NodeRegister(ControlMessage, kw_only=True):
    """A node names itself to the hub. `instance` belongs to the extension `node-instance`."""

    TYPE: ClassVar[str] = "node.register"

    node_id: Annotated[str, ANSWERED]
    uid: Annotated[str | None, OMIT, ANSWERED] = None
    display_name: Annotated[str, FREE] = ""
    platform: PlatformInfo
    labels: Annotated[dict[str, str], FREE] = {}
    instance: Annotated[str | None, OMIT, ID] = None


class NodeRegistered(ControlMessage, kw_only=True):
    """The hub took the registration."""

    TYPE: ClassVar[str] = "node.registered"

    node_id: Annotated[str, NODE_ID]
    assigned_at: datetime


class NodeCapabilitiesMessage(NodeCapabilities, ControlMessage):
    """A node says what it supports."""

    TYPE: ClassVar[str] = "node.capabilities"

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
    """A node is alive. `seq` strictly increases within one registration."""

    TYPE: ClassVar[str] = "node.heartbeat"

    node_id: Annotated[str, FREE]
    active_sessions: Annotated[int, COUNT] = 0
    seq: Annotated[int, FREE]
    ts: datetime


class NodeHeartbeatAck(ControlMessage, kw_only=True):
    """The hub heard a heartbeat."""

    TYPE: ClassVar[str] = "node.heartbeat.ack"

    seq: Annotated[int, FREE]
    ts: datetime


class NodeListRequest(ControlMessage, kw_only=True):
    """A client asks for the connected nodes. The filter key `platform` matches platform.os."""

    TYPE: ClassVar[str] = "node.list.request"

    filter: Annotated[dict[str, str], OMIT, FREE] = {}


class NodeListResponse(ControlMessage, kw_only=True):
    """The connected nodes, sorted by id. Answers come in the order of the requests.

    The last two count the nodes that are described without labels and capabilities, and those that are not told of,
    where all that nodes say of themselves would not fit.
    """

    TYPE: ClassVar[str] = "node.list.response"

    nodes: Annotated[tuple[NodeDescriptor, ...], STRICT_ITEMS] = ()
    shortened: Annotated[int, OMIT, COUNT] = 0
    left_out: Annotated[int, OMIT, COUNT] = 0
