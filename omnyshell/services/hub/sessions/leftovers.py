"""Ends the sessions that were left in nodes and may not go on, and finds out which of them have ended by themselves."""

from collections import Counter
from collections.abc import Iterable, Sequence

from omnyshell.clock import Clock
from omnyshell.ids import IdFactory, PrincipalId, normal_id
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import CloseReason, DetachedSessionInfo, SessionMode
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
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import EventBus, KillEvent
from omnyshell.services.hub.nodes.guests import Guests
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.peers.login_gate import AsNow, LoginGate
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.kept import KeptSession, KeptSessions
from omnyshell.services.hub.sessions.router import SessionRouter

DETACH_SERVICE = "detach"
"""The feature that a node names when it keeps sessions."""

ASK_AGAIN = 60.0
"""Seconds between questions to a node in which sessions may wait."""

MOST_OF_OWNER = 1_000
"""Sessions of one principal that may wait in one node; of more, the oldest is ended."""

MOST_FOUND = 5_000
"""Sessions of a node, up to which those are taken in that it lists and the hub did not know."""

MOST = 10_000
"""Sessions of a node that are remembered when it ends none of them."""

MOST_AT_ONCE = 200
"""Sessions that a node is asked to end in one go: a message each, and a node that has to read too many is cut off."""

MISSED_TIME = 86_400.0
"""Seconds after which a session is forgotten that its node does not have, or, being a command, does not list."""


def keeps_sessions(node: RegisteredNode) -> bool:
    """Tell whether a node keeps the sessions of clients that leave."""
    return node.capabilities is not None and DETACH_SERVICE in node.capabilities.features


def _is_old(node: RegisteredNode) -> bool:
    """Tell whether a node keeps sessions, and does not tell of everyone's at once."""
    return EVENTS not in node.peer.features and keeps_sessions(node)


