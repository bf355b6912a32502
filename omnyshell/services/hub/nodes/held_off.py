"""Audits refused registrations of contested ids, in sums: a node that retries every second must not flood the audit."""

from collections.abc import Iterable

from omnyshell.protocol.handshake import HELD_OFF
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.sums import Summed, Sums

SUMMARY_PERIOD = 600.0
"""Seconds over which further refusals for one id are summed up."""


class HeldOff:
    """Records the first refused registration of an id at once, and later ones as a sum."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._sums: Sums[str, tuple[str, str]] = Sums(SUMMARY_PERIOD)

    def note(self, node_id: str, principal: str, address: str, holder: str, now: float) -> None:
        """Count a refusal of a registration from `address`; `now` on the monotonic clock."""
        if self._sums.note(node_id, (principal, address), now):
            self._record(node_id, principal, address, f"stays with {holder}")

    def summarize(self, now: float) -> None:
        """Record the sums that are due."""
        self._tell(self._sums.take(now))

    def flush(self) -> None:
        """Record all sums."""
        self._tell(self._sums.flush())

    def _tell(self, sums: Iterable[Summed[str, tuple[str, str]]]) -> None:
        for node_id, count, (principal, address) in sums:
            self._record(node_id or "", principal, address, f"{count} more registrations")

    def _record(self, node_id: str, principal: str, address: str, detail: str) -> None:
        self._audit.record(
            "node.held-off",
            "denied",
            principal=principal,
            address=address,
            node_id=node_id,
            reason=HELD_OFF,
            detail=detail,
        )
