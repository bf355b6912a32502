"""The sessions that are open through this hub, and the two channels that each connects."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from omnyshell.model.live import LiveSession
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.credit import SendCredit
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.peers.peer import Peer


@dataclass(slots=True)
class Session:
    """What is known of a session, whoever carries it."""

    id: str
    node_id: str
    principal: str
    mode: SessionMode
    created_at: datetime
    command: str = ""
    """What was asked to run, as far as it is shown."""

    state: SessionState = SessionState.OPENING


@dataclass(eq=False, slots=True)
class SessionRoute:
    """A client's channel and a node's channel that belong together, with the credit each side has left."""

    session: Session
    client: Peer
    client_channel: int
    node: Peer
    node_channel: int
    asked_id: str
    """The session's id in `node.session.open`, and the route's own; a node that resumes answers with that session's."""

    open_deadline: float
    """When the node must have answered, on the monotonic clock."""

    right: Action = Action.SHELL
    """What its principal must be allowed at the node, as long as it goes on."""

    is_resume: bool = False
    has_offsets: bool = False
    """Whether client and node both speak `resume-offset`, and the client asked for it."""

    audited_command: str = ""
    """What the audit keeps of the command."""

    to_node: SendCredit = field(default_factory=SendCredit)
    to_client: SendCredit = field(default_factory=SendCredit)
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the node has started the session."""
        return self.session.state is SessionState.OPEN

    def describe(self) -> LiveSession:
        """The session as it is told."""
        session = self.session
        return LiveSession(
            session_id=session.id,
            node_id=session.node_id,
            principal=session.principal,
            mode=session.mode,
            state=session.state,
            created_at=session.created_at,
            address=self.client.address,
            command=session.command,
            resumed=self.is_resume,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
        )


class SessionRouter:
    """Finds a route by either of its ends."""

    def __init__(self) -> None:
        self._routes: dict[Peer, dict[int, SessionRoute]] = {}
        self._by_id: dict[str, SessionRoute] = {}
        self._held: dict[tuple[str, str], int] = {}
        """How many each principal has at each node, and, with an empty node id, in all."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[SessionRoute]:
        return iter(self._by_id.values())

    def add(self, route: SessionRoute) -> None:
        """Enter a route under its id and both its ends, which must be free."""
        self._routes.setdefault(route.client, {})[route.client_channel] = route
        self._routes.setdefault(route.node, {})[route.node_channel] = route
        self._by_id[route.asked_id] = route
        for place in _places(route.session):
            self._held[place] = self._held.get(place, 0) + 1

    def find(self, peer: Peer, channel: int) -> SessionRoute | None:
        """Return the route that has this end."""
        routes = self._routes.get(peer)
        return routes.get(channel) if routes is not None else None

    def carried(self, route_id: str) -> tuple[int, int] | None:
        """Return how many bytes a route has carried, in and out; None once it is gone."""
        route = self._by_id.get(route_id)
        return (route.bytes_in, route.bytes_out) if route is not None else None

    def is_carried(self, route: SessionRoute) -> bool:
        """Tell whether a route has not been removed."""
        return self.find(route.client, route.client_channel) is route

    def of_peer(self, peer: Peer) -> list[SessionRoute]:
        """Return all routes that have an end at this connection."""
        return list(self._routes.get(peer, {}).values())

    def count(self, peer: Peer) -> int:
        """Return how many routes have an end at this connection."""
        return len(self._routes.get(peer, ()))

    def held(self, principal: str, node_id: str = "") -> int:
        """Return how many sessions a principal has, at one node or in all."""
        return self._held.get((principal, node_id), 0)

    def remove(self, route: SessionRoute) -> None:
        """Forget a route. Idempotent."""
        if self._drop(route.client, route.client_channel, route):
            del self._by_id[route.asked_id]
            for place in _places(route.session):
                left = self._held.pop(place) - 1
                if left:
                    self._held[place] = left
        self._drop(route.node, route.node_channel, route)

    def _drop(self, peer: Peer, channel: int, route: SessionRoute) -> bool:
        routes = self._routes.get(peer)
        if routes is None or routes.get(channel) is not route:
            return False
        del routes[channel]
        if not routes:
            del self._routes[peer]
        return True


def _places(session: Session) -> tuple[tuple[str, str], tuple[str, str]]:
    return (session.principal, session.node_id), (session.principal, "")
