"""The sessions of all principals: those that the hub relays, and those that are detached on their nodes.

No I/O: it is fed with the hub's events and nodes' reports; `clock` is for displayed times.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from omnyshell.clock import Clock
from omnyshell.ids import matches_ref
from omnyshell.model.live import LiveSession, Part, session_key
from omnyshell.model.live_figures import SessionTraffic
from omnyshell.model.sessions import CloseReason, DetachedSessionInfo, SessionMode, SessionState
from omnyshell.services.hub.ground.event_bus import KillEvent, SessionEvent, WatchEvent
from omnyshell.services.hub.live.away import AwaySessions
from omnyshell.services.hub.live.rates import Rates
from omnyshell.services.hub.live.text import clean
from omnyshell.services.hub.sessions.route import RouteCounters

LONGEST_ID = 128
MAX_OF_NODE = 1_000
"""The most sessions in one report of a node."""

AWAY_AT_MOST = 86_400.0
"""Seconds that a session of an offline node is shown at most, whatever end its node has told."""

Mark = Callable[[Part, str, str, LiveSession | None], None]
"""Called with a part, the key and owner of the changed item, and the item's final state if it has ended."""


Carried = Callable[[str], RouteCounters | None]
"""Returns how much a route has relayed; None once it is gone."""


class SessionEntry:
    """One session. `route_id` is the id of its route; empty while the session is detached."""

    __slots__ = ("_carried", "_connections", "_rates", "end_reason", "is_here", "item", "route_id", "since", "watchers")

    def __init__(
        self, item: LiveSession, since: float, carried: Carried, route_id: str = "", *, is_here: bool = True
    ) -> None:
        self.item = item
        """The session, with its counters as of the last sample."""

        self.route_id = route_id
        self.since = since
        """When the hub itself last knew its state, on the monotonic clock."""

        self.end_reason = ""
        """The reason to report if its node no longer lists it, as far as the hub knows."""

        self.is_here = is_here
        """Whether its node is connected with this hub, so that it is known here once nobody has it attached."""

        self.watchers: set[tuple[str, str]] = set()
        """Who looks at it, each with the reference by which it does."""

        self._carried = carried
        self._rates = Rates(item.bytes_in, item.bytes_out)
        self._connections = item.connections, item.connections_total

    @property
    def node_id(self) -> str:
        """Where it runs."""
        return self.item.node_id

    @property
    def principal(self) -> str:
        """Its owner."""
        return self.item.principal

    @property
    def is_shell(self) -> bool:
        """Whether it can be detached."""
        return self.item.mode is SessionMode.SHELL

    def sample(self, seconds: float) -> bool:
        """Compute the rates of the last `seconds`; returns whether any counter changed."""
        counted = self._carried(self.route_id)
        if counted is None:
            return False
        had, self._connections = self._connections, (counted.connections, counted.connections_total)
        return self._rates.sample(counted.bytes_in, counted.bytes_out, seconds) or had != self._connections

    def watch(self, session_ref: str, watcher: str, *, is_watching: bool) -> bool:
        """Note that a principal looks at it, or does so no more; return whether that is news."""
        (self.watchers.add if is_watching else self.watchers.discard)((session_ref, watcher))
        before, self.item.watched_by = self.item.watched_by, tuple(sorted({who for _, who in self.watchers}))
        return self.item.watched_by != before

    def describe(self) -> LiveSession:
        """The present state of the session."""
        item, counted = self.item, self._carried(self.route_id)
        if counted is not None:
            item.bytes_in, item.bytes_out, item.connections, item.connections_total = counted
            item.rate_in, item.rate_out = self._rates.rate_in, self._rates.rate_out
        return item

    def traffic(self) -> SessionTraffic:
        """The present counters."""
        item = self.describe()
        return SessionTraffic(
            node_id=item.node_id,
            session_id=item.session_id,
            bytes_in=item.bytes_in,
            bytes_out=item.bytes_out,
            rate_in=item.rate_in,
            rate_out=item.rate_out,
            connections=item.connections,
            connections_total=item.connections_total,
        )


