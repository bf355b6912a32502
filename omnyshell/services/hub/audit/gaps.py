"""What a trail tells of its own gaps, and which of them an admin has acknowledged."""

import msgspec

from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit.heads import ACKNOWLEDGE_ACTION, BROKEN_ACTION

GAP_ACTIONS = frozenset({BROKEN_ACTION, ACKNOWLEDGE_ACTION})


class ToldGaps:
    """Fed with records of a trail that are known to be the hub's own. No I/O."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[int, AuditRecord]] = {}
        self._acknowledged = 0

    def __contains__(self, text: str) -> bool:
        return any(detail == text for _, detail in self._told)

    def heed(self, seq: int, record: AuditRecord) -> None:
        """Take what one of `GAP_ACTIONS` says; others say nothing of gaps."""
        if record.action == BROKEN_ACTION:
            self._told[record.reason, record.detail] = seq, record
        elif record.action == ACKNOWLEDGE_ACTION:
            self._acknowledged = seq

    def add(self, earlier: "ToldGaps") -> None:
        """Take what was told before, or told otherwise by now."""
        for place, (seq, record) in earlier._told.items():
            if place not in self._told or self._told[place][0] < seq:
                self._told[place] = seq, record
        self._acknowledged = max(self._acknowledged, earlier._acknowledged)

    def says(self, ending: str) -> bool:
        """Whether what is told of a gap ends so."""
        return any(detail.endswith(ending) for _, detail in self._told)

    def not_acknowledged(self) -> list[str]:
        """Return what is told and no admin has acknowledged."""
        return [gap.detail for seq, gap in self._told.values() if self._outcome(seq, gap) != "ok"]

    def until(self, last: int) -> list[AuditRecord]:
        """Return what the records up to `last` alone tell, to be told again; `ok` where it was acknowledged."""
        return [
            msgspec.structs.replace(gap, outcome=self._outcome(seq, gap))
            for seq, gap in self._told.values()
            if seq <= last
        ]

    def _outcome(self, seq: int, gap: AuditRecord) -> str:
        return "ok" if seq < self._acknowledged else gap.outcome
