"""The sessions that may outlive their connections, and the credential by which each was opened.

No I/O: the broker reports to it. Only the node knows whether a session is still there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from omnyshell.clock import Clock
from omnyshell.ids import PrincipalId, normal_id
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import SessionMode
from omnyshell.security.authenticators import Evidence
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.nodes.registry import RegisteredNode
from omnyshell.services.hub.sessions.route import SessionRoute


@dataclass(eq=False, slots=True)
class KeptSession:
    """A session. When another login resumes it, another object replaces this one."""

    node_id: str
    id: str
    """The session's id, as spelled by its node."""

    owner: Principal
    """The owner, with the roles of the login."""

    action: Action
    """The right that its owner needs at the node for the session's whole life."""

    evidence: Evidence | None
    """The evidence for which the login was accepted; None for a session that was found on its node."""

    since: float = 0.0
    """When the hub itself last knew that it existed, on the monotonic clock."""

    asked: RegisteredNode | None = None
    """The registration of its node that was asked to end it, if any."""

    closed_at: str = ""
    """The id of its node's connection over which it was closed for good, if it was."""

    gone_at: float | None = None
    """Since when its node reports that it does not have it, on the monotonic clock."""


Place = tuple[str, str]
"""The ids of a node and of a session on it."""


class KeptSessions:
    """Sessions by node and id, in memory, and written to the records, if any, a moment later."""

    def __init__(
        self,
        clock: Clock,
        records: LateTable[Place, KeptSession] | None = None,
        recorded: Iterable[KeptSession] = (),
    ) -> None:
        self._clock = clock
        self._records = records
        self._nodes: dict[str, dict[str, KeptSession]] = {}
        self._owners: dict[PrincipalId, dict[KeptSession, None]] = {}
        for session in recorded:
            self._take(session)

    def nodes(self) -> list[str]:
        """Return the ids of the nodes that have sessions."""
        return list(self._nodes)

    def at(self, node_id: str) -> list[KeptSession]:
        """Return the sessions that may be on a node, oldest first."""
        return [session for session in self._nodes.get(node_id, {}).values() if session.gone_at is None]

    def of(self, owner: PrincipalId) -> list[KeptSession]:
        """Return the sessions of a principal."""
        return [session for session in self._owners.get(owner, ()) if session.gone_at is None]

    def gone(self, node_id: str) -> list[KeptSession]:
        """Return the sessions that a node did not have, oldest first."""
        return [session for session in self._nodes.get(node_id, {}).values() if session.gone_at is not None]

    def find(self, node_id: str, session_id: str) -> KeptSession | None:
        """Return a session by its full id."""
        return self._nodes.get(node_id, {}).get(normal_id(session_id))

    def put(self, session: KeptSession) -> None:
        """Store a session, replacing an earlier object for it."""
        known = self.find(session.node_id, session.id)
        if known is not None and known.id != session.id:
            self.forget(known)
        self._take(session)
        if self._records is not None:
            self._records.put((session.node_id, session.id), session)

    def forget(self, session: KeptSession) -> None:
        """Remove a session, unless another object has replaced it. Idempotent."""
        sessions = self._nodes.get(session.node_id, {})
        key = normal_id(session.id)
        if sessions.get(key) is not session:
            return
        del sessions[key]
        self._disown(session)
        if not sessions:
            del self._nodes[session.node_id]
        if self._records is not None:
            self._records.remove((session.node_id, session.id))

    def miss(self, session: KeptSession) -> None:
        """Note that a node does not have a session.

        Another process with the same node id may have answered, so the session's evidence is kept for a while in case
        the session is found. A session without evidence is removed.
        """
        if session.evidence is None:
            self.forget(session)
        else:
            session.gone_at = self._clock.monotonic()

    # What the broker tells

    def asked(self, route: SessionRoute) -> None:
        """A node is asked to start a session. It may do so even if the client is lost before the answer."""
        if can_outlive(route) and not route.is_resume:
            self.put(_session_of(route, route.asked_id, route.right))

    def opened(self, route: SessionRoute) -> None:
        """A session was started or resumed. From now on it depends on that client's login."""
        session = route.session
        if session.id != route.asked_id and normal_id(session.id) != normal_id(route.asked_id):
            self.ended(session.node_id, route.asked_id)
        known = self.find(session.node_id, session.id)
        if route.is_others:
            self._taken(known, route)
        elif known is not None and route.is_resume:
            self.put(_session_of(route, session.id, known.action))
        elif known is not None:
            known.since, known.gone_at = self._clock.monotonic(), None
        elif can_outlive(route):
            self.put(_session_of(route, session.id, route.right))

    def _taken(self, known: KeptSession | None, route: SessionRoute) -> None:
        """Another principal has it attached: it goes on to depend on its owner's login."""
        if known is not None:
            known.since, known.gone_at = self._clock.monotonic(), None
        else:
            session = route.session
            owner = Principal(PrincipalId(session.principal))
            self.put(KeptSession(session.node_id, session.id, owner, route.right, None))

    def closed(self, route: SessionRoute) -> None:
        """Its node is told to end a session, and may not tell when it has.

        What it lists from now on over the same connection, it says after it has ended it.
        """
        known = self.find(route.session.node_id, route.session.id)
        if known is not None:
            known.closed_at, known.since = route.node.id, self._clock.monotonic()

    def ended(self, node_id: str, session_id: str) -> None:
        """A node reports that a session has ended, or was not started."""
        known = self.find(node_id, session_id)
        if known is not None:
            self.forget(known)

    def _take(self, session: KeptSession) -> None:
        session.since = self._clock.monotonic()
        sessions, key = self._nodes.setdefault(session.node_id, {}), normal_id(session.id)
        if key in sessions:
            self._disown(sessions[key])
        sessions[key] = session
        self._owners.setdefault(session.owner.id, {})[session] = None

    def _disown(self, session: KeptSession) -> None:
        theirs = self._owners[session.owner.id]
        del theirs[session]
        if not theirs:
            del self._owners[session.owner.id]


def can_outlive(route: SessionRoute) -> bool:
    """Tell whether a node may keep a session whose client is lost: a shell, or a command with offsets."""
    return route.session.mode is SessionMode.SHELL or route.has_offsets or route.is_resume


def _session_of(route: SessionRoute, session_id: str, action: Action) -> KeptSession:
    client = route.client
    return KeptSession(route.session.node_id, session_id, client.principal, action, client.evidence)
