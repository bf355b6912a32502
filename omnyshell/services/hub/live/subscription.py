"""The pending changes of one subscription (extension `events`). No clock, no I/O.

It stores which items changed, not how: when a message can be sent, each is described in its present state. So memory is
bounded by the number of items, and many changes of one item are sent once. A snapshot is sent in the same way, in
pieces, with every item marked as changed; later changes follow in deltas.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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
)
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.vitals import MachineVitals, NodeVitals
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.events import EventsDelta, EventsLagged, EventsSnapshot
from omnyshell.services.hub.live.viewer import Viewer

PIECE_SIZE = 32 * 1024
"""Approximate characters of a message after which another one is begun; bounds its size, and the time to make it."""

ITEM_SIZE = 320
"""Estimated characters of an item, without texts chosen by peers."""

LOOK_SIZE = 160
"""Counted for an item that the viewer may not see, as checking that takes time too."""

TRAFFIC_SIZE = 100
VITALS_SIZE = 300
NOTHING_SAID = MachineVitals()
"""The vitals of a node that says nothing, or nothing any more."""

MAX_CHANGED = 10_000
MAX_RECORDS = 2_000
"""The most pending changes and audit records; with more, the subscriber gets a new snapshot."""


class LiveSource(Protocol):
    """The source of the state that is sent to subscribers."""

    def keys(self, part: Part) -> Sequence[str]:
        """Return the keys of a part's items."""

    def describe(self, part: Part, key: str, viewer: Viewer) -> LiveItem | None:
        """Return an item as the viewer may see it; None if there is none, or the viewer may not see it."""

    def traffic(self, part: Part, key: str, viewer: Viewer) -> SessionTraffic | TunnelTraffic | NodeVitals | None:
        """Return the counters of a session or tunnel, or the vitals of a node, as `describe` does."""

    def holds(self, part: Part, key: str) -> bool:
        """Whether a session, tunnel or connection that ended in one place is still known from another."""

    def ended(self, item: LiveItem, viewer: Viewer) -> LiveItem:
        """Return the last state of an item as the viewer may see it, who saw it or may hear of its end."""

    def owned_sessions(self) -> Iterator[tuple[str, str]]:
        """Yield the key and the owner of each session."""

    def metrics(self) -> LiveMetrics:
        """Return the hub's figures."""

    def records(self, viewer: Viewer, since: datetime | None, limit: int) -> list[AuditRecord]:
        """Return the newest audit records that the viewer may see, oldest first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The parts and records that a subscriber asked for."""

    parts: frozenset[Part]
    audit_since: datetime | None = None
    audit_limit: int = 200


