"""Audits registrations that are held off: whoever tries for an id every second must not flood the audit."""

from dataclasses import dataclass

from omnyshell.protocol.handshake import HELD_OFF
from omnyshell.services.hub.audit import AuditLog

SUMMARY_PERIOD = 600.0
"""Seconds over which further registrations of one id are summed up."""


@dataclass(slots=True)
class _Kept:
    next_record: float
    principal: str
    address: str
    more: int = 0


class HeldOff:
    """Records the first registration of an id that was held off at once, and those that follow it in sum."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._kept: dict[str, _Kept] = {}

    def note(self, node_id: str, principal: str, address: str, holder: str, now: float) -> None:
        """Take note of one from `address`; `now` on the monotonic clock."""
        known = self._kept.get(node_id)
        if known is not None:
            known.more += 1
            known.address = address
            return
        kept = self._kept[node_id] = _Kept(now + SUMMARY_PERIOD, principal, address)
        self._record(node_id, kept, f"stays with {holder}")

    def summarize(self, now: float) -> None:
        """Record what was summed up and is due."""
        for node_id, kept in list(self._kept.items()):
            if now < kept.next_record:
                continue
            if kept.more:
                self._record(node_id, kept, f"{kept.more} more registrations")
                kept.more = 0
                kept.next_record = now + SUMMARY_PERIOD
            else:
                del self._kept[node_id]

    def _record(self, node_id: str, kept: _Kept, detail: str) -> None:
        self._audit.record(
            "node.held-off",
            "denied",
            principal=kept.principal,
            address=kept.address,
            node_id=node_id,
            reason=HELD_OFF,
            detail=detail,
        )
