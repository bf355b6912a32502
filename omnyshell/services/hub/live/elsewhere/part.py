"""What one other hub has told of its live state. No I/O and no clock."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from omnyshell.model.live import LiveNode, LivePeer, LiveSession, LiveTunnel, Part
from omnyshell.model.live_figures import SessionTraffic, TunnelTraffic
from omnyshell.model.sessions import SessionState
from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol.limits import KIB, MIB
from omnyshell.protocol.messages.events import EventsDelta, EventsSnapshot, EventsUpdate

TOLD_PARTS = (Part.NODES, Part.SESSIONS, Part.TUNNELS, Part.PEERS)
"""What hubs tell each other of."""

MAX_ITEMS = 250_000
"""The most items of one hub that are kept."""

MAX_BYTES, LARGE = 512 * MIB, 1 * KIB
"""Bytes of large items of one hub that are kept, and the size of an item from which on it counts as one."""

HubItem = LiveNode | LiveSession | LiveTunnel | LivePeer
"""An item that is at a hub."""


class Changed(NamedTuple):
    """An item that is another than before."""

    part: Part
    key: str
    owner: str | None
    """Whose it is; None for a node."""

    final: HubItem | None = None
    """Its last state, if the hub has it no more; None for a node."""


class Changes(NamedTuple):
    """What a message has changed."""

    items: list[Changed]
    counted: list[Changed]
    """Those of which counters alone are others."""

    vitals: list[str]
    """The nodes whose machines are otherwise."""


class HubPart:
    """The items of one hub, each marked with it. They belong to this object: others copy what they change."""

    def __init__(self, hub: str) -> None:
        self.hub = hub
        self.is_complete = False
        """Whether all that the hub has was told once."""

        self.version = ""
        self.left_out = 0
        """How many items were left out, as there were too many, or they were too large."""

        self.vitals: dict[str, MachineVitals] = {}
        self._items: dict[Part, dict[str, HubItem]] = {part: {} for part in TOLD_PARTS}
        self._sessions_at: dict[str, dict[str, None]] = {}
        self._seen: dict[Part, set[str]] | None = None
        self._large: dict[tuple[Part, str], int] = {}
        self._bytes = 0
        """Of large items."""

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def keys(self, part: Part) -> tuple[str, ...]:
        """Return the keys of a part's items."""
        return tuple(self._items[part])

    def find(self, part: Part, key: str) -> HubItem | None:
        """Return an item."""
        return self._items[part].get(key)

    def node(self, node_id: str) -> LiveNode | None:
        """Return a node as the hub knows it, connected or not."""
        item = self._items[Part.NODES].get(node_id)
        return item if isinstance(item, LiveNode) else None

    def sessions_at(self, node_id: str) -> list[tuple[str, str]]:
        """Return the sessions at a node that this hub tells of: the key of each, and whose it is."""
        return self._owned(self._sessions_at.get(node_id, ()))

    def owned_sessions(self) -> list[tuple[str, str]]:
        """Return the same of all nodes."""
        return self._owned(self._items[Part.SESSIONS])

    def _owned(self, keys: Iterable[str]) -> list[tuple[str, str]]:
        sessions = self._items[Part.SESSIONS]
        return [(key, item.principal) for key in keys if isinstance(item := sessions[key], LiveSession)]

    def take(self, update: EventsUpdate) -> Changes:
        """Take a piece of a snapshot, or a delta."""
        changes = Changes([], [], [])
        if isinstance(update, EventsSnapshot) and update.first:
            self._seen = {part: set() for part in TOLD_PARTS}
        for part, items in self._told(update):
            for item in items:
                self._put(part, item, changes)
        if update.metrics is not None:
            self.version = update.metrics.version
        if isinstance(update, EventsDelta):
            for session in update.session_traffic:
                self._count(Part.SESSIONS, session, changes)
            for tunnel in update.tunnel_traffic:
                self._count(Part.TUNNELS, tunnel, changes)
            for each in update.node_vitals:
                self._take_vitals(each.node_id, each.vitals, changes)
        elif isinstance(update, EventsSnapshot) and update.last:
            self._end_snapshot(changes)
        return changes

    def forget(self, reason: str = "", most: int = MAX_ITEMS) -> Changes:
        """Forget so many items at most; `reason` is what sessions are said to have ended by."""
        changes = Changes([], [], [])
        self.is_complete, self._seen = False, None
        for part in TOLD_PARTS:
            for key in self.keys(part)[: most - len(changes.items)]:
                self._remove(part, key, changes, reason=reason)
        return changes

    @staticmethod
    def _told(update: EventsUpdate) -> tuple[tuple[Part, Sequence[HubItem]], ...]:
        return (
            (Part.NODES, update.nodes),
            (Part.SESSIONS, update.sessions),
            (Part.TUNNELS, update.tunnels),
            (Part.PEERS, update.peers),
        )

    def _end_snapshot(self, changes: Changes) -> None:
        seen, self._seen = self._seen, None
        for part, keys in (seen or {}).items():
            for key in self._items[part].keys() - keys:
                self._remove(part, key, changes)
        self.is_complete = True

    def _put(self, part: Part, item: HubItem, changes: Changes) -> None:
        key, known = item.key, self._items[part]
        if item.gone:
            self._remove(part, key, changes, final=item)
            return
        if key not in known and len(self) >= MAX_ITEMS:
            self.left_out += 1
            return
        item.hub = self.hub
        if self._seen is not None:
            self._seen[part].add(key)
        if not self._has_room_for(part, item):
            self.left_out += 1
            return
        if isinstance(item, LiveNode):
            self._take_vitals(key, item.vitals or MachineVitals(), changes)
            item.vitals = None
        elif isinstance(item, LiveSession):
            self._sessions_at.setdefault(item.node_id, {})[key] = None
        before, known[key] = known.get(key), item
        if before != item:
            changes.items.append(Changed(part, key, _owner(item)))

    def _remove(
        self, part: Part, key: str, changes: Changes, *, final: HubItem | None = None, reason: str = ""
    ) -> None:
        item = self._items[part].pop(key, None)
        self._bytes -= self._large.pop((part, key), 0)
        if isinstance(item, LiveNode):
            self.vitals.pop(key, None)
        elif isinstance(item, LiveSession):
            here = self._sessions_at[item.node_id]
            del here[key]
            if not here:
                del self._sessions_at[item.node_id]
        last = final or (ended(item, reason) if item is not None else None)
        if last is not None:
            last.hub = self.hub
            changes.items.append(Changed(part, key, _owner(last), None if part is Part.NODES else last))

    def _has_room_for(self, part: Part, item: HubItem) -> bool:
        """Count a large item in place of the one before, if there is room for it; else that one stays."""
        size, before = len(msgspec.json.encode(item)), self._large.get((part, item.key), 0)
        if self._bytes - before + size > MAX_BYTES and size > max(LARGE, before):
            return False
        self._bytes -= self._large.pop((part, item.key), 0)
        if size > LARGE:
            self._large[part, item.key] = size
            self._bytes += size
        return True

    def _count(self, part: Part, counted: SessionTraffic | TunnelTraffic, changes: Changes) -> None:
        item = self._items[part].get(counted.key)
        if item is not None:
            self._items[part][counted.key] = replace(item, **counted.counters)
            changes.counted.append(Changed(part, counted.key, _owner(item)))

    def _take_vitals(self, node_id: str, vitals: MachineVitals, changes: Changes) -> None:
        if vitals == self.vitals.get(node_id, MachineVitals()):
            return
        if vitals == MachineVitals():
            del self.vitals[node_id]
        elif len(self.vitals) < MAX_ITEMS:
            self.vitals[node_id] = vitals
        changes.vitals.append(node_id)


def ended(item: HubItem, reason: str = "") -> HubItem:
    """Return the last state of an item that is no more; `reason` is why, of a session."""
    if isinstance(item, LiveSession):
        return replace(item, gone=True, state=SessionState.CLOSED, reason=reason, rate_in=0, rate_out=0)
    return replace(item, gone=True)


def _owner(item: HubItem) -> str | None:
    return None if isinstance(item, LiveNode) else item.principal
