"""The audit trail in memory: the last records, and sinks that get each one as it happens."""

import logging
from collections import deque
from collections.abc import Callable, Iterator

from omnyshell.clock import Clock
from omnyshell.model.audit import AuditRecord

AuditSink = Callable[[AuditRecord], None]

logger = logging.getLogger("omnyshell.audit")


class AuditLog:
    """Keeps the last `capacity` records."""

    def __init__(self, clock: Clock, capacity: int = 10_000) -> None:
        self._clock = clock
        self._records: deque[AuditRecord] = deque(maxlen=capacity)
        self._sinks: list[AuditSink] = []

    def __iter__(self) -> Iterator[AuditRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def add_sink(self, sink: AuditSink) -> None:
        """Have `sink` called with every record from now on; it must not block or raise."""
        self._sinks.append(sink)

    def record(self, action: str, outcome: str = "ok", **fields: str) -> AuditRecord:
        """Note what happened; `fields` are those of `AuditRecord`."""
        entry = AuditRecord(at=self._clock.now(), action=action, outcome=outcome, **fields)
        self._records.append(entry)
        for sink in self._sinks:
            sink(entry)
        return entry


def log_record(record: AuditRecord) -> None:
    """A sink that writes each record to the log, without control characters that a peer may have sent."""
    fields = ("principal", "address", "node_id", "session_id", "reason", "detail")
    shown = " ".join(f"{name}={value!r}" for name in fields if (value := getattr(record, name)))
    logger.info("%s %s %s", record.action, record.outcome, shown)
