"""The gaps that a trail reports in its own records, and which of them an admin has acknowledged."""

import msgspec

from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit.heads import ACKNOWLEDGE_ACTION, BROKEN_ACTION

GAP_ACTIONS = frozenset({BROKEN_ACTION, ACKNOWLEDGE_ACTION})


class ToldGaps:
    """Collects the reported gaps. It is fed with records that are known to be the hub's own. No I/O."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[int, AuditRecord]] = {}
        self._acknowledged = 0

    def __contains__(self, text: str) -> bool:
        return any(detail == text for _, detail in self._told)

    def heed(self, seq: int, record: AuditRecord) -> None:
        """Read a record whose action is one of `GAP_ACTIONS`; ignore others."""
        if record.action == BROKEN_ACTION:
            self._told[record.reason, record.detail] = seq, record
        elif record.action == ACKNOWLEDGE_ACTION:
            self._acknowledged = seq

    def add(self, earlier: "ToldGaps") -> None:
        """Add the gaps reported earlier; later reports take precedence."""
        for place, (seq, record) in earlier._told.items():
            if place not in self._told or self._told[place][0] < seq:
                self._told[place] = seq, record
        self._acknowledged = max(self._acknowledged, earlier._acknowledged)

    def says(self, ending: str) -> bool:
        """Whether the text of a reported gap ends in this."""
        return any(detail.endswith(ending) for _, detail in self._told)

    def not_acknowledged(self) -> list[str]:
        """Return the reported gaps that no admin has acknowledged."""
        return [gap.detail for seq, gap in self._told.values() if self._outcome(seq, gap) != "ok"]

    def until(self, last: int) -> list[AuditRecord]:
        """Return the last reports of gaps up to record `last`, to be recorded again.

        Acknowledged ones have the outcome `ok`.
        """
        return [
            msgspec.structs.replace(gap, outcome=self._outcome(seq, gap))
            for seq, gap in self._told.values()
            if seq <= last
        ]

    def _outcome(self, seq: int, gap: AuditRecord) -> str:
        return "ok" if seq < self._acknowledged else gap.outcome
