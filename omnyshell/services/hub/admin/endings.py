"""Ending of connections, sessions and tunnels by admins (extension `admin`)."""

from collections.abc import Callable

from omnyshell.errors import ErrorCodes, OmnyShellException
from omnyshell.ids import short_id
from omnyshell.model.live import Part
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.messages import NodeDetachedSessionKillRequest, NodeDetachedSessionKillResponse
from omnyshell.protocol.messages.admin import AdminResult, PeerDrop, SessionEnd, TunnelEnd
from omnyshell.services.hub.admin.plans import AdminRefusedException, Plan, Plans, Reads, done
from omnyshell.services.hub.admin.reads import Everywhere
from omnyshell.services.hub.ground.event_bus import EventBus, KillEvent
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import ConnectedPeers, Peer
from omnyshell.services.hub.revocation.eviction import Eviction
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker

ENDED = "An administrator ended this"


class Endings:
    """Plans each end; nothing has happened when a plan is returned."""

    def __init__(
        self,
        *,
        peers: ConnectedPeers,
        eviction: Eviction,
        sessions: SessionRouter,
        broker: HubBroker,
        nodes: NodeRegistry,
        questions: NodeQuestions,
        tunnels: TunnelBroker,
        bus: EventBus,
        everywhere: Callable[[], Everywhere | None],
    ) -> None:
        """`everywhere` returns what is live at all hubs; None where this one is alone."""
        self._everywhere = everywhere
        self._peers = peers
        self._eviction = eviction
        self._sessions = sessions
        self._broker = broker
        self._nodes = nodes
        self._questions = questions
        self._tunnels = tunnels
        self._bus = bus
        self.reads: Reads = {}
        self.plans: Plans = {PeerDrop: self._drop_peer, SessionEnd: self._end_session, TunnelEnd: self._end_tunnel}

    def _drop_peer(self, ask: PeerDrop, _admin: Peer) -> Plan:
        peer = next((peer for peer in self._peers.authenticated() if peer.id == ask.peer_id), None)
        if peer is None:
            self._refuse_elsewhere(Part.PEERS, ask.peer_id)
            raise AdminRefusedException(f"there is no connection '{ask.peer_id[:64]}'", code="not_found")
        detail = f"{peer.id} {peer.role} {peer.principal.id} {peer.address}"
        return done("peer.drop", {"detail": detail}, ask.request_id, lambda: self._eviction.drop(peer, ENDED))

    def _end_session(self, ask: SessionEnd, admin: Peer) -> Plan:
        try:
            route = self._route(ask.session_ref)
        except AdminRefusedException:
            if ask.node_id is None or ask.principal is None:
                raise
            return self._end_detached(ask, ask.node_id, ask.principal, admin)
        fields = {"session_id": route.session.id, "node_id": route.session.node_id, "detail": route.session.principal}
        # Of a forward nothing is left to be taken up, and its client would ask for it anew.
        reason = CloseReason.ERROR if route.is_forward else CloseReason.NODE_CLOSED

        def end() -> None:
            if self._sessions.is_carried(route):
                self._broker.end(route, reason, f"{admin.principal.id} ended this session")

        return done("admin.session.close", fields, ask.request_id, end)

    def _end_detached(self, ask: SessionEnd, node_id: str, owner: str, admin: Peer) -> Plan:
        """Plan the end of a detached session: its node is asked in the name of its owner."""
        node = self._nodes.find(node_id)
        if node is None or not node.peer.is_open:
            raise AdminRefusedException(f"the node '{node_id[:64]}' is offline", code=ErrorCodes.NODE_OFFLINE)
        peer = node.peer

        def answered(said: NodeDetachedSessionKillResponse) -> None:
            if said.ok:
                self._bus.publish(KillEvent(node_id, owner, ask.session_ref))
            if admin.is_open:
                code = None if said.ok else "not_found"
                admin.send(AdminResult(request_id=ask.request_id, ok=said.ok, code=code, message=said.message))

        def failed(why: OmnyShellException) -> None:
            if admin.is_open:
                admin.send(AdminResult(request_id=ask.request_id, code=why.code, message=why.message))

        def kill() -> None:
            self._questions.ask(
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

    def _refuse_elsewhere(self, part: Part, ref: str) -> None:
        """Raise, naming the hub, if another one is known to have a connection or tunnel of which this is the id."""
        everywhere = self._everywhere()
        hub = everywhere.hub_of(part, ref) if everywhere is not None and ref else ""
        if hub:
            raise AdminRefusedException(f"it is at hub '{hub}': ask that one", code="not_found")

    def _route(self, ref: str) -> SessionRoute:
        wanted = _plain(ref)
        found = [route for route in self._sessions if wanted and _plain(route.session.id).startswith(wanted)]
        exact = [route for route in found if _plain(route.session.id) == wanted]
        if len(exact or found) != 1:
            text = f"no session '{ref[:64]}'" if not found else f"several sessions begin with '{ref[:64]}'"
            raise AdminRefusedException(text, code="not_found" if not found else "ambiguous")
        return (exact or found)[0]

    def _end_tunnel(self, ask: TunnelEnd, _admin: Peer) -> Plan:
        ref = ask.tunnel_ref
        tunnels = self._tunnels
        found = [tunnel for tunnel in tunnels.tunnels if ref and tunnel.info.tunnel_id.startswith(ref)]
        found = [tunnel for tunnel in found if tunnel.info.tunnel_id == ref] or found
        if not found:
            self._refuse_elsewhere(Part.TUNNELS, ref)
        if len(found) != 1:
            text = f"no tunnel '{ref[:64]}'" if not found else f"several tunnels begin with '{ref[:64]}'"
            raise AdminRefusedException(text, code="not_found" if not found else "ambiguous")
        info = found[0].info
        fields = {"node_id": info.node_id, "detail": f"{short_id(info.tunnel_id)} of {info.owner_user_id}"}
        return done("admin.tunnel.close", fields, ask.request_id, lambda: tunnels.end(found[0]))


def _plain(ref: str) -> str:
    return ref.replace("-", "").lower()
