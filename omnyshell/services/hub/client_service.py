"""The hub toward clients: listing, sessions and tunnels (docs/protocol.md#sessions)."""

from omnyshell.protocol.messages import (
    NodeListRequest,
)
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.listing import list_response
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.tunnels.broker import TunnelBroker


class ClientService:
    """Handles clients' messages."""

    def __init__(
        self,
        *,
        nodes: NodeDirectory,
        policy: HubPolicy,
        broker: HubBroker,
        requests: RelayedRequests,
        tunnels: TunnelBroker,
        events: EventsService,
        clipboards: ClipboardNotes,
    ) -> None:
        self._nodes = nodes
        self._policy = policy
        self._broker = broker
        self._requests = requests
        self._tunnels = tunnels
        self._events = events
        self._clipboards = clipboards

    def left(self, peer: Peer) -> None:
        """End the sessions and tunnels of a connection."""
        self._events.left(peer)
        self._clipboards.left(peer)
        self._broker.client_gone(peer)
        self._requests.client_gone(peer)
        self._tunnels.exposer_gone(peer)

    def list_nodes(self, peer: Peer, message: NodeListRequest, _channel: int) -> None:
        """List the nodes that the principal may know of."""
        may_know = self._policy.may_know
        found = self._nodes.list(message.filter, lambda node: may_know(peer.principal, node))
        peer.send(list_response(found, message.filter))
