"""Ends connections, sessions and tunnels after a revocation, or at an admin's request."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from omnyshell.errors import ErrorCodes
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import Authenticator, principal_of, principals_of
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import EventBus, NodeEvent, RightsEvent
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.peers.login_gate import AsNow, LoginGate
from omnyshell.services.hub.peers.peer import ConnectedPeers, Peer
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.kept_judge import KeptSessionJudge
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.tunnels.broker import TunnelBroker

REVOKED = "This login was revoked"
LOCKED = "This login is locked"
NOT_ANY_MORE = "You may not do this on the node any more"
CHANGED = "The roles of this login have changed: log in again"

logger = logging.getLogger("omnyshell.hub")


class Eviction:
    """Ends sessions, tunnels and connections. They have ended when a call returns."""

    def __init__(
        self,
        *,
        peers: ConnectedPeers,
        nodes: NodeDirectory,
        broker: HubBroker,
        policy: HubPolicy,
        sessions: SessionRouter,
        requests: RelayedRequests,
        authenticator: Authenticator,
        locks: Locks,
        gate: LoginGate,
        audit: AuditLog,
        tunnels: TunnelBroker,
        kept_judge: KeptSessionJudge,
        bus: EventBus,
    ) -> None:
        self._peers = peers
        self._nodes = nodes
        self._broker = broker
        self._policy = policy
        self._sessions = sessions
        self._requests = requests
        self._authenticator = authenticator
        self._locks = locks
        self._gate = gate
        self._audit = audit
        self._tunnels = tunnels
        self._kept_judge = kept_judge
        self._bus = bus
        self.known = self._names()
        """All principals that can log in, as far as they can be listed."""

        self._spared: Peer | None = None
        self._put_off: Callable[[], None] | None = None

    @contextmanager
    def sparing(self, peer: Peer) -> Iterator[None]:
        """If the action ends the connection of the admin who requested it, end that last, after the answer."""
        self._spared = peer
        try:
            yield
        finally:
            end, self._spared, self._put_off = self._put_off, None, None
            if end is not None:
                end()

    def enforce(self) -> None:
        """Check everything live again, after credentials, roles, grants or labels have changed."""
        standing = self._gate.standing()
        self._judge(self._peers, self._sessions, standing)
        self._requests.enforce()
        self._tunnels.enforce(self._tunnels.tunnels, standing)
        known = self._names()
        self._kept_judge.enforce(standing, self.known - known)
        self.known = known
        self._bus.publish(RightsEvent())

    def enforce_for(self, name: str) -> None:
        """Check all that is live of one principal again, after its credentials, roles or locks have changed.

        The cost does not depend on the number of other principals.
        """
        standing, who = self._gate.standing(), PrincipalId(name)
        peers = self._peers.of(name)
        self._judge(peers, [route for peer in peers for route in self._sessions.of_peer(peer)], standing)
        self._requests.enforce(lambda pending: pending.client.principal.id == name)
        self._tunnels.enforce(self._tunnels.of_owner(name), standing)
        was_known, is_known = who in self.known, self._knows(who)
        self._kept_judge.enforce_for(who, standing, is_gone=was_known and not is_known)
        (self.known.add if is_known else self.known.discard)(who)
        self._bus.publish(RightsEvent(name))

    def enforce_at(self, node_id: str) -> None:
        """Check all sessions and tunnels at one node again, after its labels or locks have changed."""
        standing, node = self._gate.standing(), self._nodes.find(node_id)
        if node is not None:
            self._judge((), self._sessions.of_peer(node.peer), standing)
        self._requests.enforce(lambda pending: pending.request.node_id == node_id)
        self._tunnels.enforce(self._tunnels.at_node(node_id), standing)
        self._kept_judge.enforce_at(node_id, standing)
        self._bus.publish(NodeEvent(node_id))

    def node_released(self, node_id: str) -> None:
        """End the tunnels to a node id that is nobody's any more: whoever has it next is another machine."""
        for tunnel in self._tunnels.at_node(node_id):
            self._tunnels.end(tunnel)

    def _judge(self, peers: Iterable[Peer], routes: Iterable[SessionRoute], standing: AsNow) -> None:
        """Check logins, and open sessions."""
        for peer in [peer for peer in peers if peer.is_logged_in]:
            now = self._now(peer, standing)
            if now is None or now.roles != peer.principal.roles:
                self._audit.record(
                    "peer.revoked",
                    "denied",
                    principal=peer.principal.id,
                    address=peer.address,
                    reason=self._why(peer, now, standing),
                    detail=peer.role,
                )
                logger.warning("%s from %s may not stay", peer.principal.id, peer.address, extra=_ids(peer))
                self._end_login(peer, now)
        for route in list(routes):
            if self._sessions.is_carried(route) and not self._may_go_on(route, route.client.principal):
                self._broker.take_away(route, NOT_ANY_MORE)

    def drop(self, peer: Peer, text: str) -> None:
        """End a connection with its sessions, and the tunnels that it serves."""
        if peer is self._spared:
            self._put_off = lambda: self.drop(peer, text)
            return
        if peer.role != Role.NODE:
            self.end_sessions(peer, text)
        peer.evict(ErrorCodes.AUTH_FAILED if text in (REVOKED, LOCKED) else ErrorCodes.NOT_AUTHORIZED, text)

    def _end_login(self, peer: Peer, now: Principal | None) -> None:
        """End a login that is no longer valid. If its credential is, with other roles, the peer may log in again."""
        if now is None:
            self.drop(peer, LOCKED if self._locks.of_login(peer.principal) is not None else REVOKED)
        else:
            self._change_roles(peer, now)

    def _change_roles(self, peer: Peer, now: Principal) -> None:
        """End what the new roles do not allow, and make the peer log in again.

        Other sessions are kept on their nodes.
        """
        if peer is self._spared:
            self._put_off = lambda: self._change_roles(peer, now)
            return
        for route in self._sessions.of_peer(peer):
            if route.client is peer and not self._may_go_on(route, now):
                self._broker.take_away(route, NOT_ANY_MORE)
        peer.evict(ErrorCodes.AUTH_FAILED, CHANGED, retry_after=0)

    def end_sessions(self, peer: Peer, text: str) -> None:
        """End the sessions of a connection, with their programs."""
        for route in self._sessions.of_peer(peer):
            if route.client is peer:
                self._broker.take_away(route, text)

    def upholds(self, peer: Peer) -> bool:
        """Tell whether a login is unchanged and valid, so that requests of one that is about to end are refused."""
        now = self._now(peer, self._gate.standing())
        return now is not None and now.roles == peer.principal.roles

    def _names(self) -> set[PrincipalId]:
        if not self._gate.can_list:
            return set()
        known = principals_of(self._authenticator)
        return {name for name, found in known.items() if self._locks.of_login(found) is None}

    def _knows(self, name: PrincipalId) -> bool:
        found = principal_of(self._authenticator, name) if self._gate.can_list else None
        return found is not None and self._locks.of_login(found) is None

    def _now(self, peer: Peer, standing: AsNow) -> Principal | None:
        """The present principal of a connection, or None. For an unknown kind of credential, only locks are checked."""
        if peer.evidence is not None:
            return standing(peer.principal, peer.evidence)
        if peer.most_roles is not None:
            now = standing(peer.principal, None)
            return replace(now, roles=now.roles & peer.most_roles) if now is not None else None
        return peer.principal if self._locks.of_login(peer.principal) is None else None

    def _why(self, peer: Peer, now: Principal | None, standing: AsNow) -> str:
        """Why a login is no longer valid."""
        was, lock = peer.principal, self._locks.of_login(peer.principal)
        if lock is not None:
            return told(lock)
        named = standing(was, None)
        if named is None:
            return "the principal was revoked"
        if (now or named).roles != was.roles:
            return "its roles, or its credential, have changed"
        return "its credential was revoked or has expired"

    def _may_go_on(self, route: SessionRoute, principal: Principal) -> bool:
        node = self._nodes.find(route.session.node_id)
        if node is None or node.peer is not route.node:
            return False
        is_allowed = all(self._policy.decide(principal, right, node).allowed for right in route.rights)
        return is_allowed and route.is_within(self._policy.logins_of_all(principal, route.rights, node))


def _ids(peer: Peer) -> dict[str, str]:
    return {"peer": peer.id, "principal": peer.principal.id, "address": peer.address}
