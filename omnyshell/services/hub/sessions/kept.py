"""The sessions that may go on when their connections have ended, and by which credential each was opened.

A plain object that the broker tells what it does. Whether a session waits in its node at present, only the node knows.
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
    """A session; another object stands for it when another login has taken it up."""

    node_id: str
    id: str
    """As its node spells it."""

    owner: Principal
    """With the roles of the login."""

    action: Action
    """What its owner must be allowed at the node, as long as it goes on."""

    evidence: Evidence | None
    """What the login was accepted for; None where that is not known, for a session that was found in its node."""

    since: float = 0.0
    """When the hub last knew of itself that it was there, on the monotonic clock."""

    asked: RegisteredNode | None = None
    """The registration of its node which was asked to end it."""

    gone_at: float | None = None
    """Since when its node says that it does not have it, on the monotonic clock."""


Place = tuple[str, str]
"""A node's id, and that of a session there."""


class KeptSessions:
    """Sessions by node and id, in memory and, where there are records, a moment later there too."""

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
        """Return the sessions that may be at a node, oldest first."""
        return [session for session in self._nodes.get(node_id, {}).values() if session.gone_at is None]

    def of(self, owner: PrincipalId) -> list[KeptSession]:
        """Return the sessions of a principal that may be at their nodes."""
        return [session for session in self._owners.get(owner, ()) if session.gone_at is None]

    def gone(self, node_id: str) -> list[KeptSession]:
        """Return the sessions that were missed at a node, oldest first."""
        return [session for session in self._nodes.get(node_id, {}).values() if session.gone_at is not None]

    def find(self, node_id: str, session_id: str) -> KeptSession | None:
        """Return a session by its full id."""
        return self._nodes.get(node_id, {}).get(normal_id(session_id))

    def put(self, session: KeptSession) -> None:
        """Remember a session, in place of what was known of it."""
        known = self.find(session.node_id, session.id)
        if known is not None and known.id != session.id:
            self.forget(known)
        self._take(session)
        if self._records is not None:
            self._records.put((session.node_id, session.id), session)

    def forget(self, session: KeptSession) -> None:
        """Forget a session, but not what has taken its place. Idempotent."""
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
        """A node does not have a session.

        Another process may have answered, under the same node id: what opened the session stays known for a while, in
        case that it is found. What is known by its owner's name alone is forgotten.
        """
        if session.evidence is None:
            self.forget(session)
        else:
            session.gone_at = self._clock.monotonic()

    # What the broker tells

    def asked(self, route: SessionRoute) -> None:
        """A node is asked to start a session. It may do that though its client is gone before it says so."""
        if can_outlive(route) and not route.is_resume:
            self.put(_session_of(route, route.asked_id, route.right))

    def opened(self, route: SessionRoute) -> None:
        """A node has started a session, or a client has taken one up: it lives by that client's login from now on."""
        session = route.session
        if session.id != route.asked_id and normal_id(session.id) != normal_id(route.asked_id):
            self.ended(session.node_id, route.asked_id)
        known = self.find(session.node_id, session.id)
        if known is not None and route.is_resume:
            self.put(_session_of(route, session.id, known.action))
        elif known is not None:
            known.since, known.gone_at = self._clock.monotonic(), None
        elif can_outlive(route):
            self.put(_session_of(route, session.id, route.right))

    def ended(self, node_id: str, session_id: str) -> None:
        """A node says that a session has ended, or never began."""
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
    """Tell whether a node may keep a session whose client is lost: shells, and commands whose bytes are counted."""
    return route.session.mode is SessionMode.SHELL or route.has_offsets or route.is_resume


def _session_of(route: SessionRoute, session_id: str, action: Action) -> KeptSession:
    client = route.client
    return KeptSession(route.session.node_id, session_id, client.principal, action, client.evidence)
