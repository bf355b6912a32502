"""Ends sessions kept by nodes that are no longer allowed, and finds out which ones have ended by themselves."""

from collections import Counter
from collections.abc import Iterable, Sequence

from omnyshell.clock import Clock
from omnyshell.ids import IdFactory, PrincipalId, normal_id
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import CloseReason, DetachedSessionInfo
from omnyshell.protocol.extensions import EVENTS, KEPT_COMMANDS
from omnyshell.protocol.messages import (
    ChannelClose,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
    NodeSessionOpen,
)
from omnyshell.protocol.messages.events import NodeLiveSessionsRequest, NodeLiveSessionsResponse
from omnyshell.security.authenticators import Evidence
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.rights import right_of_mode
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import EventBus, KillEvent
from omnyshell.services.hub.nodes.earlier_shell_owners import EarlierShellOwners
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.peers.login_gate import AsNow, LoginGate
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.kept import KeptSession, KeptSessions
from omnyshell.services.hub.sessions.router import SessionRouter

DETACH_SERVICE = "detach"
"""The feature that a node announces if it keeps sessions."""

ASK_AGAIN = 60.0
"""Seconds between requests to a node that may keep sessions."""

SOON = 5.0
"""The same for a node at which so many were closed that they are to be forgotten earlier."""

MOST_OF_OWNER = 1_000
"""The most kept sessions of one principal on one node; beyond it, the oldest is ended."""

MOST_FOUND = 5_000
"""The most sessions of a node up to which listed ones that the hub did not know are added."""

MOST = 10_000
"""The most sessions of a node that are remembered, even if it does not end any."""

MOST_AT_ONCE = 200
"""Sessions that a node is asked to end at a time: each takes a message, and a node with too many unread ones is cut
off."""

MISSED_TIME = 86_400.0
"""Seconds after which a session is forgotten that its node does not have, or, as a command, does not list."""


def keeps_sessions(node: RegisteredNode) -> bool:
    """Tell whether a node keeps the sessions of lost clients."""
    return node.capabilities is not None and DETACH_SERVICE in node.capabilities.features


def _is_old(node: RegisteredNode) -> bool:
    """Tell whether a node keeps sessions, but cannot list those of all principals at once."""
    return EVENTS not in node.peer.features and keeps_sessions(node)


