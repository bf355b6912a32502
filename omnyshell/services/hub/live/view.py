"""The hub's state for subscribers: looks items up, and decides who may see which."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

import msgspec

from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveItem, LiveNode, LivePeer, LiveSession, LiveTunnel, Part
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.vitals import MachineVitals, NodeVitals
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.inventory.inventory import Inventory, unknown
from omnyshell.services.hub.live.seen import seen_session
from omnyshell.services.hub.live.sessions import LiveSessions
from omnyshell.services.hub.live.text import clean
from omnyshell.services.hub.live.tunnels import TunnelEntry
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.version import __version__

MAX_RECORDS = 1_000
"""The most audit records in a snapshot."""


class LiveView:
    """Looks up items for subscribers. It tracks state between `start` and `stop`, while there are subscribers."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        sessions: LiveSessions,
        audit: AuditLog,
        metrics: HubMetrics,
        subscribers: Callable[[], int],
        vitals: Callable[[str], MachineVitals | None],
    ) -> None:
        """`sessions` includes detached ones, `subscribers` returns the number of subscriptions.

        `vitals` returns what is known of a connected node's machine.
        """
        self._vitals = vitals
        self._inventory = inventory
        self._sessions = sessions
        self._audit = audit
        self._counted = metrics
        self._subscribers = subscribers
        self._peers: dict[str, LivePeer] = {}
        self._tunnels: dict[str, TunnelEntry] = {}
        self._figures: dict[str, tuple[int, int | None]] = {}
        self._metrics: LiveMetrics | None = None
        self._describers: Mapping[Part, Callable[[str, Viewer], LiveItem | None]] = {
            Part.NODES: self._node,
            Part.SESSIONS: self._session,
            Part.TUNNELS: self._tunnel,
            Part.PEERS: self._peer,
        }

    def start(self) -> None:
        """Begin to track, from the present state."""
        for peer in self._inventory.peers():
            self.add_peer(peer)
        for tunnel in self._inventory.tunnels():
            self.add_tunnel(tunnel)
        self._sessions.start(self._inventory.session_events())
        self.sample_nodes()

    def stop(self) -> None:
        """Forget the tracked state."""
        self._peers.clear()
        self._tunnels.clear()
        self._figures.clear()
        self._sessions.clear()
        self._metrics = None

    # What happens

    def add_peer(self, peer: LivePeer) -> None:
        """A peer has logged in."""
        self._peers[peer.key] = msgspec.structs.replace(peer, role=clean(peer.role))

    def note_node(self, peer_id: str, node_id: str) -> LivePeer | None:
        """Note that a peer has registered as a node; return the peer."""
        peer = self._peers.get(peer_id)
        if peer is not None:
            peer.node_id = node_id
        return peer

    def remove_peer(self, peer_id: str) -> LivePeer | None:
        """Remove a connection that ended; return its final state, if it had logged in."""
        item = self._peers.pop(peer_id, None)
        return msgspec.structs.replace(item, gone=True) if item is not None else None

    def add_tunnel(self, tunnel: LiveTunnel) -> None:
        """A tunnel was opened."""
        self._tunnels[tunnel.key] = TunnelEntry(tunnel, self._inventory.tunnel)

    def remove_tunnel(self, tunnel: LiveTunnel) -> LiveTunnel:
        """Remove a tunnel that was closed; return its final state."""
        self._tunnels.pop(tunnel.key, None)
        return msgspec.structs.replace(tunnel, gone=True)

    # Sampling, once a second

    def sample_tunnels(self, seconds: float, changed: Callable[[str, str], None]) -> None:
        """Compute rates; `changed` gets id and owner of each tunnel whose counters changed."""
        for tunnel_id, entry in self._tunnels.items():
            if entry.sample(seconds):
                changed(tunnel_id, entry.owner)

    def sample_nodes(self) -> list[str]:
        """Check each node's number of sessions and latency; return the ids of nodes with changes."""
        changed, waiting = [], self._sessions.count_detached()
        for node_id, sessions, round_trip in self._inventory.node_figures():
            before = self._figures.get(node_id)
            now = (sessions + waiting[node_id], _latency(round_trip, before))
            if before != now:
                self._figures[node_id] = now
                changed.append(node_id)
        return changed

    def sample_metrics(self, lag: float, seconds: float) -> LiveMetrics:
        """Sample and return the hub's figures.

        `lag` is the greatest delay of the event loop since the last sample, `seconds` ago; both are in seconds.
        """
        inventory, counted, before = self._inventory, self._counted, self._metrics
        relayed = counted.bytes_relayed - before.bytes_relayed if before is not None else 0
        writer = self._audit.writer
        self._metrics = LiveMetrics(
            hub_uid=inventory.hub_uid,
            version=__version__,
            started_at=inventory.started_at,
            peers=len(self._peers),
            **inventory.counts()._asdict(),
            subscribers=self._subscribers(),
            logins=counted.logins,
            login_failures=counted.login_failures,
            sessions_opened=counted.sessions_opened,
            sessions_rejected=counted.sessions_rejected,
            bytes_relayed=counted.bytes_relayed,
            relay_rate=int(relayed / seconds),
            frames_relayed=counted.frames_relayed,
            frames_dropped=counted.frames_dropped,
            heartbeat_timeouts=counted.heartbeat_timeouts,
            audit_queue=writer.depth if writer is not None else 0,
            audit_lost=writer.lost if writer is not None else 0,
            audit_broken=len(self._audit.faults),
            loop_lag_micros=int(lag * 1e6),
        )
        return self._metrics

    def tracked(self, part: Part, key: str) -> LiveSession | LiveTunnel | LivePeer | None:
        """Return a session, tunnel or connection of this hub as it was last sampled; None if there is none."""
        if part is Part.SESSIONS:
            entry = self._sessions.find(key)
            return entry.item if entry is not None else None
        if part is Part.TUNNELS:
            tunnel = self._tunnels.get(key)
            return tunnel.item if tunnel is not None else None
        return self._peers.get(key)

    def epoch_of(self, node_id: str) -> int:
        """Return the epoch by which this hub, as one of several, has a node; 0 if it has not."""
        return self._inventory.epoch_of(node_id)

    def remembered(self, node_id: str) -> LiveNode | None:
        """Return a node that was connected here since the hub started, and has left; None if it is not remembered."""
        item = self._inventory.node(node_id)
        return item if not item.is_online and item.platform is not None else None

    def sessions_at(self, node_id: str) -> Iterator[tuple[str, str]]:
        """Yield the key and the owner of each session at a node."""
        return ((key, entry.principal) for key in self._sessions.at(node_id) if (entry := self._sessions.find(key)))

    def owned_sessions(self) -> Iterator[tuple[str, str]]:
        """Yield the key and the owner of each session."""
        return ((key, entry.principal) for key in self._sessions if (entry := self._sessions.find(key)) is not None)

    # What subscribers are told

    def keys(self, part: Part) -> Sequence[str]:
        """Return the keys of a part's items."""
        if part is Part.NODES:
            return self._inventory.node_ids()
        known: dict[Part, Iterable[str]] = {
            Part.SESSIONS: self._sessions,
            Part.TUNNELS: self._tunnels,
            Part.PEERS: self._peers,
            Part.HUBS: (),
        }
        return list(known[part])

    def describe(self, part: Part, key: str, viewer: Viewer) -> LiveItem | None:
        """Return an item as the viewer may see it; None if there is none, or the viewer may not see it."""
        return self._describers[part](key, viewer) if part in self._describers else None

    def traffic(self, part: Part, key: str, viewer: Viewer) -> SessionTraffic | TunnelTraffic | NodeVitals | None:
        """Return the counters of a session or tunnel, or the vitals of a node, as `describe` does."""
        if part is Part.NODES:
            return NodeVitals(node_id=key, vitals=self._vitals(key) or MachineVitals()) if viewer.knows(key) else None
        if part is Part.SESSIONS:
            entry = self._sessions.find(key)
            is_seen = entry is not None and viewer.sees_session(entry.principal, entry.node_id)
            return entry.traffic() if entry is not None and is_seen else None
        tunnel = self._tunnel(key, viewer)
        if tunnel is None:
            return None
        return TunnelTraffic(**{name: getattr(tunnel, name) for name in TunnelTraffic.__struct_fields__})

    def holds(self, _part: Part, _key: str) -> bool:
        """See `LiveSource`: what has ended here is nowhere else."""
        return False

    def ended(self, item: LiveItem, viewer: Viewer) -> LiveItem:
        """See `LiveSource`."""
        return viewer.shown(item)

    def metrics(self) -> LiveMetrics:
        """Return the hub's figures as of the last sample."""
        return self._metrics or self.sample_metrics(0.0, 1.0)

    def records(self, viewer: Viewer, since: datetime | None, limit: int) -> list[AuditRecord]:
        """Return the newest audit records that the viewer may see, oldest first."""
        newest = self._audit.newest_first()
        wanted = (record for record in newest if viewer.owns(record.principal))
        found = list(islice(wanted, max(0, min(limit, MAX_RECORDS))))
        return [record for record in reversed(found) if since is None or record.at >= since]

    # The rest

    def _node(self, node_id: str, viewer: Viewer) -> LiveNode:
        """Describe a node: for admins with all that the hub remembers, for others only if they could list it."""
        item = self._admins_node(node_id, viewer) if viewer.is_admin else self._anybodys_node(node_id, viewer)
        if viewer.hears_rights and item.is_online:
            item.denied = viewer.denied(node_id)
        return item

    def _anybodys_node(self, node_id: str, viewer: Viewer) -> LiveNode:
        return self._inventory.described(node_id) if viewer.knows(node_id) else unknown(node_id)

    def _admins_node(self, node_id: str, viewer: Viewer) -> LiveNode:
        item = self._inventory.node(node_id)
        if item.is_online:
            item.sessions, item.latency_micros = self._figures.get(node_id, (0, None))
            item.epoch = self._inventory.epoch_of(node_id) if viewer.hears_hubs else 0
        return item

    def _session(self, key: str, viewer: Viewer) -> LiveItem | None:
        entry = self._sessions.find(key)
        return seen_session(entry.describe(), viewer) if entry is not None else None

    def _tunnel(self, tunnel_id: str, viewer: Viewer) -> LiveTunnel | None:
        known = self._tunnels.get(tunnel_id)
        return known.describe() if known is not None and viewer.owns(known.owner) else None

    def _peer(self, peer_id: str, viewer: Viewer) -> LivePeer | None:
        peer = self._peers.get(peer_id)
        return peer if peer is not None and viewer.owns(peer.principal) else None


def _latency(measured: float | None, before: tuple[int, int | None] | None) -> int | None:
    """The round trip to a node in microseconds, from seconds; the previously sent value if the change is small."""
    if measured is None:
        return None
    told, now = before[1] if before is not None else None, int(measured * 1e6)
    return told if told is not None and abs(now - told) <= max(told // 4, 1_000) else now