class Subscription:
    """Collects changes, and makes messages from them, numbered from 1.

    Report changes by `mark...` and `add_record`; `take` returns the next message, or None.
    """

    def __init__(
        self, subscription_id: str, viewer: Viewer, wanted: Wanted, source: LiveSource, *, is_hubs: bool = False
    ) -> None:
        """`is_hubs` says that another hub subscribes, which hears nothing of what third ones tell."""
        self.id = subscription_id
        self.is_hubs = is_hubs
        self.viewer = viewer
        self.parts = wanted.parts & viewer.parts
        self.looks = False
        """Whether the subscriber is told of nodes' vitals."""

        self._wanted = wanted
        self._source = source
        self._sequence = 0
        self._changed: dict[tuple[Part, str], LiveItem | None] = {}
        self._counted: dict[tuple[Part, str], None] = {}
        self._owed_vitals: Collection[str] = ()
        """The nodes whose vitals are to be told, as the subscriber looks anew."""

        self._told: set[tuple[Part, str]] = set()
        """The items sent to a viewer that may not see everything; it is told only of the end of these."""

        self._records: deque[AuditRecord] = deque()
        self._has_metrics = False
        self._owes_rights = False
        self._told_rights: OwnRights | None = None
        self._missed = 0
        self._has_lagged = False
        self._snapshot: _Snapshot | None = None
        self._begin(self._source.records(viewer, wanted.audit_since, wanted.audit_limit))

    @property
    def has_work(self) -> bool:
        """Whether there may be something to send."""
        return bool(
            self._has_lagged
            or self._snapshot is not None
            or self._changed
            or self._counted
            or self._owed_vitals
            or self._records
            or self._has_metrics
            or self._owes_rights
        )

    # What happens

    def mark(self, part: Part, key: str, owner: str | None, final: LiveItem | None = None) -> None:
        """Mark an item as changed; `final` is its final state if it has ended."""
        if self._has_lagged or part not in self.parts or not self._may_see(part, key, owner):
            return
        if final is not None and self._source.holds(part, key):
            final = None
        if final is not None and not (self._has_told(part, key) or self.viewer.may_hear_the_end(final)):
            return
        self._changed[part, key] = final
        if len(self._changed) > MAX_CHANGED:
            self.fall_behind()

    def mark_traffic(self, part: Part, key: str, owner: str | None) -> None:
        """Mark the counters of a session or tunnel as changed."""
        if not self._has_lagged and part in self.parts and self._may_see(part, key, owner):
            self._counted[part, key] = None

    def look(self, known: Collection[str], *, looks: bool) -> None:
        """Tell of nodes' vitals from now on, or no longer.

        `known` are the nodes of which some are known, as they change. It takes no time, however many those are.
        """
        self._owed_vitals = known if looks else ()
        self.looks = looks

    def mark_vitals(self, node_id: str) -> None:
        """Mark the vitals of a node as changed."""
        if self.looks:
            self.mark_traffic(Part.NODES, node_id, None)

    def mark_rights(self) -> None:
        """Mark the subscriber's own rights as changed."""
        self._owes_rights = self.viewer.hears_rights

    def mark_metrics(self) -> None:
        """Mark the hub's figures as changed."""
        self._has_metrics = Part.METRICS in self.parts and not self._has_lagged

    def add_record(self, record: AuditRecord) -> None:
        """Add an audit record."""
        if Part.AUDIT not in self.parts or not self.viewer.owns(record.principal):
            return
        if self._has_lagged:
            self._missed += 1
            return
        self._records.append(record)
        if len(self._records) > MAX_RECORDS:
            self.fall_behind()

    def fall_behind(self) -> None:
        """Drop all pending changes of a subscriber that is too slow; it gets a new snapshot when it has room.

        Idempotent.
        """
        self._missed += len(self._records)
        if self._snapshot is not None:
            self._missed += len(self._snapshot.records)
        self._has_lagged = True
        self._forget()

    # What is told

    def take(self, now: datetime) -> ControlMessage | None:
        """Return the next message; None if there is nothing to send."""
        if self._has_lagged:
            return self._lagged()
        if self._snapshot is not None:
            return self._piece(self._snapshot, now)
        return self._delta(now)

    def _lagged(self) -> EventsLagged:
        self._has_lagged = False
        kept = self._source.records(self.viewer, None, min(self._wanted.audit_limit, self._missed))
        missed, self._missed = self._missed - len(kept), 0
        self._begin(kept)
        return EventsLagged(subscription_id=self.id, seq=self._next(), missed_records=max(0, missed))

    def _begin(self, records: list[AuditRecord]) -> None:
        self._told.clear()
        self._snapshot = _Snapshot(None, deque(records if Part.AUDIT in self.parts else ()))

    def _forget(self) -> None:
        self._changed.clear()
        self._counted.clear()
        self._owed_vitals = ()
        self._records.clear()
        self._has_metrics = False
        self._snapshot = None

    def _piece(self, snapshot: "_Snapshot", now: datetime) -> EventsSnapshot:
        content = _Content()
        if snapshot.keys is None:
            parts = [part for part in ITEM_PARTS if part in self.parts]
            snapshot.keys = [(part, key) for part in parts for key in self._source.keys(part)]
            snapshot.keys.reverse()
        while snapshot.keys and not content.is_full:
            part, key = snapshot.keys.pop()
            item = self._describe(part, key)
            if item is None or item.gone:
                content.size += LOOK_SIZE
            else:
                content.add(part, item)
                self._note(part, key, item)
                if self._changed.get((part, key), item) is None:
                    # Its present state is in the message.
                    del self._changed[part, key]
        content.add_records(snapshot.records)
        is_last = not snapshot.keys and not snapshot.records
        first, snapshot.is_begun = not snapshot.is_begun, True
        if first:
            self._owes_rights, self._told_rights = self.viewer.hears_rights, None
        if is_last:
            self._snapshot = None
        return EventsSnapshot(
            subscription_id=self.id,
            seq=self._next(),
            at=now,
            scope=self.viewer.scope,
            parts=tuple(part.value for part in Part if part in self.parts),
            first=first,
            last=is_last,
            nodes=tuple(content.nodes),
            sessions=tuple(content.sessions),
            tunnels=tuple(content.tunnels),
            peers=tuple(content.peers),
            hubs=tuple(content.hubs),
            metrics=self._source.metrics() if is_last and Part.METRICS in self.parts else None,
            records=tuple(content.records),
            own=self._own_rights(),
        )

    def _delta(self, now: datetime) -> EventsDelta | None:
        content = _Content()
        self._take_changed(content)
        if not self._changed:
            self._take_counted(content)
        content.add_records(self._records)
        metrics = self._source.metrics() if self._has_metrics else None
        self._has_metrics = False
        own = self._own_rights()
        if not content.size and metrics is None and own is None:
            return None
        return EventsDelta(
            subscription_id=self.id,
            seq=self._next(),
            at=now,
            nodes=tuple(content.nodes),
            sessions=tuple(content.sessions),
            tunnels=tuple(content.tunnels),
            peers=tuple(content.peers),
            hubs=tuple(content.hubs),
            metrics=metrics,
            records=tuple(content.records),
            session_traffic=tuple(content.session_traffic),
            tunnel_traffic=tuple(content.tunnel_traffic),
            node_vitals=tuple(content.node_vitals),
            own=own,
        )

    def _describe(self, part: Part, key: str) -> LiveItem | None:
        item = self._source.describe(part, key, self.viewer)
        if self.looks and isinstance(item, LiveNode):
            told = self._source.traffic(part, key, self.viewer)
            item.vitals = told.vitals if isinstance(told, NodeVitals) and told.vitals != NOTHING_SAID else None
        return item

    def _own_rights(self) -> OwnRights | None:
        """Return the subscriber's own rights if they are due, and are others than it knows."""
        if not self._owes_rights:
            return None
        self._owes_rights = False
        before, self._told_rights = self._told_rights, self.viewer.own()
        return self._told_rights if self._told_rights != before else None

    def _may_see(self, part: Part, key: str, owner: str | None) -> bool:
        """Whether an item may be the viewer's to see, or was; it is asked again when the item is described."""
        if self.viewer.owns(owner) or (part, key) in self._told:
            return True
        return part is Part.SESSIONS and self.viewer.reaches(key.partition("/")[0])

    def _take_changed(self, content: "_Content") -> None:
        while self._changed and not content.is_full:
            key = next(iter(self._changed))
            final = self._changed.pop(key)
            # The item contains its counters.
            self._counted.pop(key, None)
            item = self._source.ended(final, self.viewer) if final is not None else self._describe(*key)
            if item is None or (final is None and item.gone and not self._has_told(*key)):
                content.size += LOOK_SIZE
            else:
                content.add(key[0], item)
                self._note(*key, item)

    def _has_told(self, part: Part, key: str) -> bool:
        return self.viewer.is_admin or (part, key) in self._told

    def _note(self, part: Part, key: str, item: LiveItem) -> None:
        if item.gone:
            self._told.discard((part, key))
        elif not self.viewer.is_admin:
            self._told.add((part, key))

    def _take_counted(self, content: "_Content") -> None:
        self._counted |= dict.fromkeys((Part.NODES, node_id) for node_id in self._owed_vitals)
        self._owed_vitals = ()
        while self._counted and not content.is_full:
            key = next(iter(self._counted))
            del self._counted[key]
            if key[0] is Part.NODES and not self.looks:
                continue
            counted = self._source.traffic(*key, self.viewer)
            if counted is not None:
                content.add_traffic(counted)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


