"""The sessions of everyone: those that the hub carries, and those that wait detached in their nodes.

A plain object fed with what the hub does and with what nodes say; `clock` is for times that are shown.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from omnyshell.clock import Clock
from omnyshell.ids import matches_ref
from omnyshell.model.live import LiveSession, Part, SessionTraffic, session_key
from omnyshell.model.sessions import CloseReason, DetachedSessionInfo, SessionMode, SessionState
from omnyshell.services.hub.event_bus import KillEvent, SessionEvent
from omnyshell.services.hub.live.rates import Rates
from omnyshell.services.hub.live.text import clean
from omnyshell.services.hub.router import SessionRoute

LONGEST_ID = 128
MAX_OF_NODE = 1_000
"""Sessions that one report of a node may have."""

Mark = Callable[[Part, str, str, LiveSession | None], None]
"""Takes a part, the key of what changed, its owner, and its last word where it has ended."""


class SessionEntry:
    """One session. `route` is what carries it, or None while it is detached.

    Its item is made when it is asked for: a hub may carry ten thousand sessions when somebody begins to watch.
    """

    __slots__ = ("_item", "_rates", "end_reason", "mode", "node_id", "principal", "route", "since", "state")

    def __init__(self, route: SessionRoute | None, item: LiveSession | None, since: float) -> None:
        known = route.session if route is not None else item
        if known is None:
            raise ValueError("a session needs a route or an item")
        self.node_id = known.node_id
        self.principal = known.principal
        self.mode = known.mode
        self.state = known.state
        self.route = route
        self._item = item
        self.since = since
        """When its state was last known from the hub itself, on the monotonic clock."""

        self.end_reason = ""
        """Why it will be gone when its node tells of it no more, as far as the hub knows."""

        self._rates = Rates(route.bytes_in, route.bytes_out) if route is not None else Rates(0, 0)

    @property
    def item(self) -> LiveSession:
        """The session, without its counters as they are now."""
        if self._item is None:
            self._item = self._make_item()
        return self._item

    def _make_item(self) -> LiveSession:
        route = self.route
        if route is None:
            raise RuntimeError("a detached session has an item")
        session = route.session
        return LiveSession(
            session_id=session.id,
            node_id=session.node_id,
            principal=session.principal,
            mode=session.mode,
            state=self.state,
            created_at=session.created_at,
            address=route.client.address,
            command=session.command,
            resumed=route.is_resume,
        )

    def sample(self, seconds: float) -> bool:
        """Compute the rates of the last `seconds`; returns whether any counter changed."""
        route = self.route
        return route is not None and self._rates.sample(route.bytes_in, route.bytes_out, seconds)

    def describe(self) -> LiveSession:
        """The session as it is now."""
        item, route = self.item, self.route
        if route is not None:
            item.bytes_in, item.bytes_out = route.bytes_in, route.bytes_out
            item.rate_in, item.rate_out = self._rates.rate_in, self._rates.rate_out
        return item

    def traffic(self) -> SessionTraffic:
        """The counters as they are now."""
        item = self.describe()
        return SessionTraffic(
            node_id=item.node_id,
            session_id=item.session_id,
            bytes_in=item.bytes_in,
            bytes_out=item.bytes_out,
            rate_in=item.rate_in,
            rate_out=item.rate_out,
        )


class LiveSessions:
    """Keeps an entry for each session, and says through `mark` what changed."""

    def __init__(self, mark: Mark, clock: Clock, keeps_sessions: Callable[[str], bool]) -> None:
        self._mark = mark
        self._clock = clock
        self._keeps_sessions = keeps_sessions
        """Tells whether a node that is connected keeps the shells of clients that vanish."""

        self._entries: dict[str, SessionEntry] = {}
        self.unsure: set[str] = set()
        """Nodes that have to be asked what became of a session; whoever asks empties it."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._entries))

    def find(self, key: str) -> SessionEntry | None:
        """Return the entry of that key."""
        return self._entries.get(key)

    def start(self, routes: Iterable[SessionRoute]) -> None:
        """Begin with the sessions that the hub carries."""
        for route in routes:
            self.receive(SessionEvent(route))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.unsure.clear()

    def nodes_with_shells(self) -> set[str]:
        """Return the nodes whose sessions have a foreground command, a directory, or an end of their own."""
        return {entry.node_id for entry in self._entries.values() if entry.mode is SessionMode.SHELL}

    def owners_at(self, node_id: str) -> set[str]:
        """Return who has a shell on a node."""
        shells = (entry for entry in self._entries.values() if entry.mode is SessionMode.SHELL)
        return {entry.principal for entry in shells if entry.node_id == node_id}

    def count_detached(self) -> Counter[str]:
        """Return how many sessions wait in each node."""
        return Counter(entry.node_id for entry in self._entries.values() if entry.route is None)

    def sample(self, seconds: float, changed: Callable[[str, str], None]) -> None:
        """Compute all rates; `changed` gets key and owner of each session whose counters changed."""
        for key, entry in self._entries.items():
            if entry.sample(seconds):
                changed(key, entry.principal)

    def receive(self, event: SessionEvent) -> None:
        """Take what the hub did with a session."""
        route, state = event.route, event.route.session.state
        if len(route.session.id) > LONGEST_ID:
            return
        if state is SessionState.OPENING:
            if not route.is_resume:
                # What a resume leads to has an id already, which the node tells.
                self._carry(route)
        elif state is SessionState.OPEN:
            if route.asked_id != route.session.id:
                self._end(session_key(route.session.node_id, route.asked_id), route, "")
            self._carry(route)
        elif state is SessionState.DETACHED:
            self._detach(route, event.expires_at)
        else:
            self._closed(route, event.reason)

    def report(
        self, node_id: str, infos: Iterable[DetachedSessionInfo], asked_at: float, principal: str | None = None
    ) -> None:
        """Take a node's list of shells: of everyone, or of one principal. `asked_at` is on the monotonic clock."""
        named = set()
        for info in list(infos)[:MAX_OF_NODE]:
            if 0 < len(info.session_id) <= LONGEST_ID:
                named.add(session_key(node_id, info.session_id))
                self._reported(node_id, info, principal or clean(info.owner_user_id))
        for key, entry in list(self._entries.items()):
            is_asked = entry.node_id == node_id and principal in (None, entry.principal)
            if is_asked and entry.route is None and key not in named and entry.since < asked_at:
                self._finish(key, entry.end_reason)

    def killed(self, event: KillEvent) -> None:
        """A shell was killed in its node: once the node tells of it no more, that is why."""
        for entry in self._entries.values():
            is_meant = entry.route is None and (entry.node_id, entry.principal) == (event.node_id, event.principal)
            if is_meant and matches_ref(entry.item.session_id, event.session_ref):
                entry.end_reason = CloseReason.NODE_CLOSED
                self.unsure.add(entry.node_id)

    def node_gone(self, node_id: str) -> None:
        """A node left: what waits in it can be had when it comes back."""
        for key, entry in list(self._entries.items()):
            if entry.node_id == node_id and entry.route is None:
                self._finish(key, CloseReason.NODE_CLOSED)

    # The rest

    def _carry(self, route: SessionRoute) -> None:
        session = route.session
        key = session_key(session.node_id, session.id)
        before = self._entries.get(key)
        entry = self._entries[key] = SessionEntry(route, None, self._clock.monotonic())
        if before is not None and before.route is not route:
            item, known = entry.item, before.item
            item.created_at = known.created_at
            item.command, item.cwd = item.command or known.command, known.cwd
        self._mark(Part.SESSIONS, key, session.principal, None)

    def _detach(self, route: SessionRoute, expires_at: datetime | None) -> None:
        key = session_key(route.session.node_id, route.session.id)
        entry = self._entries.get(key)
        if entry is None or entry.route is not route:
            return
        item = entry.describe()
        item.state = entry.state = SessionState.DETACHED
        item.address, item.resumed = "", False
        item.detached_at, item.expires_at = self._clock.now(), expires_at
        item.rate_in = item.rate_out = 0
        entry.route, entry.since = None, self._clock.monotonic()
        self.unsure.add(item.node_id)
        self._mark(Part.SESSIONS, key, item.principal, None)

    def _closed(self, route: SessionRoute, reason: str) -> None:
        key = session_key(route.session.node_id, route.session.id)
        entry = self._entries.get(key)
        if entry is None or entry.route is not route:
            return
        was_lost = reason == CloseReason.CLIENT_DISCONNECTED and entry.state is SessionState.OPEN
        if was_lost and entry.mode is SessionMode.SHELL and self._keeps_sessions(entry.node_id):
            # The node detaches it, or ends it: it is asked, and the shell is shown as detached until it answers.
            self._detach(route, None)
        else:
            self._finish(key, reason)

    def _end(self, key: str, route: SessionRoute, reason: str) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.route is route:
            self._finish(key, reason)

    def _finish(self, key: str, reason: str) -> None:
        item = self._entries.pop(key).describe()
        item.state, item.gone, item.reason = SessionState.CLOSED, True, clean(reason)
        item.rate_in = item.rate_out = 0
        self._mark(Part.SESSIONS, key, item.principal, item)

    def _reported(self, node_id: str, info: DetachedSessionInfo, principal: str) -> None:
        key = session_key(node_id, info.session_id)
        entry = self._entries.get(key)
        command, cwd = clean(info.current_command or ""), clean(info.current_cwd or "")
        if entry is None:
            if info.state is not SessionState.DETACHED:
                # Being resumed, or so new that its opening is still on its way.
                return
            item = LiveSession(
                session_id=info.session_id,
                node_id=node_id,
                principal=principal,
                mode=SessionMode.SHELL,
                state=SessionState.DETACHED,
                created_at=info.created_at,
                command=command,
                cwd=cwd,
                detached_at=info.detached_at,
                expires_at=info.expires_at,
            )
            self._entries[key] = SessionEntry(None, item, self._clock.monotonic())
            self._mark(Part.SESSIONS, key, principal, None)
            return
        item = entry.item
        told = (item.created_at, item.command, item.cwd, item.detached_at, item.expires_at)
        item.command, item.cwd = command or item.command, cwd or item.cwd
        if item.resumed:
            # The hub may have been started after the session.
            item.created_at = info.created_at
        if entry.route is None:
            item.detached_at = info.detached_at or item.detached_at
            item.expires_at = info.expires_at or item.expires_at
        if told != (item.created_at, item.command, item.cwd, item.detached_at, item.expires_at):
            self._mark(Part.SESSIONS, key, item.principal, None)
