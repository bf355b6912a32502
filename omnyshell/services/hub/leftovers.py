"""Ends the shells that somebody who was revoked has left running on nodes (wire protocol section 5)."""

from collections.abc import Callable, Iterable, Mapping

from omnyshell.ids import IdFactory
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeCapabilitiesMessage,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
)
from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.guests import Guests
from omnyshell.services.hub.hub_peer import HubPeer
from omnyshell.services.hub.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.role_service import Handler

DETACH_SERVICE = "detach"
"""The feature that a node names when it keeps sessions."""

MAX_PENDING = 1_000
"""Answers that are waited for; a node that gives none costs no more than that."""


class LeftoverSessions:
    """Asks nodes for a principal's sessions and has each one killed. Answers that never come are forgotten.

    The hub asks in the principal's name, with request ids of its own, so that nodes need not know of it. A node that
    was away is asked when it is back: `known` returns everyone who can log in, or None where that cannot be told.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        audit: AuditLog,
        new_id: IdFactory,
        *,
        guests: Guests,
        known: Callable[[], frozenset[str] | None],
    ) -> None:
        self._nodes = nodes
        self._guests = guests
        self._known = known
        self._audit = audit
        self._new_id = new_id
        self._pending: dict[str, tuple[HubPeer, str]] = {}

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

    def _ask(self, node: RegisteredNode, principal: str) -> None:
        keeps = node.capabilities is not None and DETACH_SERVICE in node.capabilities.features
        if keeps and isinstance(node.peer, HubPeer):
            request_id = self._expect(node.peer, principal)
            node.peer.send(NodeDetachedSessionsRequest(request_id=request_id, principal=principal))

    def before(self, handlers: Mapping[type[ControlMessage], Handler]) -> dict[type[ControlMessage], Handler]:
        """Return a node service's handlers, with the answers to our own questions taken out."""
        mine: dict[type[ControlMessage], Handler] = {
            NodeDetachedSessionsResponse: self._listed,
            NodeDetachedSessionKillResponse: self._killed,
        }
        taken = {kind: self._first(take, handlers.get(kind)) for kind, take in mine.items()}
        return {**handlers, **taken, NodeCapabilitiesMessage: self._behind(handlers[NodeCapabilitiesMessage])}

    def _behind(self, capabilities: Handler) -> Handler:
        """Only once a node has said what it supports can it be asked."""

        def handle(peer: HubPeer, message: ControlMessage, channel: int) -> None:
            before = self._nodes.of_peer(peer)
            is_new = before is not None and before.capabilities is None
            capabilities(peer, message, channel)
            node = self._nodes.of_peer(peer)
            if is_new and node is not None:
                self.node_is_back(node)

        return handle

    def _first(self, take: Handler, otherwise: Handler | None) -> Handler:
        def handle(peer: HubPeer, message: ControlMessage, channel: int) -> None:
            known = self._pending.get(getattr(message, "request_id", ""))
            if known is not None and known[0] is peer:
                take(peer, message, channel)
            elif otherwise is not None:
                otherwise(peer, message, channel)

        return handle

    def _listed(self, peer: HubPeer, message: NodeDetachedSessionsResponse, _channel: int) -> None:
        _, principal = self._pending.pop(message.request_id)
        node = self._nodes.of_peer(peer)
        if not message.sessions and node is not None:
            self._guests.forget(node.node_id, principal)
        for session in message.sessions:
            request_id = self._expect(peer, principal)
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

    def _killed(self, _peer: HubPeer, message: NodeDetachedSessionKillResponse, _channel: int) -> None:
        del self._pending[message.request_id]

    def _expect(self, peer: HubPeer, principal: str) -> str:
        while len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        request_id = self._new_id()
        self._pending[request_id] = (peer, principal)
        return request_id