@dataclass(slots=True)
class _Snapshot:
    """The rest of a snapshot that was not sent yet; the next keys are at the end."""

    keys: list[tuple[Part, str]] | None
    """None before the first piece."""

    records: deque[AuditRecord]
    is_begun: bool = False


class _Content:
    """The items of one message."""

    def __init__(self) -> None:
        self.size = 0
        self.nodes: list[LiveNode] = []
        self.sessions: list[LiveSession] = []
        self.tunnels: list[LiveTunnel] = []
        self.peers: list[LivePeer] = []
        self.hubs: list[LiveHub] = []
        self.records: list[AuditEntry] = []
        self.session_traffic: list[SessionTraffic] = []
        self.tunnel_traffic: list[TunnelTraffic] = []
        self.node_vitals: list[NodeVitals] = []

    @property
    def is_full(self) -> bool:
        """Whether the message is large enough."""
        return self.size >= PIECE_SIZE

    def add(self, part: Part, item: LiveItem) -> None:
        """Add an item."""
        lists: dict[Part, Callable[..., None]] = {
            Part.NODES: self.nodes.append,
            Part.SESSIONS: self.sessions.append,
            Part.TUNNELS: self.tunnels.append,
            Part.PEERS: self.peers.append,
            Part.HUBS: self.hubs.append,
        }
        lists[part](item)
        self.size += ITEM_SIZE
        if isinstance(item, LiveNode):
            self.size += len(item.display_name) + sum(len(key) + len(value) for key, value in item.labels.items())
            said = item.capabilities
            self.size += sum(len(denied.why) + 60 for denied in item.denied)
            self.size += sum(map(len, (*said.features, *said.shells))) if said is not None else 0

    def add_traffic(self, counted: SessionTraffic | TunnelTraffic | NodeVitals) -> None:
        """Add counters, or vitals."""
        if isinstance(counted, SessionTraffic):
            self.session_traffic.append(counted)
        elif isinstance(counted, TunnelTraffic):
            self.tunnel_traffic.append(counted)
        else:
            self.node_vitals.append(counted)
        self.size += VITALS_SIZE if isinstance(counted, NodeVitals) else TRAFFIC_SIZE

    def add_records(self, records: deque[AuditRecord]) -> None:
        """Move as many records into the message as fit."""
        while records and not self.is_full:
            record = records.popleft()
            self.records.append(AuditEntry(at=record.at, **{name: getattr(record, name) for name in TEXT_FIELDS}))
            self.size += ITEM_SIZE + len(record.detail) + len(record.reason)
