"""The hub toward clients, besides sessions and tunnels: listing, leaving, and what is not served."""

from collections.abc import Callable

from omnyshell.clock import Clock
from omnyshell.protocol.extensions import WHOLE_VIEW
from omnyshell.protocol.messages import (
    AiConfigRequest,
    AiConfigResponse,
    DriveCredentialRequest,
    DriveCredentialResponse,
    HttpProxyRequest,
    HttpProxyResponse,
    NodeListRequest,
)
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.nodes.directory import NodeDirectory, has_labels
from omnyshell.services.hub.nodes.listing import Steps, steps_of_list
from omnyshell.services.hub.nodes.listings import Listings
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.processes import SessionProcesses
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.tunnels.broker import TunnelBroker

NOT_SERVED = "This hub does not serve this request"


class ClientService:
    """Lists nodes, refuses what no hub of this project serves, and ends what a client had when it leaves.

    Sessions and tunnels are opened by their brokers.
    """

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
        processes: SessionProcesses,
        hub_of: Callable[[str], str] | None,
        clock: Clock,
    ) -> None:
        """`hub_of` returns the id of the hub that has a node; None where this one is alone."""
        self._nodes = nodes
        self._policy = policy
        self._broker = broker
        self._requests = requests
        self._tunnels = tunnels
        self._events = events
        self._clipboards = clipboards
        self._processes = processes
        self._hub_of = hub_of
        self._listings = Listings(clock)

    def left(self, peer: Peer) -> None:
        """End the sessions, tunnels, requests and subscriptions of a connection. Idempotent."""
        self._listings.left(peer)
        self._events.left(peer)
        self._clipboards.left(peer)
        self._processes.left(peer)
        self._broker.client_gone(peer)
        self._requests.client_gone(peer)
        self._tunnels.exposer_gone(peer)

    def list_nodes(self, peer: Peer, message: NodeListRequest, _channel: int) -> None:
        """List the nodes that the principal may know of, by and by where there are many."""
        may_know = self._policy.may_know
        wanted = message.filter

        def begin() -> Steps:
            return steps_of_list(
                self._nodes.online(),
                self._nodes.find,
                lambda node: has_labels(node, wanted) and may_know(peer.principal, node),
                asked=wanted,
                hub_of=self._hub_of if WHOLE_VIEW in peer.features else None,
            )

        self._listings.ask(peer, begin)

    # What is not served (docs/protocol.md#what-is-not-served) is answered at once, as its sender would wait.

    def configure_ai(self, peer: Peer, ask: AiConfigRequest, _channel: int) -> None:
        """Answer that there is no AI."""
        peer.send(AiConfigResponse(request_id=ask.request_id))

    def proxy_http(self, peer: Peer, ask: HttpProxyRequest, _channel: int) -> None:
        """Refuse to fetch anything."""
        peer.send(HttpProxyResponse(request_id=ask.request_id, error=NOT_SERVED))

    def give_drive_credential(self, peer: Peer, ask: DriveCredentialRequest, _channel: int) -> None:
        """Refuse a credential for a drive."""
        peer.send(DriveCredentialResponse(request_id=ask.request_id, message=NOT_SERVED))
