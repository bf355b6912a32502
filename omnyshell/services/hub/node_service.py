"""The hub toward nodes: registration, heartbeats, and their ends of sessions (wire protocol sections 3 to 6)."""

import logging
from collections.abc import Mapping

from omnyshell.clock import Clock
from omnyshell.errors import AuthorizationException, ConfigException, ErrorCodes, ProtocolException
from omnyshell.printable import printable
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.handshake import CLOSE_HEARTBEAT_TIMEOUT, CLOSE_REPLACED, CLOSE_TRY_AGAIN_LATER, REPLACED
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelPaint,
    ChannelWindow,
    ControlMessage,
    NodeCapabilitiesMessage,
    NodeHeartbeat,
    NodeHeartbeatAck,
    NodeRegister,
    NodeRegistered,
    NodeSessionDetached,
    NodeSessionOpened,
    NodeSessionRejected,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
    ProtocolError,
)
from omnyshell.services.hub.audit import LONGEST_NAME, AuditLog
from omnyshell.services.hub.broker import HubBroker
from omnyshell.services.hub.departed import DepartedNodes
from omnyshell.services.hub.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.hub_peer import HubPeer
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.peers import Peer
from omnyshell.services.hub.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.relay import Relay
from omnyshell.services.hub.requests import RELAYED_ANSWERS, SessionRequests
from omnyshell.services.hub.role_service import Handler
from omnyshell.services.hub.takeovers import Claimant, Displacement, Takeovers
from omnyshell.services.hub.tunnel_broker import TunnelBroker
from omnyshell.services.hub.tunnel_messages import TunnelMessages

logger = logging.getLogger("omnyshell.hub")


