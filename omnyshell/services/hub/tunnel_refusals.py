"""Audits connections that a tunnel refused: anyone outside can cause them, so they must not flood the audit."""

from dataclasses import dataclass

from omnyshell.services.hub.audit import AuditLog
from omnyshell.services.hub.open_tunnel import OpenTunnel

SUMMARY_PERIOD = 10.0
"""Seconds over which further refusals of one kind are summed up."""


@dataclass(slots=True)
class _Kind:
    next_record: float
    address: str
    more: int = 0


class TunnelRefusals:
    """Records the first refusal of a tunnel and reason at once, and those that follow it in sum."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._kinds: dict[tuple[OpenTunnel, str], _Kind] = {}

    def note(self, tunnel: OpenTunnel, address: str, reason: str, now: float) -> None:
        """Take note of a refused connection; `now` on the monotonic clock."""
        known = self._kinds.get((tunnel, reason))
        if known is not None:
            known.more += 1
            known.address = address
            return
        self._kinds[tunnel, reason] = _Kind(now + SUMMARY_PERIOD, address)
        self._record(tunnel, address, reason, "")

    def summarize(self, now: float) -> None:
        """Record what was summed up and is due."""
        for (tunnel, reason), kind in list(self._kinds.items()):
            if now < kind.next_record:
                continue
            if kind.more:
                self._record(tunnel, kind.address, reason, f"{kind.more} more connections")
                kind.more = 0
                kind.next_record = now + SUMMARY_PERIOD
            else:
                del self._kinds[tunnel, reason]

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
