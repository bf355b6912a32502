"""Figures of a hub's live state, which change all the time (docs/extensions.md#events)."""

from datetime import datetime
from typing import Annotated

from omnyshell.model.grammars import COUNT, NODE_ID, SESSION_ID, TUNNEL_ID, UID_OR_NONE
from omnyshell.model.live import MICROSECOND, session_key
from omnyshell.model.schema import FREE, OMIT, WireObject


class Traffic(WireObject, kw_only=True):
    """Counters of something, which take the place of those that its item had."""

    bytes_in: Annotated[int, COUNT] = 0
    """Bytes from the client, or from a tunnel's outside."""

    bytes_out: Annotated[int, COUNT] = 0
    """Bytes to it."""

    rate_in: Annotated[int, OMIT, COUNT] = 0
    """Bytes a second, over the last second."""

    rate_out: Annotated[int, OMIT, COUNT] = 0
    """Bytes a second, over the last second."""

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
    """What changed about a session in the last second."""

    node_id: Annotated[str, NODE_ID]
    """Where the session runs."""

    session_id: Annotated[str, SESSION_ID]
    """The session's id."""

    connections: Annotated[int, OMIT, COUNT] = 0
    """Of `forward`: how many a forward has now."""

    connections_total: Annotated[int, OMIT, COUNT] = 0
    """Of `forward`: how many it has had."""

    @property
    def counters(self) -> dict[str, int]:
        """The counters, by the names that they have in the item."""
        return super().counters | {"connections": self.connections, "connections_total": self.connections_total}

    @property
    def key(self) -> str:
        """The key of the session."""
        return session_key(self.node_id, self.session_id)


class TunnelTraffic(Traffic, kw_only=True):
    """What changed about a tunnel in the last second."""

    tunnel_id: Annotated[str, TUNNEL_ID]
    """The tunnel's id."""

    connections: Annotated[int, COUNT] = 0
    """How many go through it now."""

    connections_total: Annotated[int, COUNT] = 0
    """How many have gone through it."""

    @property
    def counters(self) -> dict[str, int]:
        """The counters, by the names that they have in the item."""
        return super().counters | {"connections": self.connections, "connections_total": self.connections_total}

    @property
    def key(self) -> str:
        """The key of the tunnel."""
        return self.tunnel_id


class LiveMetrics(WireObject, kw_only=True):
    """Figures of a hub; totals count from its start on."""

    hub_uid: Annotated[str, UID_OR_NONE] = ""
    """The hub's UID."""

    version: Annotated[str, FREE] = ""
    """The version of its software."""

    started_at: datetime
    """When it started."""

    peers: Annotated[int, COUNT] = 0
    """Connections that have logged in."""

    nodes: Annotated[int, COUNT] = 0
    """Nodes that are connected."""

    sessions: Annotated[int, COUNT] = 0
    """Sessions that go through the hub."""

    tunnels: Annotated[int, COUNT] = 0
    """Tunnels that are open."""

    tunnel_connections: Annotated[int, COUNT] = 0
    """Connections through them."""

    subscribers: Annotated[int, COUNT] = 0
    """Subscriptions to live state."""

    logins: Annotated[int, COUNT] = 0
    """Logins since the start."""

    login_failures: Annotated[int, COUNT] = 0
    """Logins that were refused."""

    sessions_opened: Annotated[int, COUNT] = 0
    """Sessions that were opened."""

    sessions_rejected: Annotated[int, COUNT] = 0
    """Sessions that were rejected."""

    bytes_relayed: Annotated[int, COUNT] = 0
    """Bytes that were passed on."""

    relay_rate: Annotated[int, COUNT] = 0
    """Bytes passed on a second."""

    frames_relayed: Annotated[int, COUNT] = 0
    """Frames that were passed on."""

    frames_dropped: Annotated[int, COUNT] = 0
    """Frames that were dropped."""

    heartbeat_timeouts: Annotated[int, COUNT] = 0
    """Nodes that fell silent."""

    audit_queue: Annotated[int, COUNT] = 0
    """Audit records that wait for the disk."""

    audit_lost: Annotated[int, COUNT] = 0
    """Audit records that could not be kept."""

    audit_broken: Annotated[int, COUNT] = 0
    """Gaps in the audit trail that no admin has acknowledged."""

    loop_lag_micros: Annotated[int, COUNT] = 0
    """How late the hub's event loop was at most in the last second, in microseconds."""

    @property
    def loop_lag(self) -> float:
        """How late the hub's event loop was at most in the last second, in seconds."""
        return self.loop_lag_micros * MICROSECOND
