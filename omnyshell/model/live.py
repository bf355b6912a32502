"""What a hub says of its live state (extension `events`): each item as it is when it is sent, not how it changed."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.ids import short_id
from omnyshell.model.grammars import (
    ADDRESS,
    COUNT,
    EXPOSER_ID,
    HOST,
    HOST_OR_NONE,
    ID,
    NODE_ID,
    NODE_ID_OR_NONE,
    PORT,
    PRINCIPAL,
    PRINCIPAL_OR_NONE,
    SESSION_ID,
    TUNNEL_ID,
    UID_OR_NONE,
)
from omnyshell.model.nodes import NodeCapabilities, PlatformInfo
from omnyshell.model.schema import FREE, OMIT, LenientEnum, WireObject
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.model.tunnels import TunnelProtocol

MICROSECOND = 1e-6


class Part(StrEnum):
    """The parts of a hub's state that can be asked for."""

    NODES = "nodes"
    SESSIONS = "sessions"
    TUNNELS = "tunnels"
    PEERS = "peers"
    METRICS = "metrics"
    AUDIT = "audit"


ITEM_PARTS = (Part.NODES, Part.SESSIONS, Part.TUNNELS, Part.PEERS)
"""The parts that consist of items with keys."""


class Scope(LenientEnum):
    """Whose state a subscriber is told: everyone's, or what belongs to its principal."""

    __fallback__ = "OWN"

    ALL = "all"
    OWN = "own"


class NodePresence(LenientEnum):
    """Whether a node is connected."""

    __fallback__ = "OFFLINE"

    ONLINE = "online"
    OFFLINE = "offline"


class LiveNode(WireObject, kw_only=True):
    """A node that is connected, or a node id that the hub remembers. What only admins may know is empty for others."""

    node_id: Annotated[str, NODE_ID]
    state: NodePresence
    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    uid: Annotated[str, OMIT, UID_OR_NONE] = ""
    display_name: Annotated[str, OMIT, FREE] = ""
    platform: Annotated[PlatformInfo | None, OMIT] = None
    """None for one that has not been connected since the hub started."""

    labels: Annotated[dict[str, str], OMIT, FREE] = {}
    hub_labels: Annotated[dict[str, str], OMIT, FREE] = {}
    capabilities: Annotated[NodeCapabilities | None, OMIT] = None
    principal: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """Whose node id it is."""

    address: Annotated[str, OMIT, ADDRESS] = ""
    sessions: Annotated[int | None, OMIT, COUNT] = None
    """How many sessions of everyone go through the hub to this node."""

    latency_micros: Annotated[int | None, OMIT, COUNT] = None
    locked: Annotated[str, OMIT, FREE] = ""
    """By whom it is locked, and why; empty where it is not."""

    displaced_at: Annotated[datetime | None, OMIT] = None
    """When another process last took the id from one that was alive."""

    displaced: Annotated[str, OMIT, FREE] = ""
    """Where the older and the newer one are."""

    connected_at: Annotated[datetime | None, OMIT] = None
    last_heard_at: Annotated[datetime | None, OMIT] = None
    """When something last came from it, as of this item."""

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.node_id

    @property
    def is_online(self) -> bool:
        """Whether it is connected."""
        return self.state is NodePresence.ONLINE

    @property
    def latency(self) -> float | None:
        """Round trip between hub and node, in seconds, where it is known."""
        return self.latency_micros * MICROSECOND if self.latency_micros is not None else None


class LiveSession(WireObject, kw_only=True):
    """A session: one that goes through the hub, or one that is detached and waits in its node."""

    session_id: Annotated[str, SESSION_ID]
    """What `resume`, `kill_session` and `peek` take."""

    node_id: Annotated[str, NODE_ID]
    principal: Annotated[str, PRINCIPAL]
    mode: SessionMode
    state: SessionState
    """`opening`, `open`, `detached` or `closed`."""

    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten; `state` is `closed` then."""

    created_at: datetime
    address: Annotated[str, OMIT, ADDRESS] = ""
    """Where its client is."""

    command: Annotated[str, OMIT, FREE] = ""
    """What was asked to run; of a shell, what runs in its foreground."""

    cwd: Annotated[str, OMIT, FREE] = ""
    resumed: Annotated[bool, OMIT] = False
    detached_at: Annotated[datetime | None, OMIT] = None
    expires_at: Annotated[datetime | None, OMIT] = None
    reason: Annotated[str, OMIT, FREE] = ""
    """Why it was closed."""

    bytes_in: Annotated[int, COUNT] = 0
    """Input that the hub relayed, since the session was opened or resumed."""

    bytes_out: Annotated[int, COUNT] = 0
    rate_in: Annotated[int, OMIT, COUNT] = 0
    """Bytes a second."""

    rate_out: Annotated[int, OMIT, COUNT] = 0

    @property
    def key(self) -> str:
        """What identifies the item: node and session, as a node chooses its sessions' ids."""
        return session_key(self.node_id, self.session_id)

    @property
    def short_id(self) -> str:
        """The first characters of the id, which do for `resume` and the like."""
        return short_id(self.session_id)


