"""What subscribers of a hub among several see: its own items and those that other hubs have told of, each once.

A node is that of the hub that has it by the greatest epoch. What waits at a node is told by that hub alone; what goes
over two hubs is known to both, and counts as the one's that has the node. No I/O and no clock.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveHub, LiveItem, LiveNode, LivePeer, LiveSession, LiveTunnel, Part
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.sessions import SessionState
from omnyshell.model.vitals import MachineVitals, NodeVitals
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.access.policy import JudgedNode
from omnyshell.services.hub.live.elsewhere.part import HubItem, HubPart, ended
from omnyshell.services.hub.live.seen import seen_hub, seen_node, seen_session, told_hubs
from omnyshell.services.hub.live.view import LiveView
from omnyshell.services.hub.live.viewer import Viewer

_OWNED = frozenset({Part.SESSIONS, Part.TUNNELS, Part.PEERS})
"""The parts whose items end."""

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class NodeElsewhere(NamedTuple):
    """A node of another hub, as rights are judged."""

    node_id: str
    resource: NodeResource


class WholeView:
    """A `LiveSource` over this hub's own and the parts of others."""

    def __init__(
        self,
        own: LiveView,
        hub: str,
        *,
        find_here: Callable[[str], JudgedNode | None],
        judged_here: Callable[[str], NodeResource | None],
        hub_labels: Callable[[str], dict[str, str]],
    ) -> None:
        """`hub` is this hub's id.

        `find_here` returns a node that is connected here, `judged_here` the facts of one that is or was, and
        `hub_labels` the labels that hubs set for one.
        """
        self._own = own
        self._hub = hub
        self._find_here = find_here
        self._judged_here = judged_here
        self._hub_labels = hub_labels
        self.parts: dict[str, HubPart] = {}
        self.rows: dict[str, LiveHub] = {}
        """The hubs, as admins may see them."""

    # Where things are

    def home_of(self, node_id: str) -> str:
        """Return the hub that has a node; "" if none has."""
        has: list[tuple[int, bool, str]] = []
        if self._find_here(node_id) is not None:
            has.append((self._own.epoch_of(node_id), True, self._hub))
        for hub, part in self.parts.items():
            item = part.node(node_id)
            if item is not None and item.is_online:
                has.append((item.epoch, False, hub))
        return max(has)[-1] if has else ""

    def sessions_at(self, node_id: str) -> Iterator[tuple[str, str]]:
        """Yield the keys of all sessions at a node that hubs tell of, and whose each is."""
        yield from self._own.sessions_at(node_id)
        for part in self.parts.values():
            yield from part.sessions_at(node_id)

    def owned_sessions(self) -> Iterator[tuple[str, str]]:
        """Yield the key and the owner of each session that hubs tell of."""
        yield from self._own.owned_sessions()
        for part in self.parts.values():
            yield from part.owned_sessions()

    def find(self, node_id: str) -> JudgedNode | None:
        """Return a connected node of any hub, as rights are judged: by this hub."""
        home = self.home_of(node_id)
        if home in ("", self._hub):
            return self._find_here(node_id)
        item = self.parts[home].node(node_id)
        return NodeElsewhere(node_id, self._resource(item)) if item is not None else None

    def judged(self, node_id: str) -> NodeResource | None:
        """Return the facts of a node that is connected, or of one that is away, as it left; None if they are unknown.

        This hub may have had it at another time than the hub where it was last.
        """
        node = self.find(node_id)
        if node is not None:
            return node.resource
        last = self._last(node_id)
        if last is None:
            return self._judged_here(node_id)
        # Labels that were too long to be remembered say nothing either.
        return self._resource(last) if last.labels else None

    def _resource(self, item: LiveNode) -> NodeResource:
        return NodeResource(item.node_id, item.labels, self._hub_labels(item.node_id))

    # What subscribers are told: see `LiveSource`

    def keys(self, part: Part) -> Sequence[str]:
        """See `LiveSource`."""
        if part is Part.HUBS:
            return list(self.rows)
        found = dict.fromkeys(self._own.keys(part))
        for told in self.parts.values():
            found.update(dict.fromkeys(told.keys(part)))
        return list(found)

    def describe(self, part: Part, key: str, viewer: Viewer) -> LiveItem | None:
        """See `LiveSource`."""
        if part is Part.HUBS:
            row = self.rows.get(key)
            return seen_hub(row, viewer) if row is not None else None
        if part is Part.NODES:
            return self._node(key, viewer)
        hub = self._holder(part, key)
        if hub == self._hub:
            return self._marked(self._own.describe(part, key, viewer), viewer)
        item = self.parts[hub].find(part, key) if hub else self._counts_no_more(part, key)
        if isinstance(item, LiveSession):
            return told_hubs(seen_session(item, viewer), viewer)
        is_seen = isinstance(item, LiveTunnel | LivePeer) and viewer.owns(item.principal)
        return told_hubs(item, viewer) if item is not None and is_seen else None

    def traffic(self, part: Part, key: str, viewer: Viewer) -> SessionTraffic | TunnelTraffic | NodeVitals | None:
        """See `LiveSource`."""
        hub = self.home_of(key) if part is Part.NODES else self._holder(part, key)
        if hub in ("", self._hub):
            return self._own.traffic(part, key, viewer)
        if part is Part.NODES:
            vitals = self.parts[hub].vitals.get(key, MachineVitals())
            return NodeVitals(node_id=key, vitals=vitals) if viewer.knows(key) else None
        item = self.describe(part, key, viewer)
        if item is None or item.gone:
            return None
        kind = SessionTraffic if part is Part.SESSIONS else TunnelTraffic
        return kind(**{name: getattr(item, name) for name in kind.__struct_fields__})

    def metrics(self) -> LiveMetrics:
        """See `LiveSource`. Figures are each hub's own."""
        return self._own.metrics()

    def records(self, viewer: Viewer, since: datetime | None, limit: int) -> list[AuditRecord]:
        """See `LiveSource`. Records are each hub's own."""
        return self._own.records(viewer, since, limit)

    def holds(self, part: Part, key: str) -> bool:
        """See `LiveSource`."""
        return part in _OWNED and bool(self._holder(part, key))

    def ended(self, item: LiveItem, viewer: Viewer) -> LiveItem:
        """See `LiveSource`."""
        marked = item if isinstance(item, LiveHub) or item.hub else replace(item, hub=self._hub)
        return told_hubs(viewer.shown(marked), viewer)

    # The rest

    def _node(self, node_id: str, viewer: Viewer) -> LiveItem | None:
        home = self.home_of(node_id)
        if home in ("", self._hub):
            last = self._last(node_id) if not home and viewer.is_admin else None
            if last is None:
                return self._marked(self._own.describe(Part.NODES, node_id, viewer), viewer)
            return told_hubs(seen_node(last, viewer, self._hub_labels(node_id)), viewer)
        item = self.parts[home].node(node_id)
        return told_hubs(seen_node(item, viewer, self._hub_labels(node_id)), viewer) if item is not None else None

    def _last(self, node_id: str) -> LiveNode | None:
        """Return what another hub remembers of a node that is away, if it heard of it later than this one."""
        last = max(self._absent(node_id), key=_last_heard, default=None)
        own = self._own.remembered(node_id)
        return last if last is not None and (own is None or _last_heard(last) > _last_heard(own)) else None

    def _absent(self, node_id: str) -> Iterator[LiveNode]:
        """Yield what other hubs remember of a node that has left them; what they know of the id alone says nothing."""
        for part in self.parts.values():
            item = part.node(node_id)
            if item is not None and not item.is_online and item.platform is not None:
                yield item

    def _known(self, part: Part, key: str) -> dict[str, HubItem]:
        """Return what each hub tells of a session, tunnel or connection."""
        own = self._own.tracked(part, key)
        told = ((hub, each.find(part, key)) for hub, each in self.parts.items())
        return {hub: item for hub, item in ((self._hub, own), *told) if item is not None}

    def _counts_no_more(self, part: Part, key: str) -> HubItem | None:
        """Return as ended what hubs tell of that had its node before; None where none tells."""
        item = next(iter(self._known(part, key).values()), None)
        return ended(item) if item is not None else None

    def _holder(self, part: Part, key: str) -> str:
        """Return whose word about a session, tunnel or connection counts; "" if there is none."""
        found = self._known(part, key)
        if part is not Part.SESSIONS or not found:
            return next(iter(found), "")
        home = self.home_of(key.partition("/")[0])
        counting = [hub for hub, item in found.items() if not home or hub == home or not _waits(item)]
        return max(counting, key=lambda hub: (hub == home, not _waits(found[hub])), default="")

    def _marked(self, item: LiveItem | None, viewer: Viewer) -> LiveItem | None:
        """Mark an item of this hub with it, for a viewer that is told."""
        if item is None or isinstance(item, LiveHub) or not viewer.hears_hubs:
            return item
        return replace(item, hub=self._hub)


def _waits(item: LiveItem) -> bool:
    return isinstance(item, LiveSession) and item.state is SessionState.DETACHED


def _last_heard(item: LiveNode) -> datetime:
    return item.last_heard_at or _LONG_AGO
