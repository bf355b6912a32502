"""The connected nodes, and checks of registrations (docs/protocol.md#nodes)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from omnyshell.errors import AuthorizationException, ErrorCodes, ProtocolException
from omnyshell.ids import is_node_id, is_uid
from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.model.principals import NODE_PREFIX, Principal
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.handshake import CLOSE_TRY_AGAIN_LATER
from omnyshell.protocol.limits import KIB
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeCapabilitiesMessage,
    NodeRegister,
    NodeSessionOpen,
    SessionOpen,
)
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.ground.event_bus import EventBus, NodeEvent
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.truth.answer import Answer

logger = logging.getLogger("omnyshell.hub")

RELEASED = "the node id was released"

MAX_SELF_DESCRIPTION = 16 * KIB
"""Bytes of a node's self-description, registration and capabilities together: listings contain it."""


@dataclass(eq=False, slots=True)
class RegisteredNode:
    """A node's record, tied to the connection that registered it."""

    peer: Peer
    registration: NodeRegister
    hub_labels: dict[str, str] = field(default_factory=dict)
    capabilities: NodeCapabilities | None = None
    capabilities_size: int = 0
    last_channel: int = 0
    registration_size: int = field(init=False)

    def __post_init__(self) -> None:
        self.registration_size = len(encode_control(self.registration))

    @property
    def node_id(self) -> str:
        """The id under which the node is reached."""
        return self.registration.node_id

    @property
    def epoch(self) -> int:
        """The epoch by which this hub has it; 0 where there are no others."""
        return self.registration.epoch or 0

    @property
    def size(self) -> int:
        """The size of the node's self-description in bytes."""
        return self.registration_size + self.capabilities_size

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the node gave itself."""
        return self.registration.labels

    @property
    def platform(self) -> PlatformInfo:
        """Its platform, as it reports it."""
        return self.registration.platform

    @property
    def resource(self) -> NodeResource:
        """The facts by which access to the node is decided."""
        return NodeResource(self.node_id, self.labels, self.hub_labels)

    def allocate_channel(self) -> int:
        """Return the next channel id toward this node; ids are not used twice on a connection."""
        self.last_channel += 1
        return self.last_channel

    def open(self, _client: Peer, _request: SessionOpen, asked: NodeSessionOpen, channel: int) -> None:
        """See `ReachableNode`."""
        self.peer.send(asked, channel)

    def ask(self, _client: Peer, _request: ControlMessage, asked: ControlMessage) -> None:
        """See `ReachableNode`."""
        self.peer.send(asked)

    def describe(self) -> NodeDescriptor:
        """The node as clients see it."""
        return described(self.registration, self.capabilities)


def described(given: NodeRegister, capabilities: NodeCapabilities | None) -> NodeDescriptor:
    """Return a connected node as clients see it."""
    return NodeDescriptor(
        node_id=given.node_id,
        uid=given.uid,
        display_name=given.display_name,
        platform=given.platform,
        labels=given.labels,
        online=True,
        capabilities=capabilities,
    )


class NodeRegistry:
    """The nodes connected to this hub: the `NodeDirectory` of a single hub."""

    def __init__(
        self,
        owners: NodeOwners | None,
        hub_labels: dict[str, dict[str, str]],
        bus: EventBus,
        why_no_more: Callable[[Principal, int], str] = lambda _who, _held: "",
    ) -> None:
        """`owners` may be given later, by `begin`, before any node registers.

        `why_no_more` returns why a principal with so many ids gets no further one; "" if it does.
        """
        self._owners = owners
        self._why_no_more = why_no_more
        self._bus = bus
        self.hub_labels = hub_labels
        """The ceilings of labels that the hub sets, by node id."""

        self._by_id: dict[str, RegisteredNode] = {}
        self._by_peer: dict[Peer, RegisteredNode] = {}

    def begin(self, owners: NodeOwners, hub_labels: dict[str, dict[str, str]]) -> None:
        """Use these owners and ceilings from now on. Call it before any node is connected."""
        self._owners, self.hub_labels = owners, hub_labels

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, node_id: str) -> RegisteredNode | None:
        """Return the connected node of that id."""
        return self._by_id.get(node_id)

    def of_peer(self, peer: Peer) -> RegisteredNode | None:
        """Return the node that this connection registered and still holds; None if there is none."""
        return self._by_peer.get(peer)

    def ask(self, peer: Peer, message: NodeRegister) -> tuple[NodeRegister, Answer[int]]:
        """Request an id; return the registration to pass to `enter`, and the answer that confirms the id.

        Raises `ProtocolException` (`bad_request`) for a malformed id, and `AuthorizationException` if the principal may
        not be a node, joined as another node, or has too many ids. The answer fails as that of `NodeOwners.claim` does.
        """
        message = _checked(message)
        if not peer.principal.may_register_nodes:
            raise AuthorizationException("This principal may not register nodes")
        if not may_be(peer.principal.id, message.node_id):
            raise AuthorizationException(f"'{peer.principal.id}' is the login of one node, which is another")
        owners = self._begun()
        self._check_count(owners, peer.principal, message.node_id)
        return message, owners.claim(message.node_id, peer.principal.id)

    def enter(self, peer: Peer, message: NodeRegister) -> tuple[RegisteredNode, RegisteredNode | None]:
        """Enter a registration whose id was confirmed.

        Return the node, and the one of another connection that held the id before, or None.
        """
        entered = self._enter(peer, message)
        self._bus.publish(NodeEvent(message.node_id))
        return entered

    def announce(self, node_id: str) -> None:
        """Publish a change of a node, so that listeners look it up again."""
        self._bus.publish(NodeEvent(node_id))

    def set_hub_labels(self, labels: dict[str, dict[str, str]]) -> None:
        """Set all ceilings, for connected nodes too."""
        changed = [id_ for id_ in {*self.hub_labels, *labels} if self.hub_labels.get(id_) != labels.get(id_)]
        self.hub_labels = labels
        for node in self._by_id.values():
            node.hub_labels = labels.get(node.node_id, {})
        for node_id in changed:
            self._bus.publish(NodeEvent(node_id))

    def set_ceiling(self, node_id: str, labels: dict[str, str]) -> None:
        """Set the ceiling of one node id; empty labels remove it."""
        if self.hub_labels.get(node_id, {}) == labels:
            return
        self.hub_labels[node_id] = labels
        if not labels:
            del self.hub_labels[node_id]
        if (node := self._by_id.get(node_id)) is not None:
            node.hub_labels = labels
        self._bus.publish(NodeEvent(node_id))

    def connected(self) -> tuple[RegisteredNode, ...]:
        """Return the connected nodes."""
        return tuple(self._by_id.values())

    def online(self) -> frozenset[str]:
        """See `NodeDirectory`."""
        return frozenset(self._by_id)

    def set_capabilities(self, peer: Peer, message: NodeCapabilitiesMessage) -> bool:
        """Store the capabilities of the connection's node; return False if there is none, or they are far too long."""
        node = self._by_peer.get(peer)
        size = len(encode_control(message))
        if node is None or node.registration_size + size > MAX_SELF_DESCRIPTION:
            return False
        node.capabilities, node.capabilities_size = message.capabilities, size
        self._bus.publish(NodeEvent(node.node_id))
        return True

    def remove(self, peer: Peer) -> RegisteredNode | None:
        """Remove the node of this connection, and return it. A newer registration of the id stays."""
        node = self._by_peer.pop(peer, None)
        if node is not None and self._by_id.get(node.node_id) is node:
            del self._by_id[node.node_id]
            self._bus.publish(NodeEvent(node.node_id))
        return node

    def release(self, node_id: str) -> None:
        """Send away the node that has an id which is nobody's any more; it may ask for it like any other.

        Nobody stays connected under an id that its principal does not have.
        """
        node = self.find(node_id)
        if node is not None:
            logger.warning("node %s is sent away: its id was released", node_id)
            node.peer.send_away(CLOSE_TRY_AGAIN_LATER, RELEASED)

    def _begun(self) -> NodeOwners:
        if self._owners is None:
            raise RuntimeError("the registry has not begun")
        return self._owners

    def _check_count(self, owners: NodeOwners, who: Principal, node_id: str) -> None:
        """Check the limit of a principal's ids; ids that it has already are not affected."""
        if node_id in owners.owners():
            return
        why = self._why_no_more(who, owners.count_of(who.id))
        if why:
            raise AuthorizationException(why, code=ErrorCodes.CAPACITY_EXCEEDED)

    def _enter(self, peer: Peer, message: NodeRegister) -> tuple[RegisteredNode, RegisteredNode | None]:
        before = self.remove(peer)
        older = self._by_id.get(message.node_id)
        node = RegisteredNode(peer, message, self.hub_labels.get(message.node_id, {}))
        if before is not None:
            # The connection continues, so channel ids do too.
            node.last_channel = before.last_channel
        self._by_id[message.node_id] = node
        self._by_peer[peer] = node
        if older is not None:
            self._by_peer.pop(older.peer, None)
        return node, older


def may_be(principal: str, node_id: str) -> bool:
    """Whether a principal may register that id; the principal of a node that joined may only register its own."""
    return not principal.startswith(NODE_PREFIX) or principal == NODE_PREFIX + node_id


def _checked(message: NodeRegister) -> NodeRegister:
    node_id = message.node_id.strip()
    uid = message.uid.strip() if message.uid is not None else None
    if len(encode_control(message)) > MAX_SELF_DESCRIPTION:
        text = f"is over {MAX_SELF_DESCRIPTION} bytes"
        raise ProtocolException(text, code=ErrorCodes.BAD_REQUEST, field="registration")
    if not is_node_id(node_id):
        text = "must consist of letters, digits, '_', '.' and '-'"
        raise ProtocolException(text, code=ErrorCodes.BAD_REQUEST, field="nodeId")
    if uid is not None and not is_uid(uid):
        text = "must be nod_ or hub_ and URL-safe base64"
        raise ProtocolException(text, code=ErrorCodes.BAD_REQUEST, field="uid")
    return msgspec.structs.replace(message, node_id=node_id, uid=uid)