class LiveTunnel(WireObject, kw_only=True):
    """A tunnel with its counters; `in` is from the outside to the target."""

    tunnel_id: Annotated[str, TUNNEL_ID]
    node_id: Annotated[str, EXPOSER_ID]
    """`@local` for one to the machine of the client that opened it."""

    principal: Annotated[str, PRINCIPAL]
    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    target_host: Annotated[str, HOST]
    target_port: Annotated[int, PORT]
    public_host: Annotated[str, OMIT, HOST_OR_NONE] = ""
    """Empty for the hub's own name."""

    public_port: Annotated[int, PORT]
    secure: Annotated[bool, OMIT] = False
    protocol: Annotated[TunnelProtocol, OMIT] = TunnelProtocol.TCP
    created_at: datetime
    connections: Annotated[int, COUNT] = 0
    """How many go through it now."""

    connections_total: Annotated[int, COUNT] = 0
    bytes_in: Annotated[int, COUNT] = 0
    bytes_out: Annotated[int, COUNT] = 0
    rate_in: Annotated[int, OMIT, COUNT] = 0
    """Bytes a second."""

    rate_out: Annotated[int, OMIT, COUNT] = 0

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.tunnel_id


class LivePeer(WireObject, kw_only=True):
    """A connection to the hub that has logged in."""

    peer_id: Annotated[str, ID]
    role: Annotated[str, FREE]
    principal: Annotated[str, PRINCIPAL]
    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    address: Annotated[str, OMIT, ADDRESS] = ""
    node_id: Annotated[str, OMIT, NODE_ID_OR_NONE] = ""
    """The node that it registered."""

    connected_at: datetime

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.peer_id


class Traffic(WireObject, kw_only=True):
    """Counters of something, which take the place of those that its item had."""

    bytes_in: Annotated[int, COUNT] = 0
    bytes_out: Annotated[int, COUNT] = 0
    rate_in: Annotated[int, OMIT, COUNT] = 0
    rate_out: Annotated[int, OMIT, COUNT] = 0

    @property
    def counters(self) -> dict[str, int]:
        """The counters, by the names that they have in the item."""
        return {
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "rate_in": self.rate_in,
            "rate_out": self.rate_out,
        }


class SessionTraffic(Traffic, kw_only=True):
    """What changed about a session in the last second; rates in bytes a second."""

    node_id: Annotated[str, NODE_ID]
    session_id: Annotated[str, SESSION_ID]

    @property
    def key(self) -> str:
        """The key of the session."""
        return session_key(self.node_id, self.session_id)


class TunnelTraffic(Traffic, kw_only=True):
    """What changed about a tunnel in the last second; rates in bytes a second."""

    tunnel_id: Annotated[str, TUNNEL_ID]
    connections: Annotated[int, COUNT] = 0
    connections_total: Annotated[int, COUNT] = 0

    @property
    def counters(self) -> dict[str, int]:
        """The counters, by the names that they have in the item."""
        return super().counters | {"connections": self.connections, "connections_total": self.connections_total}

    @property
    def key(self) -> str:
        """The key of the tunnel."""
        return self.tunnel_id


class LiveMetrics(WireObject, kw_only=True):
    """Figures of a hub. Totals count from `started_at` on; rates are bytes a second."""

    hub_uid: Annotated[str, UID_OR_NONE] = ""
    version: Annotated[str, FREE] = ""
    started_at: datetime
    peers: Annotated[int, COUNT] = 0
    nodes: Annotated[int, COUNT] = 0
    """Nodes that are connected."""

    sessions: Annotated[int, COUNT] = 0
    """Sessions that go through the hub."""

    tunnels: Annotated[int, COUNT] = 0
    tunnel_connections: Annotated[int, COUNT] = 0
    subscribers: Annotated[int, COUNT] = 0
    logins: Annotated[int, COUNT] = 0
    login_failures: Annotated[int, COUNT] = 0
    sessions_opened: Annotated[int, COUNT] = 0
    sessions_rejected: Annotated[int, COUNT] = 0
    bytes_relayed: Annotated[int, COUNT] = 0
    relay_rate: Annotated[int, COUNT] = 0
    frames_relayed: Annotated[int, COUNT] = 0
    frames_dropped: Annotated[int, COUNT] = 0
    heartbeat_timeouts: Annotated[int, COUNT] = 0
    audit_queue: Annotated[int, COUNT] = 0
    """Records that wait for the disk."""

    audit_lost: Annotated[int, COUNT] = 0
    audit_broken: Annotated[int, COUNT] = 0
    """Gaps in the audit trail that no admin has acknowledged."""

    loop_lag_micros: Annotated[int, COUNT] = 0
    """How late the hub's event loop was at most, in the last second."""

    @property
    def loop_lag(self) -> float:
        """How late the hub's event loop was at most in the last second, in seconds."""
        return self.loop_lag_micros * MICROSECOND


LiveItem = LiveNode | LiveSession | LiveTunnel | LivePeer


def session_key(node_id: str, session_id: str) -> str:
    """Return the key of a session; a node id has no slash."""
    return f"{node_id}/{session_id}"
