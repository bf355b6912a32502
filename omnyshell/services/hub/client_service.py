"""The hub toward clients: listing, sessions and tunnels (docs/protocol.md#sessions)."""

from collections.abc import Iterable

from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelMessage,
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
from omnyshell.services.hub.live.service import EventsService
from omnyshell.services.hub.nodes.listing import list_response
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.role_service import Handlers, merged
from omnyshell.services.hub.peers.unserved import UNSERVED
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.relay import Relay
from omnyshell.services.hub.sessions.requests import RELAYED_REQUESTS, SessionRequests
from omnyshell.services.hub.tunnels.broker import TunnelBroker
from omnyshell.services.hub.tunnels.messages import TunnelMessages


class ClientService:
    """Deals with what clients send."""

    def __init__(
        self,
        *,
        registry: NodeRegistry,
        policy: HubPolicy,
        broker: HubBroker,
        relay: Relay,
        requests: SessionRequests,
        tunnels: TunnelBroker,
        tunnel_messages: TunnelMessages,
        events: EventsService,
        clipboards: ClipboardNotes,
        extensions: Iterable[Handlers],
    ) -> None:
        """`extensions` are the tables of what holds nothing for a connection."""
        self._registry = registry
        self._policy = policy
        self._broker = broker
        self._relay = relay
        self._requests = requests
        self._tunnels = tunnels
        self._tunnel_messages = tunnel_messages
        self._events = events
        self._clipboards = clipboards
        before = tunnel_messages.before
        own: Handlers = {
            NodeListRequest: self._list_nodes,
            SessionOpen: lambda peer, message, channel: broker.open(peer, channel, message),
            ChannelClose: before(lambda peer, message, channel: broker.close_from_client(peer, channel, message)),
            ChannelWindow: before(self._relay_message),
            ChannelResize: self._relay_message,
            ChannelSignal: self._relay_message,
            SessionDetachRequest: lambda peer, message, channel: broker.detach(peer, channel, message),
            ChannelEof: before(self._relay_message),
            NodeTunnelConnected: before(),
            NodeTunnelConnectFailed: before(),
            TunnelOpenRequest: lambda peer, message, _channel: tunnels.open(peer, message),
            TunnelCloseRequest: lambda peer, message, _channel: tunnels.close_requested(peer, message),
            TunnelListRequest: lambda peer, message, _channel: tunnels.list_requested(peer, message),
        }
        relayed: Handlers = dict.fromkeys(RELAYED_REQUESTS, lambda peer, message, _: requests.ask(peer, message))
        unserved: Handlers = dict.fromkeys(UNSERVED, self._answer_at_once)
        self.handlers = merged(own, relayed, unserved, events.handlers, clipboards.handlers, *extensions)

    def data(self, peer: Peer, opcode: DataOpcode, channel: int, raw: bytes | memoryview) -> None:
        """Pass input on to its node, and what comes from a tunnel's target to the outside."""
        if not self._tunnel_messages.data(peer, opcode, channel, raw):
            self._relay.data_from_client(peer, opcode, channel, raw)

    def left(self, peer: Peer) -> None:
        """End what the connection held."""
        self._events.left(peer)
        self._clipboards.left(peer)
        self._broker.client_gone(peer)
        self._requests.client_gone(peer)
        self._tunnels.exposer_gone(peer)

    def _relay_message(self, peer: Peer, message: ChannelMessage, channel: int) -> None:
        self._relay.message_from_client(peer, channel, message)

    def _list_nodes(self, peer: Peer, message: NodeListRequest, _channel: int) -> None:
        may_know = self._policy.may_know
        found = self._registry.list(message.filter, lambda node: may_know(peer.principal, node))
        peer.send(list_response(found, message.filter))

    def _answer_at_once(self, peer: Peer, message: ControlMessage, _channel: int) -> None:
        peer.send(UNSERVED[type(message)](message))
