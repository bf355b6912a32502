"""The present state of a hub as values, from which answers to admins and messages to subscribers are made.

The callers decide who may see which of it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from omnyshell.clock import Clock
from omnyshell.model.live import LiveNode, LivePeer, LiveSession, LiveTunnel, NodePresence
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.ground.certificate import HubCertificate
from omnyshell.services.hub.ground.event_bus import SessionEvent
from omnyshell.services.hub.nodes.departed import DepartedNodes, last_heard
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.nodes.takeovers import Takeovers
from omnyshell.services.hub.peers.peer import ConnectedPeers, Peer
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker


class Counts(NamedTuple):
    """The numbers of live items."""

    nodes: int
    sessions: int
    tunnels: int
    tunnel_connections: int


class NodeFigures(NamedTuple):
    """What is counted of a connected node."""

    node_id: str
    sessions: int
    """Sessions that go through the hub."""

    round_trip: float | None
    """The last measured one in seconds; None before the first."""


class Inventory:
    """Describes live items, without keeping any. Each returned item belongs to the caller."""

    def __init__(
        self,
        *,
        certificate: HubCertificate,
        started_at: datetime,
        peers: ConnectedPeers,
        nodes: NodeRegistry,
        owners: NodeOwners,
        locks: Locks,
        takeovers: Takeovers,
        departed: DepartedNodes,
        sessions: SessionRouter,
        tunnels: TunnelBroker,
        clock: Clock,
    ) -> None:
        self.started_at = started_at
        """When the hub was started."""

        self._certificate = certificate
        self._peers = peers
        self._nodes = nodes
        self._owners = owners
        self._locks = locks
        self._takeovers = takeovers
        self._departed = departed
        self._sessions = sessions
        self._tunnels = tunnels
        self._clock = clock

    # The hub

    @property
    def hub_uid(self) -> str:
        """The UID derived from the hub's certificate."""
        return self._certificate.current.uid

    @property
    def authority_fingerprint(self) -> str:
        """The fingerprint of the authority of the hub's certificate."""
        return self._certificate.current.authority_fingerprint

    def counts(self) -> Counts:
        """Return the numbers of live items."""
        return Counts(len(self._nodes), len(self._sessions), len(self._tunnels), self._tunnels.connections)

    # Connections

    def peers(self) -> list[LivePeer]:
        """Return the connections that have logged in, oldest first."""
        return [self._peer(peer) for peer in self._peers.authenticated()]

    def _peer(self, peer: Peer) -> LivePeer:
        item, node = peer.describe(), self._nodes.of_peer(peer)
        item.node_id = node.node_id if node is not None else ""
        return item

    # Sessions and tunnels

    def sessions(self) -> list[LiveSession]:
        """Return the sessions that go through the hub, oldest first."""
        return [route.describe() for route in sorted(self._shown(), key=lambda route: route.session.created_at)]

    def session_events(self) -> Iterator[SessionEvent]:
        """Yield each session that goes through the hub as an event of its present state."""
        return (SessionEvent(route.describe(), route.asked_id) for route in self._shown())

    def _shown(self) -> Iterator[SessionRoute]:
        return (route for route in self._sessions if not route.is_connection)

    def tunnels(self) -> list[LiveTunnel]:
        """Return the tunnels that are open."""
        return [tunnel.describe() for tunnel in self._tunnels.tunnels]

    def tunnel(self, tunnel_id: str) -> LiveTunnel | None:
        """Return an open tunnel; None if it is not open."""
        return self._tunnels.describe(tunnel_id)

    # Nodes

    def node_ids(self) -> list[str]:
        """Return all known node ids: connected, owned, labelled or locked."""
        known = (self._owners.owners(), self._nodes.hub_labels, self._nodes.online(), self._locks.of_nodes())
        return sorted({node_id for ids in known for node_id in ids})

    def peer_of_node(self, node_id: str) -> Peer | None:
        """Return the connection of a node; None if it has none."""
        node = self._nodes.find(node_id)
        return node.peer if node is not None else None

    def node_figures(self) -> Iterator[NodeFigures]:
        """Yield the figures of the connected nodes."""
        for node in self._nodes.connected():
            yield NodeFigures(node.node_id, self._sessions.sessions_at(node.peer), node.peer.round_trip)

    def epoch_of(self, node_id: str) -> int:
        """Return the epoch by which this hub, as one of several, has a node; 0 if it has not."""
        node = self._nodes.find(node_id)
        return node.epoch if node is not None else 0

    def described(self, node_id: str) -> LiveNode:
        """Return what a connected node says of itself; for another id, an item marked as gone."""
        node = self._nodes.find(node_id)
        return _described(node) if node is not None else unknown(node_id)

    def owner_of(self, node_id: str) -> str:
        """Return the owner of a node id; "" if there is none."""
        return self._owners.owners().get(node_id, "")

    def judged(self, node_id: str) -> NodeResource | None:
        """Return the facts by which access to a node is decided: of one that is away, as it left.

        None where they are not known, as after a restart of the hub.
        """
        node = self._nodes.find(node_id)
        if node is not None:
            return node.resource
        labels = self._departed.labels_of(node_id) if self.owner_of(node_id) else None
        return NodeResource(node_id, labels, self._nodes.hub_labels.get(node_id, {})) if labels is not None else None

    def node(self, node_id: str) -> LiveNode:
        """Return all that is known of a node; for an unknown id, an item marked as gone."""
        node = self._nodes.find(node_id)
        if node is None:
            return self._absent(node_id)
        item = _described(node)
        item.principal = node.peer.principal.id
        item.hub_labels = node.hub_labels
        item.address = node.peer.address
        item.locked = self._locked(node_id)
        displaced = self._takeovers.last(node_id)
        if displaced is not None:
            item.displaced_at, item.displaced = displaced.at, str(displaced)
        item.connected_at = node.peer.connected_at
        item.last_heard_at = last_heard(node.peer, self._clock)
        return item

    def _absent(self, node_id: str) -> LiveNode:
        owner, labels = self._owners.owners().get(node_id), self._nodes.hub_labels.get(node_id, {})
        locked = self._locked(node_id)
        if owner is None and not labels and not locked:
            return unknown(node_id)
        known = self._departed.find(node_id) if owner is not None else None
        item = known or LiveNode(node_id=node_id, state=NodePresence.OFFLINE)
        return msgspec.structs.replace(item, principal=owner or "", hub_labels=labels, locked=locked)

    def _locked(self, node_id: str) -> str:
        lock = self._locks.of_node(node_id)
        return told(lock) if lock is not None else ""


def _described(node: RegisteredNode) -> LiveNode:
    """Return a connected node with what it says of itself, which everybody may see who may know of the node."""
    given = node.registration
    return LiveNode(
        node_id=node.node_id,
        state=NodePresence.ONLINE,
        uid=given.uid or "",
        display_name=given.display_name,
        platform=given.platform,
        labels=given.labels,
        capabilities=node.capabilities,
    )


def unknown(node_id: str) -> LiveNode:
    """Return the item for a node id that the viewer may not know of."""
    return LiveNode(node_id=node_id, state=NodePresence.OFFLINE, gone=True)
