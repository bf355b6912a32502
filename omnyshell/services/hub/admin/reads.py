"""Answers admins' requests about live state (extension `admin`)."""

from operator import attrgetter

from omnyshell.model.admin import NodeRecord, PeerInfo, SessionInfo
from omnyshell.model.live import LivePeer, LiveSession, LiveTunnel
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.messages.admin import (
    AllTunnelsRequest,
    AllTunnelsResponse,
    HubInfoRequest,
    HubInfoResponse,
    LiveSessionsRequest,
    LiveSessionsResponse,
    NodeRecordsRequest,
    NodeRecordsResponse,
    PeersRequest,
    PeersResponse,
)
from omnyshell.services.hub.admin.plans import Plans, Reads
from omnyshell.services.hub.inventory.inventory import Inventory
from omnyshell.version import __version__


class LiveReads:
    """Converts the inventory to messages of `admin`."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.reads: Reads = {
            HubInfoRequest: self._hub,
            PeersRequest: self._peers,
            LiveSessionsRequest: self._sessions,
            AllTunnelsRequest: self._tunnels,
            NodeRecordsRequest: self._nodes,
        }
        self.plans: Plans = {}

    def _hub(self, ask: HubInfoRequest) -> HubInfoResponse:
        inventory, counts = self._inventory, self._inventory.counts()
        return HubInfoResponse(
            request_id=ask.request_id,
            hub_uid=inventory.hub_uid,
            version=__version__,
            started_at=inventory.started_at,
            peers=len(inventory.peers()),
            nodes=counts.nodes,
            sessions=counts.sessions,
            tunnels=counts.tunnels,
            ca_fingerprint=inventory.authority_fingerprint,
        )

    def _peers(self, ask: PeersRequest) -> PeersResponse:
        return PeersResponse(request_id=ask.request_id, peers=tuple(map(_peer, self._inventory.peers())))

    def _sessions(self, ask: LiveSessionsRequest) -> LiveSessionsResponse:
        return LiveSessionsResponse(
            request_id=ask.request_id, sessions=tuple(map(_session, self._inventory.sessions()))
        )

    def _tunnels(self, ask: AllTunnelsRequest) -> AllTunnelsResponse:
        tunnels = sorted(map(_tunnel, self._inventory.tunnels()), key=attrgetter("public_port"))
        return AllTunnelsResponse(request_id=ask.request_id, tunnels=tuple(tunnels))

    def _nodes(self, ask: NodeRecordsRequest) -> NodeRecordsResponse:
        nodes = tuple(map(self._node, self._inventory.node_ids()))
        return NodeRecordsResponse(request_id=ask.request_id, nodes=nodes)

    def _node(self, node_id: str) -> NodeRecord:
        item, owner = self._inventory.node(node_id), self._inventory.owner_of(node_id)
        return NodeRecord(
            node_id=node_id, principal=owner, online=item.is_online, hub_labels=item.hub_labels, locked=item.locked
        )


def _peer(item: LivePeer) -> PeerInfo:
    return PeerInfo(
        peer_id=item.peer_id,
        role=item.role,
        principal=item.principal,
        address=item.address,
        node_id=item.node_id or None,
        connected_at=item.connected_at,
    )


def _session(item: LiveSession) -> SessionInfo:
    return SessionInfo(
        session_id=item.session_id,
        node_id=item.node_id,
        principal=item.principal,
        mode=item.mode,
        state=item.state,
        address=item.address,
        created_at=item.created_at,
        bytes_in=item.bytes_in,
        bytes_out=item.bytes_out,
    )


def _tunnel(item: LiveTunnel) -> TunnelInfo:
    return TunnelInfo(
        tunnel_id=item.tunnel_id,
        node_id=item.node_id,
        owner_user_id=item.principal,
        target_host=item.target_host,
        target_port=item.target_port,
        public_host=item.public_host,
        public_port=item.public_port,
        secure=item.secure,
        protocol=item.protocol,
        created_at=item.created_at,
        persist=item.persist,
        waiting=item.waiting,
    )
