"""Ends the shells that somebody who was revoked has left running on nodes (wire protocol section 5)."""

from collections.abc import Iterable

from omnyshell.protocol.messages import (
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
)
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.hub_peer import HubPeer
from omnyshell.services.hub.own_requests import OwnRequests
from omnyshell.services.hub.registry import NodeRegistry, RegisteredNode

DETACH_SERVICE = "detach"
"""The feature that a node names when it keeps sessions."""


def keeps_sessions(node: RegisteredNode) -> bool:
    """Tell whether a node keeps the sessions of clients that leave."""
    return node.capabilities is not None and DETACH_SERVICE in node.capabilities.features


class LeftoverSessions:
    """Asks nodes for a principal's sessions, in the principal's name, and has each one killed."""

    def __init__(self, nodes: NodeRegistry, audit: AuditLog, requests: OwnRequests) -> None:
        self._nodes = nodes
        self._audit = audit
        self._requests = requests

    def end(self, principals: Iterable[str]) -> None:
        """End what these principals have left on the nodes that are connected."""
        for principal in principals:
            for node in self._nodes.connected():
                if keeps_sessions(node) and isinstance(node.peer, HubPeer):
                    self._ask(node.peer, principal)

    def _ask(self, peer: HubPeer, principal: str) -> None:
        request_id = self._requests.expect(peer, lambda answer: self._listed(peer, principal, answer))
        peer.send(NodeDetachedSessionsRequest(request_id=request_id, principal=principal))

    def _listed(self, peer: HubPeer, principal: str, answer: NodeDetachedSessionsResponse) -> None:
        node = self._nodes.of_peer(peer)
        for session in answer.sessions:
            request_id = self._requests.expect(peer, lambda _answer: None)
            peer.send(
                NodeDetachedSessionKillRequest(
                    request_id=request_id, principal=principal, session_ref=session.session_id
                )
            )
            self._audit.record(
                "session.kill",
                principal=principal,
                node_id=node.node_id if node is not None else "",
                session_id=session.session_id,
                reason="revoked",
            )
