"""The hub toward clients: listing, sessions and tunnels (docs/protocol.md#sessions)."""

from collections.abc import Iterable

from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelResize,
    ChannelSignal,
    ChannelWindow,
    ControlMessage,
    NodeListRequest,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
    SessionDetachRequest,
    SessionOpen,
    TunnelCloseRequest,
    TunnelListRequest,
    TunnelOpenRequest,
)
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.nodes.listing import list_response
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.role_service import Handlers, merged, to_owner
from omnyshell.services.hub.peers.unserved import UNSERVED
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.requests import RELAYED_REQUESTS, SessionRequests
from omnyshell.services.hub.tunnels.broker import TunnelBroker

ON_CHANNELS = (
    ChannelClose,
    ChannelWindow,
    ChannelResize,
    ChannelSignal,
    ChannelEof,
    SessionDetachRequest,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
)
"""What clients say about channels that are open, of sessions and of the tunnels that they serve."""


class ClientService:
    """Deals with what clients send."""

    def __init__(
        self,
        *,
        registry: NodeRegistry,
        policy: HubPolicy,
        broker: HubBroker,
        requests: SessionRequests,
        tunnels: TunnelBroker,
        events: EventsService,
        clipboards: ClipboardNotes,
        metrics: HubMetrics,
        extensions: Iterable[Handlers],
    ) -> None:
        """`extensions` are the tables of what holds nothing for a connection."""
        self._registry = registry
        self._policy = policy
        self._broker = broker
        self._requests = requests
        self._tunnels = tunnels
        self._events = events
        self._clipboards = clipboards
        own: Handlers = {
            NodeListRequest: self._list_nodes,
            SessionOpen: lambda peer, message, channel: broker.open(peer, channel, message),
            **dict.fromkeys(ON_CHANNELS, to_owner(metrics)),
            TunnelOpenRequest: lambda peer, message, _channel: tunnels.open(peer, message),
            TunnelCloseRequest: lambda peer, message, _channel: tunnels.close_requested(peer, message),
            TunnelListRequest: lambda peer, message, _channel: tunnels.list_requested(peer, message),
        }
        relayed: Handlers = dict.fromkeys(RELAYED_REQUESTS, lambda peer, message, _: requests.ask(peer, message))
        unserved: Handlers = dict.fromkeys(UNSERVED, self._answer_at_once)
        self.handlers = merged(own, relayed, unserved, events.handlers, clipboards.handlers, *extensions)

    def left(self, peer: Peer) -> None:
        """End what the connection held."""
        self._events.left(peer)
        self._clipboards.left(peer)
        self._broker.client_gone(peer)
        self._requests.client_gone(peer)
        self._tunnels.exposer_gone(peer)

    def _list_nodes(self, peer: Peer, message: NodeListRequest, _channel: int) -> None:
        may_know = self._policy.may_know
        found = self._registry.list(message.filter, lambda node: may_know(peer.principal, node))
        peer.send(list_response(found, message.filter))

    def _answer_at_once(self, peer: Peer, message: ControlMessage, _channel: int) -> None:
        peer.send(UNSERVED[type(message)](message))
