"""Ends the shells that somebody has left running on nodes and may not have any more (wire protocol section 5)."""

from collections.abc import Callable, Iterable, Mapping

from omnyshell.protocol.messages import (
    ControlMessage,
    NodeCapabilitiesMessage,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
)
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.event_bus import EventBus, KillEvent
from omnyshell.services.hub.guests import Guests
from omnyshell.services.hub.hub_peer import HubPeer
from omnyshell.services.hub.own_requests import OwnRequests
from omnyshell.services.hub.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.role_service import Handler

DETACH_SERVICE = "detach"
"""The feature that a node names when it keeps sessions."""


Judge = Callable[[RegisteredNode, str], bool]
"""Tells whether a principal may have shells on a node."""


def keeps_sessions(node: RegisteredNode) -> bool:
    """Tell whether a node keeps the sessions of clients that leave."""
    return node.capabilities is not None and DETACH_SERVICE in node.capabilities.features


class LeftoverSessions:
    """Asks nodes for a principal's sessions, in the principal's name, and has each one killed.

    A node that was away is asked when it is back. `judge` returns what tells whether a principal may still have a
    shell on a node; it allows everything where nobody can tell who may log in.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        audit: AuditLog,
        requests: OwnRequests,
        *,
        guests: Guests,
        judge: Callable[[], Judge],
        bus: EventBus,
    ) -> None:
        self._nodes = nodes
        self._guests = guests
        self._judge = judge
        self._audit = audit
        self._requests = requests
        self._bus = bus

    def enforce(self, revoked: Iterable[str]) -> None:
        """End on the connected nodes what these have left, and what others have who may not have shells there now."""
        nodes = {node.node_id: node for node in self._nodes.connected()}
        ending = {(node_id, principal) for principal in revoked for node_id in nodes}
        may_stay = self._judge()
        for node_id, principal in self._guests:
            if node_id in nodes and not may_stay(nodes[node_id], principal):
                ending.add((node_id, principal))
        for node_id, principal in sorted(ending):
            self._ask(nodes[node_id], principal)

    def node_is_back(self, node: RegisteredNode) -> None:
        """End what those have left on a node who may not have shells there any more."""
        may_stay = self._judge()
        for principal in self._guests.at(node.node_id):
            if not may_stay(node, principal):
                self._ask(node, principal)

    def behind(self, handlers: Mapping[type[ControlMessage], Handler]) -> dict[type[ControlMessage], Handler]:
        """Return a node service's handlers: once a node has said what it supports, it is asked."""
        capabilities = handlers[NodeCapabilitiesMessage]

        def handle(peer: HubPeer, message: ControlMessage, channel: int) -> None:
            before = self._nodes.of_peer(peer)
            is_new = before is not None and before.capabilities is None
            capabilities(peer, message, channel)
            node = self._nodes.of_peer(peer)
            if is_new and node is not None:
                self.node_is_back(node)

        return {**handlers, NodeCapabilitiesMessage: handle}

    def _ask(self, node: RegisteredNode, principal: str) -> None:
        peer = node.peer
        if not keeps_sessions(node) or not isinstance(peer, HubPeer):
            return
        request_id = self._requests.expect(peer, lambda answer: self._listed(peer, principal, answer))
        peer.send(NodeDetachedSessionsRequest(request_id=request_id, principal=principal))

    def _listed(self, peer: HubPeer, principal: str, answer: NodeDetachedSessionsResponse) -> None:
        node = self._nodes.of_peer(peer)
        if not answer.sessions and node is not None:
            self._guests.forget(node.node_id, principal)
        node_id = node.node_id if node is not None else ""
        for session in answer.sessions:
            request_id = self._requests.expect(peer, lambda _answer: None)
            peer.send(
                NodeDetachedSessionKillRequest(
                    request_id=request_id, principal=principal, session_ref=session.session_id
                )
            )
            self._bus.publish(KillEvent(node_id, principal, session.session_id))
            self._audit.record(
                "session.kill",
                principal=principal,
                node_id=node_id,
                session_id=session.session_id,
                reason="revoked",
            )