class LeftoverSessions:
    """Judges each kept session by what is allowed now, and has nodes end those that may not go on, by their ids.

    A node that was away is told when it is back. Its list of sessions then is the last word on which there are: those
    that it does not have are forgotten, those that the hub does not know are judged by their owners' names alone.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        routes: SessionRouter,
        kept: KeptSessions,
        guests: Guests,
        *,
        gate: LoginGate,
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
        self._guests = guests
        self._gate = gate
        self._policy = policy
        self._audit = audit
        self._questions = questions
        self._bus = bus
        self._clock = clock
        self._new_id = new_id
        self._asked_at: dict[str, float] = {}
        self._unfinished: set[str] = set()
        self._old_nodes: set[str] = set()
        """Nodes that have to be asked for each principal's sessions apart, and some that are gone."""

    def enforce(self, standing: AsNow, revoked: Iterable[PrincipalId]) -> None:
        """End what may not go on in the connected nodes.

        A node that did not tell of everyone's sessions when it came is asked for those of principals that are gone.
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
        """Go on with what was too much for once, and ask nodes what has become of sessions; `now` is monotonic."""
        self._condemn()
        unfinished, self._unfinished = self._unfinished, set()
        for node in filter(None, map(self._nodes.find, unfinished)):
            self._judge(node, self._gate.standing())
        for node in filter(None, map(self._nodes.find, self._kept.nodes())):
            self._limit(node)
            if now - self._asked_at.get(node.node_id, 0.0) >= ASK_AGAIN:
                self._look_after(node)

    def is_ending(self, node_id: str) -> bool:
        """Tell whether a node has still to be asked to end some of its sessions."""
        return node_id in self._unfinished

    def came(self, node: RegisteredNode) -> None:
        """A node has said what it supports, for the first time since it registered: it is asked what it has."""
        if _is_old(node):
            self._old_nodes.add(node.node_id)
        self._judge(node, self._gate.standing())
        self._ask(node)

    # Ending

    def _ask_old_nodes(self, names: Sequence[PrincipalId]) -> None:
        """Ask those nodes which did not tell of everyone's sessions."""
        nodes = [node for node in map(self._nodes.find, sorted(self._old_nodes)) if node is not None and _is_old(node)]
        self._old_nodes = {node.node_id for node in nodes}
        for node in nodes:
            for name in names:
                self._ask_for(node, node.peer, name, self._clock.monotonic())

    def _judge(self, node: RegisteredNode, standing: AsNow, sessions: Iterable[KeptSession] | None = None) -> None:
        """Judge the sessions at a node, or some of them."""
        known = self._kept.at(node.node_id) if sessions is None else sessions
        sessions = (session for session in known if session.asked is not node)
        ending = [session for session in sessions if not self._may_stay(node, session, standing)]
        for session in ending[:MOST_AT_ONCE]:
            self._end(node, session)
        if len(ending) > MOST_AT_ONCE:
            self._unfinished.add(node.node_id)

    def _condemn(self) -> None:
        """Have what is locked in nodes that are away end when they are back, though the lock be gone by then."""
        for node_id in self._kept.nodes() if any(self._gate.locks) else ():
            if self._nodes.find(node_id) is None:
                self._condemn_at(node_id, self._kept.at(node_id))

    def _condemn_at(self, node_id: str, sessions: Iterable[KeptSession]) -> None:
        locks = self._gate.locks
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
        """A node of 0.1.0 ends no command by its id, but one that it gives to a channel which its client closes."""
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
            # It had ended already.
            self._kept.miss(session)

    def _not_answered(self, session: KeptSession) -> None:
        """The node is asked again when the session is judged again."""
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

    def _limit(self, node: RegisteredNode) -> None:
        """End the oldest of an owner who has left too many; a node that does not end them costs no more than `MOST`."""
        self._forget(self._kept.gone(node.node_id)[:-MOST])
        if len(self._kept.at(node.node_id)) <= MOST_OF_OWNER:
            return
        waiting = self._waiting(node)
        self._forget(waiting[: max(0, len(waiting) - MOST)])
        many = {name for name, count in Counter(each.owner.id for each in waiting).items() if count > MOST_OF_OWNER}
        for name in many:
            theirs = [each for each in waiting if each.owner.id == name]
            too_many = [each for each in theirs[:-MOST_OF_OWNER] if each.asked is not node]
            for session in too_many[:MOST_AT_ONCE]:
                self._end(node, session)

    def _waiting(self, node: RegisteredNode) -> list[KeptSession]:
        """The sessions that no client has through this hub, oldest first."""
        carried = self._carried(node)
        return [session for session in self._kept.at(node.node_id) if normal_id(session.id) not in carried]

    def _carried(self, node: RegisteredNode) -> set[str]:
        return {normal_id(route.session.id) for route in self._routes.of_peer(node.peer)}

    def _forget(self, sessions: Iterable[KeptSession]) -> None:
        for session in sessions:
            self._kept.forget(session)

    def _ask(self, node: RegisteredNode) -> None:
        """Ask a node for its sessions: for everyone's at once, or for each principal's apart."""
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
        for name in sorted(owners.union(map(PrincipalId, self._guests.at(node.node_id)))):
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
        """Take a node's list, of everyone's sessions or of one owner's, as it was asked for at that time."""
        if self._nodes.find(node.node_id) is not node:
            return
        named = {normal_id(info.session_id) for info in answer.sessions}
        for session in self._waiting(node):
            is_meant = owner in (None, session.owner.id) and session.since < asked_at
            if normal_id(session.id) not in named and is_meant and self._has_ended(node, session):
                self._kept.miss(session)
        for info in answer.sessions:
            known = self._kept.find(node.node_id, info.session_id)
            if known is not None:
                known.asked = known.gone_at = None
        if self._gate.can_list:
            self._find(node, answer.sessions, owner)
        self._guests.forget(node.node_id, owner)
        self._judge(node, self._gate.standing())

    def _has_ended(self, node: RegisteredNode, session: KeptSession) -> bool:
        """Whether a session that is not in its node's list is not in the node either."""
        is_listed = session.action is Action.SHELL or KEPT_COMMANDS in node.peer.features
        return is_listed or self._clock.monotonic() - session.since >= MISSED_TIME

    def _find(self, node: RegisteredNode, infos: Iterable[DetachedSessionInfo], owner: PrincipalId | None) -> None:
        """Take in what this hub does not know: opened before it kept records, or while they could not be written."""
        carried, room = self._carried(node), MOST_FOUND - len(self._kept.at(node.node_id))
        for info in infos:
            name = owner or PrincipalId(info.owner_user_id)
            is_known = normal_id(info.session_id) in carried or self._kept.find(node.node_id, info.session_id)
            if is_known or not name or room <= 0:
                continue
            room -= 1
            action = Action.SHELL if info.mode is SessionMode.SHELL else Action.EXEC
            self._kept.put(KeptSession(node.node_id, info.session_id, Principal(name), action, None))
