"""A client's copy of its hub's live state, from a subscription or from polling. No I/O."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar, cast

import msgspec

from omnyshell.clock import Clock, SystemClock
from omnyshell.model.admin import AuditEntry
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.model.live import (
    ITEM_PARTS,
    LiveHub,
    LiveItem,
    LiveNode,
    LivePeer,
    LiveSession,
    LiveTunnel,
    OwnRights,
    Part,
    Scope,
)
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.vitals import NodeVitals
from omnyshell.protocol.messages.events import EventsDelta, EventsSnapshot, EventsUpdate

AUDIT_KEPT = 2_000
"""How many of the newest audit records are kept."""

T = TypeVar("T", LiveNode, LiveSession, LiveTunnel, LivePeer, LiveHub)


class Source(Enum):
    """How the state of a part is got."""

    UNKNOWN = auto()
    """Not at all: the hub does not report it, or not to this principal, or was not reached yet."""

    POLLED = auto()
    """By polling with requests of the base protocol."""

    LIVE = auto()
    """By the extension `events`."""


class Link(Enum):
    """The connection that the state comes through."""

    CONNECTING = auto()
    """Being dialed for the first time."""

    UP = auto()
    """Connected: the whole state has arrived, and is kept up to date."""

    LOST = auto()
    """Being dialed again; the state is the last one known."""

    REFUSED = auto()
    """Given up: the hub refused the credential, or there is an error that a retry cannot solve."""


class Change(NamedTuple):
    """One change. `before` is None for a new item; `after` has `gone` set for an item that ended.

    For `Part.AUDIT`, `after` is the new record; for `Part.METRICS`, the figures.
    """

    part: Part
    before: LiveItem | LiveMetrics | None
    after: LiveItem | LiveMetrics | AuditRecord


Listener = Callable[[frozenset[Part]], None]
ChangeListener = Callable[[Change], None]


class HubState:
    """The nodes, sessions, tunnels, connections, figures and audit records of a hub, as last known.

    Where it is one of several, nodes, sessions, tunnels and connections are those of all, each with its `hub`, and
    `hubs` says how old what is known of each hub is.

    Read the mappings whenever they are needed: they are views, keyed by each item's `key`. Items are replaced, never
    changed, so that they can be kept and compared. Items stay when the link to the hub is lost; `link` and `updated_at`
    show that. Not thread-safe.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._nodes: _Table[LiveNode] = _Table(Part.NODES)
        self._sessions: _Table[LiveSession] = _Table(Part.SESSIONS)
        self._tunnels: _Table[LiveTunnel] = _Table(Part.TUNNELS)
        self._peers: _Table[LivePeer] = _Table(Part.PEERS)
        self._hubs: _Table[LiveHub] = _Table(Part.HUBS)
        self._audit: deque[AuditRecord] = deque(maxlen=AUDIT_KEPT)
        self._metrics: LiveMetrics | None = None
        self._link = Link.CONNECTING
        self._link_error = ""
        self._round_trip: float | None = None
        self.elsewhere = ""
        """The URL of the hub that tells of all, where that is another one than it was begun with."""

        self._scope = Scope.OWN
        self._own: OwnRights | None = None
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
        self.hubs: Mapping[str, LiveHub] = MappingProxyType(self._hubs.items)

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
        """The state of the connection to the hub."""
        return self._link

    @property
    def link_error(self) -> str:
        """Why the link is `LOST` or `REFUSED`; empty otherwise."""
        return self._link_error

    @property
    def round_trip(self) -> float | None:
        """The last measured round trip to the hub, in seconds; None if unknown."""
        return self._round_trip

    @property
    def scope(self) -> Scope:
        """Whether `LIVE` parts hold the items of all principals, or only this principal's."""
        return self._scope

    @property
    def own(self) -> OwnRights | None:
        """One's roles and rights, beside those on nodes; None where the hub does not tell."""
        return self._own

    def source(self, part: Part) -> Source:
        """How the state of a part is got."""
        return self._sources[part]

    def updated_at(self, part: Part) -> float | None:
        """When the part was last up to date, on the monotonic clock, in seconds; None for never.

        For a `LIVE` part with the link up, that is now.
        """
        if self._sources[part] is Source.LIVE and self._link is Link.UP:
            return self._clock.monotonic()
        return self._updated.get(part)

    def age(self, part: Part) -> float | None:
        """Seconds since the part was last up to date; None for never."""
        updated = self.updated_at(part)
        return self._clock.monotonic() - updated if updated is not None else None

    def version(self, part: Part) -> int:
        """A number that increases with each change of the part."""
        return self._versions[part]

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have `listener` called after each change with the parts that changed; return a function that ends this.

        A change of link, round trip, scope or sources is reported as an empty set.
        """
        return _enlist(self._listeners, listener)

    def watch(self, listener: ChangeListener) -> Callable[[], None]:
        """Have `listener` called with every single change except traffic; return a function that ends this."""
        return _enlist(self._change_listeners, listener)

    # What a feed calls

    def set_link(self, link: Link, error: str = "") -> None:
        """Set the state of the connection."""
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
        """Set the round trip to the hub."""
        self._round_trip = seconds
        self._tell(set())

    def add_missed_records(self, count: int) -> None:
        """Count audit records that the hub could not deliver."""
        self._missed_records += count

    def apply(self, update: EventsUpdate) -> None:
        """Apply a piece of a snapshot, or a delta. The caller checks their order."""
        if isinstance(update, EventsSnapshot) and update.first:
            self._begin_snapshot(update)
        changed: set[Part] = set()
        self._put_all(self._nodes, update.nodes, changed)
        self._put_all(self._sessions, update.sessions, changed)
        self._put_all(self._tunnels, update.tunnels, changed)
        self._put_all(self._peers, update.peers, changed)
        self._put_all(self._hubs, update.hubs, changed)
        if update.own is not None:
            self._own = update.own
        if update.metrics is not None:
            self._set_metrics(update.metrics, changed)
        self._add_records(update.records, changed, once=isinstance(update, EventsSnapshot))
        if isinstance(update, EventsDelta):
            self._count(self._sessions, update.session_traffic, changed)
            self._count(self._tunnels, update.tunnel_traffic, changed)
            self._take_vitals(update.node_vitals, changed)
        elif isinstance(update, EventsSnapshot) and update.last:
            self._end_snapshot(update, changed)
        self._tell(changed)

    def set_polled(self, part: Part, items: Iterable[LiveItem]) -> None:
        """Replace a part with the items in an answer of the base protocol."""
        table = cast("_Table[LiveNode]", self._table(part))
        table.begin()
        changed: set[Part] = set()
        self._put_all(table, cast("Iterable[LiveNode]", items), changed)
        self._drop_unseen(table, changed)
        self._sources[part] = Source.POLLED
        self._updated[part] = self._clock.monotonic()
        self._tell(changed)

    def forget_vitals(self) -> None:
        """Forget nodes' vitals, as those that were told are old."""
        for key, node in self._nodes.items.items():
            if node.vitals is not None:
                self._nodes.items[key] = msgspec.structs.replace(node, vitals=None)
        self._versions[Part.NODES] += 1
        self._tell({Part.NODES})

    def forget_sources(self) -> None:
        """Mark all parts as unknown until they arrive again; their items stay."""
        self._sources = dict.fromkeys(Part, Source.UNKNOWN)
        self._tell(set())

    # The rest

    def _begin_snapshot(self, piece: EventsSnapshot) -> None:
        if piece.scope is not self._scope:
            # The rights have changed: remove the items that were visible before.
            self._scope = piece.scope
            self._audit.clear()
            self._metrics = None
        self._own = None
        for part in ITEM_PARTS:
            if part in piece.parts:
                self._table(part).begin()

    def _end_snapshot(self, piece: EventsSnapshot, changed: set[Part]) -> None:
        for part in Part:
            known = part in piece.parts
            self._sources[part] = Source.LIVE if known else Source.UNKNOWN
            if known and part in ITEM_PARTS:
                self._drop_unseen(cast("_Table[LiveNode]", self._table(part)), changed)

    def _table(self, part: Part) -> "_AnyTable":
        tables = (self._nodes, self._sessions, self._tunnels, self._peers, self._hubs)
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

    def _take_vitals(self, told: Iterable[NodeVitals], changed: set[Part]) -> None:
        for each in told:
            before = self._nodes.items.get(each.node_id)
            if before is not None:
                after = self._nodes.items[each.node_id] = msgspec.structs.replace(before, vitals=each.vitals)
                self._note(Change(Part.NODES, before, after), changed)

    def _note(self, change: Change, changed: set[Part]) -> None:
        self._versions[change.part] += 1
        changed.add(change.part)
        for listener in tuple(self._change_listeners):
            listener(change)

    def _tell(self, changed: set[Part]) -> None:
        for listener in tuple(self._listeners):
            listener(frozenset(changed))


class _Table(Generic[T]):
    """The items of one part, and which of them an incomplete snapshot has named so far."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.items: dict[str, T] = {}
        self._seen: set[str] | None = None

    def begin(self) -> None:
        """Begin a snapshot: items that it does not name no longer exist."""
        self._seen = set()

    def put(self, item: T) -> T | None:
        """Store an item; return the one that it replaces, or None."""
        if item.gone:
            return self.items.pop(item.key, None)
        if self._seen is not None:
            self._seen.add(item.key)
        before = self.items.get(item.key)
        self.items[item.key] = item
        return before

    def drop_unseen(self) -> list[T]:
        """End a snapshot: remove and return the items that it did not name."""
        seen, self._seen = self._seen, None
        if seen is None:
            return []
        return [self.items.pop(key) for key in self.items.keys() - seen]


_AnyTable = _Table[LiveNode] | _Table[LiveSession] | _Table[LiveTunnel] | _Table[LivePeer] | _Table[LiveHub]

L = TypeVar("L")


def _enlist(listeners: list[L], listener: L) -> Callable[[], None]:
    listeners.append(listener)

    def remove() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return remove
