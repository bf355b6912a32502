"""What a client knows of its hub's live state, whichever way it learned it. A plain object without I/O."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar, cast

import msgspec

from omnyshell.clock import Clock, SystemClock
from omnyshell.model.admin import AuditEntry
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.model.live import ITEM_PARTS, LiveItem, LiveNode, LivePeer, LiveSession, LiveTunnel, Part, Scope
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.protocol.messages.events import EventsDelta, EventsSnapshot, EventsUpdate

AUDIT_KEPT = 2_000
"""Audit records that are kept, the newest ones."""

T = TypeVar("T", LiveNode, LiveSession, LiveTunnel, LivePeer)


class Source(Enum):
    """How a part is known."""

    UNKNOWN = auto()
    """Not at all: the hub does not say it, or not to this principal, or has not been reached yet."""

    POLLED = auto()
    """By asking now and then what the plain protocol has."""

    LIVE = auto()
    """By the extension `events`."""


class Link(Enum):
    """The connection that the state comes through."""

    CONNECTING = auto()
    """Being dialed for the first time."""

    UP = auto()
    """The whole state has been said, and is kept up to date."""

    LOST = auto()
    """Being dialed again; the state is what was last known."""

    REFUSED = auto()
    """Given up: the hub refused the credential, or there is a mistake that only people can mend."""


class Change(NamedTuple):
    """One thing that changed. `before` is None for something new; `after` has `gone` set for what has ended.

    For `Part.AUDIT`, `after` is the new record; for `Part.METRICS`, the figures.
    """

    part: Part
    before: LiveItem | LiveMetrics | None
    after: LiveItem | LiveMetrics | AuditRecord


Listener = Callable[[frozenset[Part]], None]
ChangeListener = Callable[[Change], None]


class HubState:
    """The nodes, sessions, tunnels, connections, figures and audit records of a hub, as last known.

    Read the mappings whenever they are needed: they are views, keyed by each item's `key`. Items are replaced, never
    changed, so that one may keep and compare them. What the hub said stays when the link to it is lost; `link` and
    `updated_at` tell. Everything happens in one thread.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._nodes: _Table[LiveNode] = _Table(Part.NODES)
        self._sessions: _Table[LiveSession] = _Table(Part.SESSIONS)
        self._tunnels: _Table[LiveTunnel] = _Table(Part.TUNNELS)
        self._peers: _Table[LivePeer] = _Table(Part.PEERS)
        self._audit: deque[AuditRecord] = deque(maxlen=AUDIT_KEPT)
        self._metrics: LiveMetrics | None = None
        self._link = Link.CONNECTING
        self._link_error = ""
        self._round_trip: float | None = None
        self._scope = Scope.OWN
        self._missed_records = 0
        self._sources = dict.fromkeys(Part, Source.UNKNOWN)
        self._versions = dict.fromkeys(Part, 0)
        self._updated: dict[Part, float] = {}
        self._listeners: list[Listener] = []
        self._change_listeners: list[ChangeListener] = []
        self.nodes: Mapping[str, LiveNode] = MappingProxyType(self._nodes.items)
        self.sessions: Mapping[str, LiveSession] = MappingProxyType(self._sessions.items)
        self.tunnels: Mapping[str, LiveTunnel] = MappingProxyType(self._tunnels.items)
        self.peers: Mapping[str, LivePeer] = MappingProxyType(self._peers.items)

    # What is known

    @property
    def metrics(self) -> LiveMetrics | None:
        """The hub's figures; None where they are not known."""
        return self._metrics

    @property
    def audit(self) -> Sequence[AuditRecord]:
        """The newest audit records, oldest first; at most `AUDIT_KEPT`."""
        return self._audit

    @property
    def missed_records(self) -> int:
        """How many audit records the hub could not deliver, because this client did not keep up."""
        return self._missed_records

    @property
    def link(self) -> Link:
        """How the connection to the hub is."""
        return self._link

    @property
    def link_error(self) -> str:
        """Why the link is `LOST` or `REFUSED`; empty otherwise."""
        return self._link_error

    @property
    def round_trip(self) -> float | None:
        """Seconds to the hub and back, as measured last; None where it is not known."""
        return self._round_trip

    @property
    def scope(self) -> Scope:
        """Whether `LIVE` parts hold what belongs to everyone, or to this principal alone."""
        return self._scope

    def source(self, part: Part) -> Source:
        """How a part is known."""
        return self._sources[part]

    def updated_at(self, part: Part) -> float | None:
        """When the part was last known to be true, on the monotonic clock; None for never.

        For a part that is `LIVE` over a link that is up, that is now.
        """
        if self._sources[part] is Source.LIVE and self._link is Link.UP:
            return self._clock.monotonic()
        return self._updated.get(part)

    def age(self, part: Part) -> float | None:
        """Seconds since the part was last known to be true; None for never."""
        updated = self.updated_at(part)
        return self._clock.monotonic() - updated if updated is not None else None

    def version(self, part: Part) -> int:
        """A number that grows with each change of the part."""
        return self._versions[part]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called after each change with the parts that changed; returns what ends that.

        A change of link, round trip, scope or sources comes as an empty set.
        """
        return _enlist(self._listeners, listener)

    def watch(self, listener: ChangeListener) -> Callable[[], None]:
        """Have `listener` called with every single change, traffic left out; returns what ends that."""
        return _enlist(self._change_listeners, listener)

    # What a feed calls

    def set_link(self, link: Link, error: str = "") -> None:
        """Note how the connection is."""
        if (link, error) == (self._link, self._link_error):
            return
        if self._link is Link.UP:
            now = self._clock.monotonic()
            self._updated.update({part: now for part in Part if self._sources[part] is Source.LIVE})
        self._link, self._link_error = link, error
        if link is not Link.UP:
            self._round_trip = None
        self._tell(set())

    def set_round_trip(self, seconds: float) -> None:
        """Note how long the hub takes to answer."""
        self._round_trip = seconds
        self._tell(set())

    def add_missed_records(self, count: int) -> None:
        """Note audit records that will not come."""
        self._missed_records += count

    def apply(self, update: EventsUpdate) -> None:
        """Take a snapshot's piece or a delta. Their order is the caller's to check."""
        if isinstance(update, EventsSnapshot) and update.first:
            self._begin_snapshot(update)
        changed: set[Part] = set()
        self._put_all(self._nodes, update.nodes, changed)
        self._put_all(self._sessions, update.sessions, changed)
        self._put_all(self._tunnels, update.tunnels, changed)
        self._put_all(self._peers, update.peers, changed)
        if update.metrics is not None:
            self._set_metrics(update.metrics, changed)
        self._add_records(update.records, changed, once=isinstance(update, EventsSnapshot))
        if isinstance(update, EventsDelta):
            self._count(self._sessions, update.session_traffic, changed)
            self._count(self._tunnels, update.tunnel_traffic, changed)
        elif isinstance(update, EventsSnapshot) and update.last:
            self._end_snapshot(update, changed)
        self._tell(changed)

    def set_polled(self, part: Part, items: Iterable[LiveItem]) -> None:
        """Take a whole part, one that has items, as an answer of the plain protocol says it."""
        table = cast("_Table[LiveNode]", self._table(part))
        table.begin()
        changed: set[Part] = set()
        self._put_all(table, cast("Iterable[LiveNode]", items), changed)
        self._drop_unseen(table, changed)
        self._sources[part] = Source.POLLED
        self._updated[part] = self._clock.monotonic()
        self._tell(changed)

    def forget_sources(self) -> None:
        """Take no part as known from now on, until it is said anew; what was known stays to be seen."""
        self._sources = dict.fromkeys(Part, Source.UNKNOWN)
        self._tell(set())

    # The rest

    def _begin_snapshot(self, piece: EventsSnapshot) -> None:
        if piece.scope is not self._scope:
            # Other rights than before: what was seen with those is not to be seen any more.
            self._scope = piece.scope
            self._audit.clear()
            self._metrics = None
        for part in ITEM_PARTS:
            if part in piece.parts:
                self._table(part).begin()

    def _end_snapshot(self, piece: EventsSnapshot, changed: set[Part]) -> None:
        for part in Part:
            known = part in piece.parts
            self._sources[part] = Source.LIVE if known else Source.UNKNOWN
            if known and part in ITEM_PARTS:
                self._drop_unseen(cast("_Table[LiveNode]", self._table(part)), changed)

    def _table(self, part: Part) -> "_Table[LiveNode] | _Table[LiveSession] | _Table[LiveTunnel] | _Table[LivePeer]":
        tables = (self._nodes, self._sessions, self._tunnels, self._peers)
        return next(table for table in tables if table.part is part)

    def _put_all(self, table: "_Table[T]", items: Iterable[T], changed: set[Part]) -> None:
        for item in items:
            before = table.put(item)
            if before != item:
                self._note(Change(table.part, before, item), changed)

    def _drop_unseen(self, table: "_Table[T]", changed: set[Part]) -> None:
        for item in table.drop_unseen():
            after = msgspec.structs.replace(item, gone=True)
            self._note(Change(table.part, item, after), changed)

    def _set_metrics(self, metrics: LiveMetrics, changed: set[Part]) -> None:
        before, self._metrics = self._metrics, metrics
        if before != metrics:
            self._note(Change(Part.METRICS, before, metrics), changed)

    def _add_records(self, entries: Sequence[AuditEntry], changed: set[Part], *, once: bool) -> None:
        known = set(self._audit) if once and entries else frozenset[AuditRecord]()
        for entry in entries:
            record = AuditRecord(at=entry.at, **{name: getattr(entry, name) for name in TEXT_FIELDS})
            if record not in known:
                self._audit.append(record)
                self._note(Change(Part.AUDIT, None, record), changed)

    def _count(self, table: "_Table[T]", traffic: Iterable[SessionTraffic | TunnelTraffic], changed: set[Part]) -> None:
        for counted in traffic:
            item = table.items.get(counted.key)
            if item is not None:
                table.items[counted.key] = msgspec.structs.replace(item, **counted.counters)
                self._versions[table.part] += 1
                changed.add(table.part)

    def _note(self, change: Change, changed: set[Part]) -> None:
        self._versions[change.part] += 1
        changed.add(change.part)
        for listener in tuple(self._change_listeners):
            listener(change)

    def _tell(self, changed: set[Part]) -> None:
        for listener in tuple(self._listeners):
            listener(frozenset(changed))


class _Table(Generic[T]):
    """The items of one part, and which of them a snapshot that is under way has named."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.items: dict[str, T] = {}
        self._seen: set[str] | None = None

    def begin(self) -> None:
        """A snapshot begins: what it does not name is not there."""
        self._seen = set()

    def put(self, item: T) -> T | None:
        """Take an item as it is now; returns what was known of it."""
        if item.gone:
            return self.items.pop(item.key, None)
        if self._seen is not None:
            self._seen.add(item.key)
        before = self.items.get(item.key)
        self.items[item.key] = item
        return before

    def drop_unseen(self) -> list[T]:
        """The snapshot is complete: forget, and return, what it did not name."""
        seen, self._seen = self._seen, None
        if seen is None:
            return []
        return [self.items.pop(key) for key in self.items.keys() - seen]


L = TypeVar("L")


def _enlist(listeners: list[L], listener: L) -> Callable[[], None]:
    listeners.append(listener)

    def remove() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return remove
