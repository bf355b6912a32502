"""Ends the shells that somebody who was revoked has left running on nodes (wire protocol section 5)."""

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


def keeps_sessions(node: RegisteredNode) -> bool:
    """Tell whether a node keeps the sessions of clients that leave."""
    return node.capabilities is not None and DETACH_SERVICE in node.capabilities.features


class LeftoverSessions:
    """Asks nodes for a principal's sessions, in the principal's name, and has each one killed.

    A node that was away is asked when it is back: `known` returns everyone who can log in, or None where that cannot be
    told.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        audit: AuditLog,
        requests: OwnRequests,
        *,
        guests: Guests,
        known: Callable[[], frozenset[str] | None],
        bus: EventBus,
    ) -> None:
        self._nodes = nodes
        self._guests = guests
        self._known = known
        self._audit = audit
        self._requests = requests
        self._bus = bus

    def end(self, principals: Iterable[str]) -> None:
        """End what these principals have left on the nodes that are connected."""
        for principal in principals:
            for node in self._nodes.connected():
                self._ask(node, principal)

    def node_is_back(self, node: RegisteredNode) -> None:
        """End what those have left on a node who are not known any more."""
        known = self._known()
        if known is not None:
            for principal in self._guests.at(node.node_id):
                if principal not in known:
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