class LiveSessions:
    """Keeps an entry for each session, and reports changes through `mark`."""

    def __init__(
        self,
        mark: Mark,
        clock: Clock,
        carried: Carried,
        keeps_sessions: Callable[[str], bool],
        is_connected: Callable[[str], bool],
    ) -> None:
        self._mark = mark
        self._clock = clock
        self._carried = carried
        self._keeps_sessions = keeps_sessions
        """Tells whether a connected node keeps the shells of lost clients."""

        self._is_connected = is_connected
        self._away = AwaySessions()
        self._entries: dict[str, SessionEntry] = {}
        self._at: dict[str, dict[str, None]] = {}
        """The keys by node; nothing in it is empty."""

        self.unsure: set[str] = set()
        """Nodes that have to be asked about a session's fate; the caller that asks them empties it."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._entries))

    def find(self, key: str) -> SessionEntry | None:
        """Return the entry of that key."""
        return self._entries.get(key)

    def at(self, node_id: str) -> tuple[str, ...]:
        """Return the keys of the sessions at a node."""
        return tuple(self._at.get(node_id, ()))

    def start(self, carried: Iterable[SessionEvent]) -> None:
        """Begin with the sessions that the hub relays."""
        for event in carried:
            self.receive(event)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._at.clear()
        self._away.clear()
        self.unsure.clear()

    def nodes_with_shells(self) -> set[str]:
        """Return the nodes with shells, whose foreground command, directory or expiry may change."""
        return {entry.node_id for entry in self._entries.values() if entry.is_shell}

    def owners_at(self, node_id: str) -> set[str]:
        """Return the owners of the shells on a node."""
        shells = (entry for entry in self._entries.values() if entry.is_shell)
        return {entry.principal for entry in shells if entry.node_id == node_id}

    def count_detached(self) -> Counter[str]:
        """Return the number of detached sessions on each node."""
        return Counter(entry.node_id for entry in self._entries.values() if not entry.route_id)

    def sample(self, seconds: float, changed: Callable[[str, str], None]) -> None:
        """Compute all rates; `changed` gets key and owner of each session whose counters changed."""
        for key, entry in self._entries.items():
            if entry.sample(seconds):
                changed(key, entry.principal)
        self._forget_old()

    def receive(self, event: SessionEvent) -> None:
        """Handle an event of a session that the hub relays."""
        item = event.session
        if len(item.session_id) > LONGEST_ID:
            return
        if item.state is SessionState.OPENING:
            if not item.resumed:
                # A resumed session has an id already, which the node will tell.
                self._carry(event)
        elif item.state is SessionState.OPEN:
            if event.route_id != item.session_id:
                self._end(session_key(item.node_id, event.route_id), event.route_id)
            self._carry(event)
        elif item.state is SessionState.DETACHED:
            self._detach(event)
        else:
            self._closed(event)

    def report(
        self, node_id: str, infos: Iterable[DetachedSessionInfo], asked_at: float, principal: str | None = None
    ) -> None:
        """Merge a node's list of shells, of all principals or of one. `asked_at` is on the monotonic clock."""
        named = set()
        for info in list(infos)[:MAX_OF_NODE]:
            owner = principal or clean(info.owner_user_id)
            if owner and 0 < len(info.session_id) <= LONGEST_ID:
                named.add(session_key(node_id, info.session_id))
                self._reported(node_id, info, owner)
        for key, entry in list(self._entries.items()):
            is_asked = entry.node_id == node_id and principal in (None, entry.principal)
            if is_asked and not entry.route_id and key not in named and entry.since < asked_at:
                self._finish(key, entry.end_reason)

    def killed(self, event: KillEvent) -> None:
        """Note that a shell was killed, as the reason for when its node no longer lists it."""
        for entry in self._entries.values():
            is_meant = not entry.route_id and (entry.node_id, entry.principal) == (event.node_id, event.principal)
            if is_meant and matches_ref(entry.item.session_id, event.session_ref):
                entry.end_reason = CloseReason.NODE_CLOSED
                self.unsure.add(entry.node_id)

    def watched(self, event: WatchEvent) -> None:
        """Note who begins or ceases to look at a session."""
        for key, entry in self._entries.items():
            is_owners = (entry.node_id, entry.principal) == (event.node_id, event.principal)
            is_meant = is_owners and matches_ref(entry.item.session_id, event.session_ref)
            if is_meant and entry.watch(event.session_ref, event.watcher, is_watching=event.is_watching):
                self._mark(Part.SESSIONS, key, entry.principal, None)

    def node_gone(self, node_id: str) -> None:
        """Handle the loss of a node: what is detached there is away until the node is back, and lists what it has."""
        for key in self.at(node_id):
            entry = self._entries[key]
            if not entry.route_id:
                self._left(key, entry)

    # The rest

    def _left(self, key: str, entry: SessionEntry) -> None:
        if entry.end_reason:
            self._finish(key, entry.end_reason)
            return
        if not entry.item.away:
            entry.item.away, entry.since = True, self._clock.monotonic()
            self._mark(Part.SESSIONS, key, entry.principal, None)
        displaced = self._away.add(key, entry.node_id, entry.principal)
        if displaced is not None:
            self._finish(displaced, CloseReason.NODE_CLOSED)

    def _forget_old(self) -> None:
        """End what must have ended by now on nodes that are offline."""
        now, since = self._clock.now(), self._clock.monotonic() - AWAY_AT_MOST
        for key in self._away:
            entry = self._entries[key]
            ends = entry.item.expires_at
            if entry.since < since or (ends is not None and ends < now):
                self._finish(key, CloseReason.NODE_CLOSED)

    def _carry(self, event: SessionEvent) -> None:
        item = msgspec.structs.replace(event.session)
        before = self._entries.get(item.key)
        self._away.discard(item.key)
        is_here = self._is_connected(item.node_id)
        entry = SessionEntry(item, self._clock.monotonic(), self._carried, event.route_id, is_here=is_here)
        self._put(item.key, entry)
        if before is not None and before.route_id != event.route_id:
            known = before.item
            item.created_at = known.created_at
            item.command, item.cwd = item.command or known.command, known.cwd
        if before is not None:
            item.watched_by, entry.watchers = before.item.watched_by, before.watchers
        self._mark(Part.SESSIONS, item.key, item.principal, None)

    def _detach(self, event: SessionEvent) -> None:
        entry = self._carried_by(event.session.key, event.route_id)
        if entry is None:
            return
        if not entry.is_here:
            # The hub that has the node tells of it.
            self._finish(event.session.key, "")
            return
        item = entry.item
        item.bytes_in, item.bytes_out = event.session.bytes_in, event.session.bytes_out
        item.state = SessionState.DETACHED
        item.address, item.resumed, item.taken_by = "", False, ""
        item.detached_at, item.expires_at = self._clock.now(), event.expires_at
        item.rate_in = item.rate_out = 0
        entry.route_id, entry.since = "", self._clock.monotonic()
        self.unsure.add(item.node_id)
        self._mark(Part.SESSIONS, item.key, item.principal, None)

    def _closed(self, event: SessionEvent) -> None:
        entry = self._carried_by(event.session.key, event.route_id)
        if entry is None:
            return
        was_open = entry.is_here and entry.is_shell and entry.item.state is SessionState.OPEN
        node_id, reason = entry.node_id, event.reason
        if was_open and reason == CloseReason.CLIENT_DISCONNECTED and self._keeps_sessions(node_id):
            # The node detaches or ends the shell. It is asked which, and until its answer the shell is shown as
            # detached.
            self._detach(event)
        elif was_open and reason == CloseReason.NODE_CLOSED and not self._is_connected(node_id):
            # The same, once the node is back.
            self._detach(event)
            self._left(event.session.key, entry)
        else:
            entry.item.bytes_in, entry.item.bytes_out = event.session.bytes_in, event.session.bytes_out
            self._finish(event.session.key, event.reason)

    def _put(self, key: str, entry: SessionEntry) -> None:
        self._entries[key] = entry
        self._at.setdefault(entry.node_id, {})[key] = None

    def _pop(self, key: str) -> SessionEntry:
        entry = self._entries.pop(key)
        here = self._at[entry.node_id]
        del here[key]
        if not here:
            del self._at[entry.node_id]
        return entry

    def _end(self, key: str, route_id: str) -> None:
        if self._carried_by(key, route_id) is not None:
            self._finish(key, "")

    def _carried_by(self, key: str, route_id: str) -> SessionEntry | None:
        entry = self._entries.get(key)
        return entry if entry is not None and entry.route_id == route_id else None

    def _finish(self, key: str, reason: str) -> None:
        self._away.discard(key)
        item = self._pop(key).describe()
        item.state, item.gone, item.reason = SessionState.CLOSED, True, clean(reason)
        item.rate_in = item.rate_out = 0
        self._mark(Part.SESSIONS, key, item.principal, item)

    def _reported(self, node_id: str, info: DetachedSessionInfo, principal: str) -> None:
        key = session_key(node_id, info.session_id)
        entry = self._entries.get(key)
        command, cwd = clean(info.current_command or ""), clean(info.current_cwd or "")
        if entry is None:
            if info.state is not SessionState.DETACHED:
                # It is being resumed, or its opening is still under way.
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
                user=clean(info.user),
                **_usage_of(info),
            )
            self._put(key, SessionEntry(item, self._clock.monotonic(), self._carried))
            self._mark(Part.SESSIONS, key, principal, None)
            return
        self._away.discard(key)
        item = entry.item
        told = _told(item)
        item.memory, item.cpu_millis, item.processes = info.memory, info.cpu_millis, info.processes
        item.away, item.user = False, clean(info.user) or item.user
        item.command, item.cwd = command or item.command, cwd or item.cwd
        if item.resumed:
            # The session may be older than this hub's process.
            item.created_at = info.created_at
        if not entry.route_id:
            item.detached_at = info.detached_at or item.detached_at
            item.expires_at = info.expires_at or item.expires_at
        if told != _told(item):
            self._mark(Part.SESSIONS, key, item.principal, None)


def _told(item: LiveSession) -> tuple[object, ...]:
    """What a node tells of a session."""
    told = item.created_at, item.command, item.cwd, item.detached_at, item.expires_at, item.user, item.away
    return *told, *_usage_of(item).values()


def _usage_of(item: LiveSession | DetachedSessionInfo) -> dict[str, Any]:
    return {"memory": item.memory, "cpu_millis": item.cpu_millis, "processes": item.processes}
