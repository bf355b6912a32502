"""The audit trail: the last records in memory, all of them on disk where the hub has a state directory."""

import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING

from omnyshell.clock import Clock
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.services.hub.audit.writer import AuditWriter
from omnyshell.services.hub.ground.audit_settings import AuditedCommands

if TYPE_CHECKING:
    from omnyshell.services.hub.audit.trail import TrailCheck

AuditSink = Callable[[AuditRecord], None]

TOLD_OTHERWISE = ("auth.fail", "certificate.warning", "hub.reload")
"""Actions of which the hub's log tells in words of its own what did not go well."""

LONGEST_NAME = 128
"""Characters of a name that a peer chose and nobody has checked."""

LONGEST_FIELD = 1024
"""Characters of a field that are kept: peers choose some of them."""

logger = logging.getLogger("omnyshell.audit")


class AuditLog:
    """Keeps the last `capacity` records, and hands each to the writer and to whoever listens."""

    def __init__(self, clock: Clock, capacity: int = 10_000) -> None:
        self.writer: AuditWriter | None = None
        """Puts records on disk; without one they end with the process."""

        self.commands = AuditedCommands.FULL
        """How much of the command lines of sessions is kept."""

        self.check: TrailCheck | None = None
        """Goes through what is on disk; None without a disk."""

        self.gaps: list[str] = []
        """What is missing or changed in the trail, and no admin has acknowledged."""

        self._clock = clock
        self._records: deque[AuditRecord] = deque(maxlen=capacity)
        self._sinks: list[AuditSink] = []
        self.admits: Callable[[AuditRecord, Hashable], bool] = lambda _record, _alike: True
        """Tells whether a record is kept: what is refused, or done alike, too often is summed up."""

    def __iter__(self) -> Iterator[AuditRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def condition(self) -> str:
        """What is to be said of the trail on disk; nothing where it is whole, as far as the hub can know."""
        if self.gaps:
            return f"broken, {len(self.gaps)} not acknowledged"
        return "being checked" if self.check is not None and not self.check.is_done else ""

    @property
    def is_on_disk(self) -> bool:
        """Whether everything that was recorded is on disk, or nothing will be."""
        return self.writer is None or not (self.writer.depth or self.writer.is_failing)

    async def aclose(self) -> None:
        """Write what waits, and end: nothing is kept on disk from then on. Idempotent."""
        if self.check is not None:
            await self.check.aclose()
        writer, self.writer = self.writer, None
        if writer is not None:
            await writer.aclose()

    def recall(self, records: Iterable[AuditRecord]) -> None:
        """Take in what was recorded before this process began, oldest first."""
        self._records.extend(records)

    def newest_first(self) -> Iterator[AuditRecord]:
        """Yield the records that are kept in memory."""
        return reversed(self._records)

    def add_sink(self, sink: AuditSink) -> Callable[[], None]:
        """Have `sink` called with every record from now on; it must not block or raise. Returns what ends that."""
        self._sinks.append(sink)

        def remove() -> None:
            if sink in self._sinks:
                self._sinks.remove(sink)

        return remove

    def record(self, action: str, outcome: str = "ok", *, alike: Hashable = None, **fields: str) -> AuditRecord:
        """Note what happened; `fields` are those of `AuditRecord`. On disk a moment later.

        Of what goes well many that are alike are summed up: by all their fields, or by `alike` in place of details.
        """
        entry = self._entry(action, outcome, fields)
        if self.admits(entry, alike):
            self._keep(entry)
        return entry

    def sum_up(self, action: str, outcome: str, **fields: str) -> None:
        """Note as `record` does what stands for many, whatever is admitted."""
        self._keep(self._entry(action, outcome, fields))

    async def commit(self, action: str, outcome: str = "ok", **fields: str) -> AuditRecord:
        """Note what is about to be done; on disk when this returns.

        Raises `AuditUnavailableException` where it cannot be kept: the action must not be done then.
        """
        entry = self._entry(action, outcome, fields)
        if self.writer is not None:
            await self.writer.commit(entry)
        self._publish(entry)
        return entry

    def _entry(self, action: str, outcome: str, fields: dict[str, str]) -> AuditRecord:
        for name, value in fields.items():
            if len(value) > LONGEST_FIELD:
                fields[name] = value[:LONGEST_FIELD] + "..."
        return AuditRecord(at=self._clock.now(), action=action, outcome=outcome, **fields)

    def _keep(self, entry: AuditRecord) -> None:
        if self.writer is not None:
            self.writer.submit(entry)
        self._publish(entry)

    def _publish(self, entry: AuditRecord) -> None:
        self._records.append(entry)
        for sink in tuple(self._sinks):
            sink(entry)


def log_record(record: AuditRecord) -> None:
    """A sink for the log: what went well is for debugging, as the trail has it; what did not is worth a line."""
    level = logging.DEBUG if record.outcome == "ok" or record.action in TOLD_OTHERWISE else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields = {name: str(value) for name in TEXT_FIELDS[2:] if (value := getattr(record, name))}
    shown = " ".join(f"{name}={value!r}" for name, value in fields.items())
    logger.log(level, "%s %s %s", record.action, record.outcome, shown, extra=fields)
