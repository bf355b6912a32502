"""Administration of what is live: connections, sessions, tunnels, nodes, and looking into the audit (`admin`)."""

from collections.abc import Callable, Mapping
from typing import Any

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.ids import short_id
from omnyshell.model.admin import AuditEntry, NodeRecord, PeerInfo, SessionInfo
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.model.principals import NODE_PREFIX
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
)
from omnyshell.protocol.messages.admin import (
    AdminResult,
    AllTunnelsRequest,
    AllTunnelsResponse,
    AuditAcknowledge,
    AuditRequest,
    AuditResponse,
    HubInfoRequest,
    HubInfoResponse,
    LiveSessionsRequest,
    LiveSessionsResponse,
    NodeLabelsSet,
    NodeRecordsRequest,
    NodeRecordsResponse,
    NodeRelease,
    PeerDrop,
    PeersRequest,
    PeersResponse,
    SessionEnd,
    TunnelEnd,
)
from omnyshell.services.hub.access.locks import told
from omnyshell.services.hub.admin.scope import AdminRefusedException, AdminScope, Plan, check_node
from omnyshell.services.hub.audit.query import AuditQuery
from omnyshell.services.hub.ground.event_bus import KillEvent
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.truth.changes import AnyChange, ReleaseNode, RemovePrincipal, SetLabels
from omnyshell.version import __version__

MAX_AUDIT_LIMIT = 1000
ENDED = "An administrator ended this"