class KeptSessionJudge:
    """Checks each kept session by the present rights, and has nodes end those that are no longer allowed, by their ids.

    A disconnected node is told when it is back. Its list of sessions is then authoritative: sessions that are not in it
    are forgotten, and unknown ones are checked by their owners' names alone.
    """

    def __init__(
        self,
        *,
        nodes: NodeRegistry,
        routes: SessionRouter,
        kept: KeptSessions,
        earlier_owners: EarlierShellOwners,
        gate: LoginGate,
        locks: Locks,
        policy: HubPolicy,
        audit: AuditLog,
        questions: NodeQuestions,
        bus: EventBus,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        self._nodes = nodes
        self._routes = routes
        self._kept = kept
        self._earlier_owners = earlier_owners
        self._gate = gate
        self._locks = locks
        self._policy = policy
        self._audit = audit
        self._questions = questions
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._asked_at: dict[str, float] = {}
        self._unfinished: set[str] = set()
        self._old_nodes: set[str] = set()
        """Nodes that have to be asked for each principal's sessions separately; some may be disconnected."""

    def enforce(self, standing: AsNow, revoked: Iterable[PrincipalId]) -> None:
        """End sessions on connected nodes that are no longer allowed.

        A node that could not list all principals' sessions is asked for those of the revoked principals.
        """
        for node in filter(None, map(self._nodes.find, self._kept.nodes())):
            self._judge(node, standing)
        self._condemn()
        self._ask_old_nodes(sorted(revoked))

    def enforce_for(self, name: PrincipalId, standing: AsNow, *, is_gone: bool) -> None:
        """Do what `enforce` does for the sessions of one principal."""
        theirs: dict[str, list[KeptSession]] = {}
        for session in self._kept.of(name):
            theirs.setdefault(session.node_id, []).append(session)
        for node_id, sessions in theirs.items():
            if (node := self._nodes.find(node_id)) is not None:
                self._judge(node, standing, sessions)
            else:
                self._condemn_at(node_id, sessions)
        if is_gone:
            self._ask_old_nodes([name])

    def enforce_at(self, node_id: str, standing: AsNow) -> None:
        """Do what `enforce` does for the sessions at one node."""
        if (node := self._nodes.find(node_id)) is not None:
            self._judge(node, standing)
        else:
            self._condemn_at(node_id, self._kept.at(node_id))

    def tick(self, now: float) -> None:
        """Continue with remaining work, and ask nodes about sessions; `now` is on the monotonic clock."""
        self._condemn()
        unfinished, self._unfinished = self._unfinished, set()
        for node in filter(None, map(self._nodes.find, unfinished)):
            self._judge(node, self._gate.standing())
        for node in filter(None, map(self._nodes.find, self._kept.nodes())):
            self._limit(node, now)
            if now - self._asked_at.get(node.node_id, 0.0) >= ASK_AGAIN:
                self._look_after(node)

    def is_ending(self, node_id: str) -> bool:
        """Tell whether a node still has to be asked to end sessions."""
        return node_id in self._unfinished

    def came(self, node: RegisteredNode) -> None:
        """Ask a node for its sessions, when it has sent its capabilities for the first time after registering."""
        if _is_old(node):
            self._old_nodes.add(node.node_id)
        self._judge(node, self._gate.standing())
        self._ask(node)

    # Ending

    def _ask_old_nodes(self, names: Sequence[PrincipalId]) -> None:
        """Ask the nodes that cannot list all principals' sessions."""
        nodes = [node for node in map(self._nodes.find, sorted(self._old_nodes)) if node is not None and _is_old(node)]
        self._old_nodes = {node.node_id for node in nodes}
        for node in nodes:
            for name in names:
                self._ask_for(node, node.peer, name, self._clock.monotonic())

    def _judge(self, node: RegisteredNode, standing: AsNow, sessions: Iterable[KeptSession] | None = None) -> None:
        """Check the sessions on a node, or some of them."""
        known = self._kept.at(node.node_id) if sessions is None else sessions
        sessions = (session for session in known if session.asked is not node)
        ending = [session for session in sessions if not self._may_stay(node, session, standing)]
        for session in ending[:MOST_AT_ONCE]:
            self._end(node, session)
        if len(ending) > MOST_AT_ONCE:
            self._unfinished.add(node.node_id)

    def _condemn(self) -> None:
        """Mark locked sessions on disconnected nodes to be ended later, even if the lock is removed by then."""
        for node_id in self._kept.nodes() if any(self._locks) else ():
            if self._nodes.find(node_id) is None:
                self._condemn_at(node_id, self._kept.at(node_id))

    def _condemn_at(self, node_id: str, sessions: Iterable[KeptSession]) -> None:
        locks = self._locks
        is_locked = locks.of_node(node_id) is not None
        for session in sessions:
            nothing = Evidence(session.owner.id, "", b"")
            if session.evidence != nothing and (is_locked or locks.of_login(session.owner) is not None):
                session.evidence = nothing
                self._kept.put(session)

    def _may_stay(self, node: RegisteredNode, session: KeptSession, standing: AsNow) -> bool:
        now = standing(session.owner, session.evidence)
        return now is not None and self._policy.decide(now, session.action, node).allowed

    def _end(self, node: RegisteredNode, session: KeptSession) -> None:
        peer = node.peer
        if not keeps_sessions(node):
            return
        session.asked = node
        if session.action is Action.EXEC and KEPT_COMMANDS not in peer.features:
            self._end_by_taking_it_up(node, session)
            return
        self._questions.ask(
            peer,
            lambda id_: NodeDetachedSessionKillRequest(
                request_id=id_, principal=session.owner.id, session_ref=session.id
            ),
            NodeDetachedSessionKillResponse,
            lambda answer: self._answered(session, answer),
            lambda _error: self._not_answered(session),
        )

    def _end_by_taking_it_up(self, node: RegisteredNode, session: KeptSession) -> None:
        """End a command on a node of 0.1.0 by resuming it and closing the channel.

        Such a node cannot end it by its id.
        """
        channel = node.allocate_channel()
        ask = NodeSessionOpen(
            session_id=self._new_id(),
            principal=session.owner.id,
            resume_session_id=session.id,
            offsets=True,
        )
        node.peer.send(ask, channel)
        node.peer.send(ChannelClose(reason=CloseReason.CLIENT_CLOSED), channel)
        self._ended(session)

    def _answered(self, session: KeptSession, answer: NodeDetachedSessionKillResponse) -> None:
        if answer.ok:
            self._ended(session)
        else:
            # The session had ended already.
            self._kept.miss(session)

    def _not_answered(self, session: KeptSession) -> None:
        """Forget the request; the node is asked again at the next check of the session."""
        session.asked = None

    def _ended(self, session: KeptSession) -> None:
        self._kept.forget(session)
        principal = session.owner.id
        self._bus.publish(KillEvent(session.node_id, principal, session.id))
        self._audit.record(
            "session.kill", principal=principal, node_id=session.node_id, session_id=session.id, reason="revoked"
        )

    # Looking after what is there

    def _look_after(self, node: RegisteredNode) -> None:
        long_ago = self._clock.monotonic() - MISSED_TIME
        self._forget(
            each for each in self._kept.gone(node.node_id) if each.gone_at is not None and each.gone_at < long_ago
        )
        waiting = self._waiting(node)
        if not waiting:
            return
        if not keeps_sessions(node):
            self._forget(waiting)
            return
        self._ask(node)

    def _limit(self, node: RegisteredNode, now: float) -> None:
        """End the oldest sessions of an owner with too many.

        If the node does not end them, at most `MOST` are remembered. What was closed does not count, as connections of
        forwards may be many: it has ended, and the node is asked soon whether it has.
        """
        self._forget(self._kept.gone(node.node_id)[:-MOST])
        if len(self._kept.at(node.node_id)) <= MOST_OF_OWNER:
            return
        waiting = self._waiting(node)
        if any(each.closed_at for each in waiting) and now - self._asked_at.get(node.node_id, 0.0) >= SOON:
            self._ask(node)
        self._forget([each for each in waiting if each.closed_at][:-MOST])
        waiting = [each for each in waiting if not each.closed_at]
        self._forget(waiting[: max(0, len(waiting) - MOST)])
        many = {name for name, count in Counter(each.owner.id for each in waiting).items() if count > MOST_OF_OWNER}
        for name in many:
            theirs = [each for each in waiting if each.owner.id == name]
            too_many = [each for each in theirs[:-MOST_OF_OWNER] if each.asked is not node]
            for session in too_many[:MOST_AT_ONCE]:
                self._end(node, session)

    def _waiting(self, node: RegisteredNode) -> list[KeptSession]:
        """The sessions that no client of their owners has attached through this hub, oldest first."""
        carried = self._carried(node)
        return [session for session in self._kept.at(node.node_id) if normal_id(session.id) not in carried]

    def _carried(self, node: RegisteredNode) -> set[str]:
        routes = self._routes.of_peer(node.peer)
        return {normal_id(route.session.id) for route in routes if not route.is_others}

    def _forget(self, sessions: Iterable[KeptSession]) -> None:
        for session in sessions:
            self._kept.forget(session)

    def _ask(self, node: RegisteredNode) -> None:
        """Ask a node for its sessions: for all at once, or for each principal's separately."""
        peer, now = node.peer, self._clock.monotonic()
        self._asked_at[node.node_id] = now
        if not keeps_sessions(node):
            return
        if EVENTS in peer.features:
            commands = KEPT_COMMANDS in peer.features
            self._questions.ask(
                peer,
                lambda id_: NodeLiveSessionsRequest(request_id=id_, commands=commands),
                NodeLiveSessionsResponse,
                lambda answer: self._listed(node, answer, now, None),
            )
            return
        owners = {session.owner.id for session in self._kept.at(node.node_id)}
        for name in sorted(owners.union(map(PrincipalId, self._earlier_owners.at(node.node_id)))):
            self._ask_for(node, peer, name, now)

    def _ask_for(self, node: RegisteredNode, peer: Peer, name: PrincipalId, now: float) -> None:
        self._questions.ask(
            peer,
            lambda id_: NodeDetachedSessionsRequest(request_id=id_, principal=name),
            NodeDetachedSessionsResponse,
            lambda answer: self._listed(node, answer, now, name),
        )

    def _listed(
        self,
        node: RegisteredNode,
        answer: NodeLiveSessionsResponse | NodeDetachedSessionsResponse,
        asked_at: float,
        owner: PrincipalId | None,
    ) -> None:
        """Merge a node's list of all sessions or of one owner's, which was requested at `asked_at`."""
        if self._nodes.find(node.node_id) is not node:
            return
        named = {normal_id(info.session_id) for info in answer.sessions}
        for session in self._waiting(node):
            is_meant = owner in (None, session.owner.id) and session.since < asked_at
            if normal_id(session.id) in named or not is_meant:
                continue
            if session.closed_at == node.peer.id:
                self._kept.forget(session)
            elif self._has_ended(node, session):
                self._kept.miss(session)
        for info in answer.sessions:
            known = self._kept.find(node.node_id, info.session_id)
            if known is not None:
                known.asked = known.gone_at = None
                known.closed_at = ""
        if self._gate.can_list:
            self._find(node, answer.sessions, owner)
        self._earlier_owners.forget(node.node_id, owner)
        self._judge(node, self._gate.standing())

    def _has_ended(self, node: RegisteredNode, session: KeptSession) -> bool:
        """Whether a session that is missing from its node's list has ended."""
        is_listed = session.action is Action.SHELL or KEPT_COMMANDS in node.peer.features
        return is_listed or self._clock.monotonic() - session.since >= MISSED_TIME

    def _find(self, node: RegisteredNode, infos: Iterable[DetachedSessionInfo], owner: PrincipalId | None) -> None:
        """Add sessions that the hub does not know.

        They were opened before it kept records, or while it could not write them.
        """
        carried, room = self._carried(node), MOST_FOUND - len(self._kept.at(node.node_id))
        for info in infos:
            name = owner or PrincipalId(info.owner_user_id)
            is_known = normal_id(info.session_id) in carried or self._kept.find(node.node_id, info.session_id)
            if is_known or not name or room <= 0:
                continue
            room -= 1
            right = right_of_mode(info.mode)
            self._kept.put(KeptSession(node.node_id, info.session_id, Principal(name), right, None))
