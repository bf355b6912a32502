"""The sessions that this hub relays, by their ids and by their ends."""

from collections import Counter
from collections.abc import Iterator

from omnyshell.ids import matches_ref
from omnyshell.protocol.messages import SessionOpen
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.sessions.relay import ClientEnd, NodeEnd
from omnyshell.services.hub.sessions.route import RouteCounters, SessionRoute

_Place = tuple[str, str, bool]
"""A principal, a node's id, and whether forwards are meant."""


class SessionRouter:
    """Finds a route by either of its ends."""

    def __init__(self) -> None:
        self._of: dict[FarEnd, dict[str, SessionRoute]] = {}
        self._by_id: dict[str, SessionRoute] = {}
        self._held: dict[_Place, int] = {}
        """The number of sessions that each principal has attached at each node, and, under an empty node id, in all."""

        self._forwards: Counter[FarEnd] = Counter()
        """How many forwards lead to each node."""

        self._ahead: dict[str, set[SessionRoute]] = {}
        """By principal, the connections that were asked for ahead, and are not used."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[SessionRoute]:
        return iter(self._by_id.values())

    def add(self, client: ClientEnd, node: NodeEnd) -> None:
        """Add a route. The channels of its ends must have no owner."""
        route = client.route
        route.client.channels[route.client_channel] = client
        route.node.channels[route.node_channel] = node
        for end in (client, node):
            self._of.setdefault(end.peer, {})[route.asked_id] = route
        self._by_id[route.asked_id] = route
        if route.is_forward:
            self._forwards[route.node] += 1
        if route.is_ahead:
            self._ahead.setdefault(route.client.principal.id, set()).add(route)
        for place in _places(route):
            self._held[place] = self._held.get(place, 0) + 1

    def used(self, route: SessionRoute, deadline: float) -> None:
        """Count a connection that was asked for ahead as one; its node must answer by this deadline."""
        self._forget_ahead(route)
        route.use(deadline)

    def ahead_of(self, principal: str) -> list[SessionRoute]:
        """Return the connections that a principal asked for ahead, and has not used."""
        return list(self._ahead.get(principal, ()))

    def carried(self, route_id: str) -> RouteCounters | None:
        """Return how much a route has relayed; None once it is removed."""
        route = self._by_id.get(route_id)
        return route.counters if route is not None else None

    def is_carried(self, route: SessionRoute) -> bool:
        """Tell whether a route is still there."""
        return self._by_id.get(route.asked_id) is route

    def of_peer(self, peer: FarEnd) -> list[SessionRoute]:
        """Return all routes that have an end at this connection."""
        return list(self._of.get(peer, {}).values())

    def takers_of(self, route: SessionRoute) -> Iterator[str]:
        """Yield the principals that are taking up a session which this route still carries."""
        session = route.session
        return (
            other.client.principal.id
            for other in self.of_peer(route.node)
            if other.resumes and not other.is_open and other.session.principal == session.principal
            if matches_ref(session.id, other.resumes)
        )

    def forward_of(self, client: FarEnd, request: SessionOpen) -> SessionRoute | None:
        """Return the permission under which a client asks for a connection; None where it has none of that id."""
        if request.forward is None:
            return None
        found = self._of.get(client, {}).get(request.forward)
        if found is not None and _is_permission(found, request):
            return found
        # One that was resumed stands under another id.
        return next((each for each in self.of_peer(client) if _is_permission(each, request)), None)

    def count(self, peer: FarEnd) -> int:
        """Return how many routes have an end at this connection."""
        return len(self._of.get(peer, ()))

    def held(self, principal: str, node_id: str = "", *, forwards: bool = False) -> int:
        """Return how many sessions a principal has, at one node or in all; or how many `forwards`."""
        return self._held.get((principal, node_id, forwards), 0)

    def sessions_at(self, node: FarEnd) -> int:
        """Return how many routes have an end at this node that count toward its sessions: forwards do not."""
        return self.count(node) - self._forwards.get(node, 0)

    def remove(self, route: SessionRoute) -> None:
        """Remove a route; its channels then have no owner. Idempotent."""
        if not self.is_carried(route):
            return
        del self._by_id[route.asked_id]
        route.disconnect()
        for each in list(route.connections):
            each.disconnect()
            # It goes on by itself.
            each.forward = None
        self._forget_ahead(route)
        if route.is_forward:
            self._forwards[route.node] -= 1
            if not self._forwards[route.node]:
                del self._forwards[route.node]
        for peer, channel in ((route.client, route.client_channel), (route.node, route.node_channel)):
            del peer.channels[channel]
            del self._of[peer][route.asked_id]
            if not self._of[peer]:
                del self._of[peer]
        for place in _places(route):
            left = self._held.pop(place) - 1
            if left:
                self._held[place] = left

    def _forget_ahead(self, route: SessionRoute) -> None:
        who = route.client.principal.id
        theirs = self._ahead.get(who, set())
        theirs.discard(route)
        if not theirs:
            self._ahead.pop(who, None)


def _is_permission(route: SessionRoute, request: SessionOpen) -> bool:
    is_meant = request.forward in (route.session.id, route.resumes) and route.session.node_id == request.node_id
    return is_meant and route.is_permission


def _places(route: SessionRoute) -> tuple[_Place, _Place]:
    who, is_forward = route.client.principal.id, route.is_forward
    return (who, route.session.node_id, is_forward), (who, "", is_forward)