class LiveAdmin:
    """Answers questions, and plans each change; nothing has happened when a plan is returned."""

    def __init__(self, scope: AdminScope) -> None:
        self._scope = scope
        self.reads: Mapping[type[ControlMessage], Callable[[Any], ControlMessage]] = {
            HubInfoRequest: self._hub,
            PeersRequest: self._peers,
            LiveSessionsRequest: self._sessions,
            AllTunnelsRequest: self._tunnels,
            NodeRecordsRequest: self._nodes,
            AuditRequest: self._audit,
        }
        self.plans: Mapping[type[ControlMessage], Callable[[Any, Peer], Plan]] = {
            PeerDrop: self._drop_peer,
            SessionEnd: self._end_session,
            TunnelEnd: self._end_tunnel,
            NodeLabelsSet: self._set_labels,
            NodeRelease: self._release,
            AuditAcknowledge: self._acknowledge,
        }

    def _hub(self, ask: HubInfoRequest) -> HubInfoResponse:
        scope = self._scope
        return HubInfoResponse(
            request_id=ask.request_id,
            hub_uid=scope.certificate.current.uid,
            version=__version__,
            started_at=scope.started_at,
            peers=sum(1 for _ in scope.logged_in()),
            nodes=len(scope.nodes),
            sessions=len(scope.sessions),
            tunnels=len(scope.tunnels),
            ca_fingerprint=scope.certificate.current.authority_fingerprint,
        )

    def _peers(self, ask: PeersRequest) -> PeersResponse:
        return PeersResponse(
            request_id=ask.request_id, peers=tuple(self._describe(peer) for peer in self._scope.logged_in())
        )

    def _describe(self, peer: Peer) -> PeerInfo:
        node = self._scope.nodes.of_peer(peer)
        return PeerInfo(
            peer_id=peer.id,
            role=peer.role,
            principal=peer.principal.id,
            address=peer.address,
            node_id=node.node_id if node is not None else None,
            connected_at=peer.connected_at,
        )

    def _sessions(self, ask: LiveSessionsRequest) -> LiveSessionsResponse:
        routes = sorted(self._scope.sessions, key=lambda route: route.session.created_at)
        sessions = tuple(
            SessionInfo(
                session_id=route.session.id,
                node_id=route.session.node_id,
                principal=route.session.principal,
                mode=route.session.mode,
                state=route.session.state,
                address=route.client.address,
                created_at=route.session.created_at,
                bytes_in=route.bytes_in,
                bytes_out=route.bytes_out,
            )
            for route in routes
        )
        return LiveSessionsResponse(request_id=ask.request_id, sessions=sessions)

    def _tunnels(self, ask: AllTunnelsRequest) -> AllTunnelsResponse:
        return AllTunnelsResponse(
            request_id=ask.request_id, tunnels=tuple(tunnel.info for tunnel in self._scope.tunnels.tunnels)
        )

    def _nodes(self, ask: NodeRecordsRequest) -> NodeRecordsResponse:
        owners, labels = self._scope.owners.owners(), self._scope.nodes.hub_labels
        online = self._scope.nodes.online()
        locked = self._scope.locks.of_nodes()
        nodes = tuple(
            NodeRecord(
                node_id=node_id,
                principal=owners.get(node_id, ""),
                online=node_id in online,
                hub_labels=labels.get(node_id, {}),
                locked=told(locked[node_id]) if node_id in locked else "",
            )
            for node_id in sorted({*owners, *labels, *online, *locked})
        )
        return NodeRecordsResponse(request_id=ask.request_id, nodes=nodes)

    def _audit(self, ask: AuditRequest) -> AuditResponse:
        query = AuditQuery(ask.since, ask.action, ask.principal, ask.node_id)
        limit = min(max(ask.limit, 1), MAX_AUDIT_LIMIT)
        wanted = [record for record in self._scope.audit if query.matches(record)][-limit:]
        return AuditResponse(request_id=ask.request_id, records=tuple(map(_entry, wanted)))

    def _acknowledge(self, ask: AuditAcknowledge, _admin: Peer) -> Plan:
        audit = self._scope.audit
        if audit.check is not None and not audit.check.is_done:
            raise AdminRefusedException("the audit trail is still being gone through: try again in a moment")
        if not audit.gaps:
            raise AdminRefusedException("nothing is wrong with the audit trail", code="not_found")
        detail = f"{len(audit.gaps)} gaps: {'; '.join(audit.gaps)}"
        return _plan("audit.acknowledge", {"detail": detail}, ask.request_id, audit.gaps.clear)

    def _drop_peer(self, ask: PeerDrop, _admin: Peer) -> Plan:
        peer = next((peer for peer in self._scope.logged_in() if peer.id == ask.peer_id), None)
        if peer is None:
            raise AdminRefusedException(f"there is no connection '{ask.peer_id[:64]}'", code="not_found")
        detail = f"{peer.id} {peer.role} {peer.principal.id} {peer.address}"
        return _plan("peer.drop", {"detail": detail}, ask.request_id, lambda: self._scope.eviction.drop(peer, ENDED))

    def _end_session(self, ask: SessionEnd, admin: Peer) -> Plan:
        try:
            route = self._route(ask.session_ref)
        except AdminRefusedException:
            if ask.node_id is None or ask.principal is None:
                raise
            return self._end_detached(ask, ask.node_id, ask.principal, admin)
        fields = {"session_id": route.session.id, "node_id": route.session.node_id, "detail": route.session.principal}

        def end() -> None:
            if self._scope.sessions.is_carried(route):
                self._scope.broker.end(route, CloseReason.NODE_CLOSED, ENDED)

        return _plan("admin.session.close", fields, ask.request_id, end)

    def _end_detached(self, ask: SessionEnd, node_id: str, owner: str, admin: Peer) -> Plan:
        """A session that does not go through the hub: its node heeds the owner, in whose name it is asked."""
        node = self._scope.nodes.find(node_id)
        if node is None or not node.peer.is_open:
            raise AdminRefusedException(f"the node '{node_id[:64]}' is not connected", code=ErrorCodes.NODE_OFFLINE)
        peer = node.peer

        def answered(said: NodeDetachedSessionKillResponse) -> None:
            if said.ok:
                self._scope.bus.publish(KillEvent(node_id, owner, ask.session_ref))
            if admin.is_open:
                code = None if said.ok else "not_found"
                admin.send(AdminResult(request_id=ask.request_id, ok=said.ok, code=code, message=said.message))

        def failed(why: OmnyShellException) -> None:
            if admin.is_open:
                admin.send(AdminResult(request_id=ask.request_id, code=why.code, message=why.message))

        def kill() -> None:
            self._scope.questions.ask(
                peer,
                lambda id_: NodeDetachedSessionKillRequest(
                    request_id=id_, principal=owner, session_ref=ask.session_ref
                ),
                NodeDetachedSessionKillResponse,
                answered,
                failed,
            )

        fields = {"node_id": node_id, "detail": f"{ask.session_ref[:64]} of {owner}"}
        return Plan("admin.session.close", fields, kill)

    def _route(self, ref: str) -> SessionRoute:
        wanted = _plain(ref)
        found = [route for route in self._scope.sessions if wanted and _plain(route.session.id).startswith(wanted)]
        exact = [route for route in found if _plain(route.session.id) == wanted]
        if len(exact or found) != 1:
            text = f"no session '{ref[:64]}'" if not found else f"several sessions begin with '{ref[:64]}'"
            raise AdminRefusedException(text, code="not_found" if not found else "ambiguous")
        return (exact or found)[0]

    def _end_tunnel(self, ask: TunnelEnd, _admin: Peer) -> Plan:
        ref = ask.tunnel_ref
        tunnels = self._scope.tunnels
        found = [tunnel for tunnel in tunnels.tunnels if ref and tunnel.info.tunnel_id.startswith(ref)]
        found = [tunnel for tunnel in found if tunnel.info.tunnel_id == ref] or found
        if len(found) != 1:
            text = f"no tunnel '{ref[:64]}'" if not found else f"several tunnels begin with '{ref[:64]}'"
            raise AdminRefusedException(text, code="not_found" if not found else "ambiguous")
        info = found[0].info
        fields = {"node_id": info.node_id, "detail": f"{short_id(info.tunnel_id)} of {info.owner_user_id}"}
        return _plan("admin.tunnel.close", fields, ask.request_id, lambda: tunnels.end(found[0]))

    def _set_labels(self, ask: NodeLabelsSet, _admin: Peer) -> Plan:
        check_node(ask.node_id, ask.labels)

        shown = " ".join(f"{key}={value}" for key, value in sorted(ask.labels.items())) or "-"
        fields = {"node_id": ask.node_id, "detail": shown}
        return _change("node.labels", fields, ask.request_id, SetLabels(ask.node_id, ask.labels))

    def _release(self, ask: NodeRelease, _admin: Peer) -> Plan:
        scope = self._scope
        # Who joined with an invite is known as a principal too: the id is not free while that one could log in.
        enrolled = NODE_PREFIX + ask.node_id
        is_enrolled = scope.store.has_principal(enrolled)
        owner = scope.owners.owners().get(ask.node_id, enrolled if is_enrolled else None)
        if owner is None:
            raise AdminRefusedException(f"nobody holds the node id '{ask.node_id[:64]}'", code="not_found")
        node = scope.nodes.find(ask.node_id)
        if node is not None:
            text = f"the node '{ask.node_id}' is connected: stop it, or revoke '{owner}', first"
            raise AdminRefusedException(text, code=ErrorCodes.BAD_REQUEST)
        also = f", {enrolled} is revoked" if is_enrolled else ""
        fields = {"node_id": ask.node_id, "detail": f"was of {owner}{also}"}

        changes = (RemovePrincipal(enrolled), ReleaseNode(ask.node_id)) if is_enrolled else (ReleaseNode(ask.node_id),)
        return _change("node.release", fields, ask.request_id, *changes)


def _change(action: str, fields: dict[str, str], request_id: str, *changes: AnyChange) -> Plan:
    answer = AdminResult(request_id=request_id, ok=True)
    return Plan(action, fields, lambda: answer, changes)


def _plan(action: str, fields: dict[str, str], request_id: str, change: Callable[[], None]) -> Plan:
    def do() -> ControlMessage:
        change()
        return AdminResult(request_id=request_id, ok=True)

    return Plan(action, fields, do)


def _entry(record: AuditRecord) -> AuditEntry:
    return AuditEntry(at=record.at, **{name: getattr(record, name) for name in TEXT_FIELDS})


def _plain(ref: str) -> str:
    return ref.replace("-", "").lower()
