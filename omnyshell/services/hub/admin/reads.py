"""Answers admins' requests about live state (extension `admin`)."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Protocol, TypeVar, cast

from omnyshell.model.admin import NodeRecord, PeerInfo, SessionInfo
from omnyshell.model.live import LiveItem, LiveNode, LivePeer, LiveSession, LiveTunnel, Part
from omnyshell.model.sessions import SessionState
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.messages import ControlMessage
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
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.version import __version__

T = TypeVar("T", LiveNode, LivePeer, LiveSession, LiveTunnel)


class Everywhere(Protocol):
    """What is live at all of several hubs."""

    def ask(self) -> Answer[None]:
        """Ask the other hubs; the answer is there when they have told, or a second later. It does not fail."""

    def items(self, part: Part) -> Sequence[LiveItem]:
        """Return what is live at this hub and those that have told, each marked with its hub."""

    def hub_of(self, part: Part, ref: str) -> str:
        """Return the other hub that is known to have the one item of which this is the id, or how it begins; or ""."""


class LiveReads:
    """Converts the inventory to messages of `admin`."""

    def __init__(self, inventory: Inventory, everywhere: Callable[[], Everywhere | None] = lambda: None) -> None:
        """`everywhere` returns what is live at all hubs; None where this one is alone."""
        self._inventory = inventory
        self._everywhere = everywhere
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

    def _peers(self, ask: PeersRequest) -> "_Told":
        def answer(peers: Iterable[LivePeer]) -> PeersResponse:
            oldest_first = sorted(peers, key=attrgetter("connected_at"))
            return PeersResponse(request_id=ask.request_id, peers=tuple(map(_peer, oldest_first)))

        return self._of_all(Part.PEERS, self._inventory.peers, answer)

    def _sessions(self, ask: LiveSessionsRequest) -> "_Told":
        def answer(sessions: Iterable[LiveSession]) -> LiveSessionsResponse:
            carried = (each for each in sessions if each.state is not SessionState.DETACHED)
            oldest_first = sorted(carried, key=attrgetter("created_at"))
            return LiveSessionsResponse(request_id=ask.request_id, sessions=tuple(map(_session, oldest_first)))

        return self._of_all(Part.SESSIONS, self._inventory.sessions, answer)

    def _tunnels(self, ask: AllTunnelsRequest) -> "_Told":
        def answer(tunnels: Iterable[LiveTunnel]) -> AllTunnelsResponse:
            told = sorted(map(_tunnel, tunnels), key=attrgetter("public_port"))
            return AllTunnelsResponse(request_id=ask.request_id, tunnels=tuple(told))

        return self._of_all(Part.TUNNELS, self._inventory.tunnels, answer)

    def _nodes(self, ask: NodeRecordsRequest) -> "_Told":
        def answer(nodes: Iterable[LiveNode]) -> NodeRecordsResponse:
            told = sorted(map(self._node, nodes), key=attrgetter("node_id"))
            return NodeRecordsResponse(request_id=ask.request_id, nodes=tuple(told))

        return self._of_all(Part.NODES, lambda: map(self._inventory.node, self._inventory.node_ids()), answer)

    def _of_all(
        self, part: Part, here: Callable[[], Iterable[T]], answer: Callable[[Iterable[T]], ControlMessage]
    ) -> "_Told":
        """Return an answer of the items of this hub, or of all hubs once they have told."""
        everywhere = self._everywhere()
        if everywhere is None:
            return answer(here())
        told, later = everywhere, Answer[ControlMessage]()
        everywhere.ask().then(lambda _: later.give(answer(cast("Iterable[T]", told.items(part)))), later.fail)
        return later

    def _node(self, item: LiveNode) -> NodeRecord:
        return NodeRecord(
            node_id=item.node_id,
            principal=self._inventory.owner_of(item.node_id),
            online=item.is_online,
            hub_labels=item.hub_labels,
            locked=item.locked,
            hub=item.hub if item.is_online else "",
        )


_Told = ControlMessage | Answer[ControlMessage]


def _peer(item: LivePeer) -> PeerInfo:
    return PeerInfo(
        peer_id=item.peer_id,
        role=item.role,
        principal=item.principal,
        address=item.address,
        node_id=item.node_id or None,
        connected_at=item.connected_at,
        hub=item.hub,
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
        hub=item.hub,
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
        hub=item.hub,
    )
