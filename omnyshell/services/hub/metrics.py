"""What the hub counts about itself."""

from dataclasses import dataclass


@dataclass(slots=True)
class HubMetrics:
    """Totals since the hub started."""

    logins: int = 0
    login_failures: int = 0
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