class NodeService:
    """Deals with what nodes send."""

    def __init__(
        self,
        *,
        registry: NodeRegistry,
        heartbeats: HeartbeatMonitor,
        broker: HubBroker,
        relay: Relay,
        requests: SessionRequests,
        tunnels: TunnelBroker,
        tunnel_messages: TunnelMessages,
        departed: DepartedNodes,
        takeovers: Takeovers,
        audit: AuditLog,
        metrics: HubMetrics,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._heartbeats = heartbeats
        self._broker = broker
        self._relay = relay
        self._requests = requests
        self._tunnels = tunnels
        self._tunnel_messages = tunnel_messages
        before = tunnel_messages.before
        self._departed = departed
        self._takeovers = takeovers
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self.handlers: Mapping[type[ControlMessage], Handler] = {
            NodeRegister: self._register,
            NodeCapabilitiesMessage: self._capabilities,
            NodeHeartbeat: self._heartbeat,
            NodeSessionOpened: lambda peer, message, channel: broker.opened(peer, channel, message),
            NodeSessionRejected: lambda peer, message, channel: broker.rejected(peer, channel, message),
            ChannelClose: before(lambda peer, message, channel: broker.close_from_node(peer, channel, message)),
            ChannelEof: before(),
            ChannelExit: self._exit,
            ChannelWindow: before(lambda peer, message, channel: relay.message_from_node(peer, channel, message)),
            ChannelPaint: lambda peer, message, channel: relay.message_from_node(peer, channel, message),
            NodeSessionDetached: lambda peer, message, channel: broker.detached(peer, channel, message),
            **dict.fromkeys(RELAYED_ANSWERS, lambda peer, message, _: requests.answer(peer, message)),
            NodeTunnelConnected: before(),
            NodeTunnelConnectFailed: before(),
        }

    def data(self, peer: HubPeer, opcode: DataOpcode, channel: int, raw: bytes | memoryview) -> None:
        """Pass output on to its client, or to the outside of a tunnel."""
        if not self._tunnel_messages.data(peer, opcode, channel, raw):
            self._relay.data_from_node(peer, opcode, channel, raw)

    def left(self, peer: HubPeer) -> None:
        """End what the connection carried; a newer registration of the same id is not touched."""
        self._heartbeats.forget(peer)
        node = self._registry.remove(peer)
        self._end_routes(peer)
        displaced = self._takeovers.ended(peer, answered=peer.has_said_goodbye)
        if displaced is not None:
            self._displaced(peer, displaced)
        if node is not None:
            self._departed.note(node, peer)
            self._record("node.offline", peer, node.node_id)

    def postpone(self, by: float) -> None:
        """Give nodes more time, in seconds: the hub itself was held up."""
        self._heartbeats.postpone(by)

    def drop_silent(self, now: float) -> None:
        """Drop nodes that have not been heard of in time; `now` on the monotonic clock."""
        for peer in self._heartbeats.expired(now):
            if isinstance(peer, HubPeer):
                self._metrics.heartbeat_timeouts += 1
                node = self._registry.remove(peer)
                if node is not None:
                    self._departed.note(node, peer)
                self._record("node.timeout", peer, node.node_id if node is not None else "", outcome="error")
                self._end_routes(peer)
                peer.close(CLOSE_HEARTBEAT_TIMEOUT, "heartbeat timeout")

    def _register(self, peer: HubPeer, message: NodeRegister, _channel: int) -> None:
        if self._must_wait(peer, message):
            peer.close(CLOSE_TRY_AGAIN_LATER, "another process has this node id")
            return
        try:
            node, older = self._registry.register(peer, message)
        except ProtocolException as exc:
            peer.send(ProtocolError(code=ErrorCodes.BAD_REQUEST, message=str(exc)))
            return
        except AuthorizationException as exc:
            self._record("node.rejected", peer, message.node_id[:LONGEST_NAME], outcome="denied", reason=exc.message)
            peer.fail(ErrorCodes(exc.code), exc.message)
            return
        except ConfigException as exc:
            # A full disk, say: without a record of its owner no id is given away.
            logger.error("cannot register node %r: %s", message.node_id[:LONGEST_NAME], exc)
            peer.fail(ErrorCodes.INTERNAL_ERROR, "The hub cannot keep its records")
            return
        self._heartbeats.register(peer, self._clock.monotonic())
        if older is not None and isinstance(older.peer, HubPeer):
            self._replace(older.peer, _claimant(older.peer, older.registration), node)
        self._tunnels.node_registered(peer, node)
        self._record("node.register", peer, node.node_id)
        peer.send(NodeRegistered(node_id=node.node_id, assigned_at=self._clock.now()))

    def _must_wait(self, peer: HubPeer, message: NodeRegister) -> bool:
        """Whether a node id that two processes take from each other stays where it is for now."""
        node = self._registry.find(message.node_id.strip())
        if node is None or node.peer is peer or node.peer.principal.id != peer.principal.id:
            return False
        holder = _claimant(node.peer, node.registration)
        return self._takeovers.must_wait(node.node_id, holder, _claimant(peer, message))

    def _replace(self, older: HubPeer, claimant: Claimant, node: RegisteredNode) -> None:
        """Close the connection that held a node id until now, and end what it carries."""
        self._heartbeats.forget(older)
        self._end_routes(older)
        self._takeovers.replaced(older, node.node_id, claimant, _claimant(node.peer, node.registration))
        older.close(CLOSE_REPLACED, f"{REPLACED}, from {node.peer.address}")

    def _displaced(self, older: HubPeer, lost: Displacement) -> None:
        self._audit.record(
            "node.displaced",
            "error",
            principal=older.principal.id,
            address=lost.newer.address,
            node_id=lost.node_id,
            reason="another process registered this node id",
            detail=str(lost),
        )
        logger.warning("two processes use the node id %s: %s", lost.node_id, lost)
        self._registry.announce(lost.node_id)

    def _end_routes(self, peer: HubPeer) -> None:
        self._broker.node_gone(peer)
        self._requests.node_gone(peer)
        self._tunnels.exposer_gone(peer)

    def _exit(self, peer: HubPeer, message: ChannelExit, channel: int) -> None:
        self._broker.exited(peer, channel)
        self._relay.message_from_node(peer, channel, message)

    def _capabilities(self, peer: HubPeer, message: NodeCapabilitiesMessage, _channel: int) -> None:
        if not self._registry.set_capabilities(peer, message):
            self._metrics.frames_dropped += 1

    def _heartbeat(self, peer: HubPeer, message: NodeHeartbeat, _channel: int) -> None:
        if self._registry.of_peer(peer) is None:
            self._metrics.frames_dropped += 1
            return
        self._heartbeats.beat(peer, message.seq, self._clock.monotonic())
        peer.send(NodeHeartbeatAck(seq=message.seq, ts=self._clock.now()))

    def _record(self, action: str, peer: HubPeer, node_id: str, *, outcome: str = "ok", reason: str = "") -> None:
        self._audit.record(
            action, outcome, principal=peer.principal.id, address=peer.address, node_id=node_id, reason=reason
        )


def _claimant(peer: Peer, registration: NodeRegister) -> Claimant:
    host = printable(registration.platform.hostname[:LONGEST_NAME])
    return Claimant(registration.instance or "", peer.address, host)
