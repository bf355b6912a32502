"""Audits refused connections to tunnels, in sums: anybody outside can cause them, and they must not flood the audit."""

from collections.abc import Iterable

from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel
from omnyshell.sums import Summed, Sums

SUMMARY_PERIOD = 10.0
"""Seconds over which further refusals of one kind are summed up."""

_Latest = tuple[OpenTunnel, str, str]
"""Tunnel, address and reason."""


class TunnelRefusals:
    """Records the first refusal of a tunnel and reason at once, and later ones as a sum."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._sums: Sums[tuple[OpenTunnel, str], _Latest] = Sums(SUMMARY_PERIOD)

    def note(self, tunnel: OpenTunnel, address: str, reason: str, now: float) -> None:
        """Count a refused connection; `now` on the monotonic clock."""
        latest = (tunnel, address, reason)
        if self._sums.note((tunnel, reason), latest, now):
            self._record(*latest, "")

    def summarize(self, now: float) -> None:
        """Record the sums that are due."""
        self._tell(self._sums.take(now))

    def flush(self) -> None:
        """Record all sums."""
        self._tell(self._sums.flush())

    def _tell(self, sums: Iterable[Summed[tuple[OpenTunnel, str], _Latest]]) -> None:
        for _, count, latest in sums:
            self._record(*latest, f"{count} more connections")

    def _record(self, tunnel: OpenTunnel, address: str, reason: str, more: str) -> None:
        self._audit.record(
            "tunnel.refused",
            "denied",
            principal=tunnel.owner.id,
            address=address,
            node_id=tunnel.info.node_id,
            reason=reason,
            detail=" ".join(filter(None, (str(tunnel), more))),
        )
