"""The hub's counters and histograms."""

from dataclasses import dataclass, field

from omnyshell.services.hub.ground.histogram import FAST, SLOW, Histogram


@dataclass(slots=True)
class HubMetrics:
    """Totals since the hub started; durations in seconds."""

    logins: int = 0
    login_failures: int = 0
    connections_refused: int = 0
    frames_dropped: int = 0
    sessions_opened: int = 0
    sessions_rejected: int = 0
    frames_relayed: int = 0
    bytes_relayed: int = 0
    credit_violations: int = 0
    heartbeat_timeouts: int = 0
    tunnels_opened: int = 0
    tunnels_rejected: int = 0
    tunnel_connections: int = 0
    login_seconds: Histogram = field(default_factory=lambda: Histogram(SLOW))
    """From the WebSocket upgrade to the login."""

    relay_seconds: Histogram = field(default_factory=lambda: Histogram(FAST))
    """The time that the hub takes to relay a frame, for a sample of frames."""

    loop_lag_seconds: Histogram = field(default_factory=lambda: Histogram(SLOW))
    """How late the event loop was."""
