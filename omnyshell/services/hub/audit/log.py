"""The audit log: keeps the last records in memory, and all of them on disk if the hub has a state directory."""

import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from omnyshell.clock import Clock
from omnyshell.model.audit import TEXT_FIELDS, AuditRecord
from omnyshell.printable import escaped
from omnyshell.services.hub.audit.writer import AuditWriter
from omnyshell.services.hub.ground.audit_settings import AuditedCommands
from omnyshell.services.hub.ground.config import HubConfig

AuditSink = Callable[[AuditRecord], None]

TOLD_OTHERWISE = ("auth.counter", "auth.fail", "certificate.warning", "hub.reload")
"""Actions whose failures the hub logs with a message of their own."""

LONGEST_NAME = 128
"""Characters that are kept of an unchecked name from a peer."""

LONGEST_FIELD = 1024
"""Characters that are kept of a field, as peers choose some."""

EXACT = ("principal", "command")
"""Fields that are one value each, and are escaped where a record is encoded or shown.

The others are words of several sources, of which none may look like another's.
"""

logger = logging.getLogger("omnyshell.audit")


class RunningCheck(Protocol):
    """The check of the whole trail on disk, which goes on while the hub serves."""

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""

    async def aclose(self) -> None:
        """End it, finished or not. Idempotent."""


class AuditLog:
    """Keeps the last `capacity` records, and passes each to the writer and to the sinks."""

    def __init__(
        self,
        clock: Clock,
        capacity: int = 10_000,
        admits: Callable[[AuditRecord, Hashable], bool] = lambda _record, _alike: True,
    ) -> None:
        """`admits` tells whether a record is kept by itself.

        Refusals and repetitions that are too frequent are summed up instead.
        """
        self.writer: AuditWriter | None = None
        """Writes records to disk; None if they are kept in memory only."""

        self.path: Path | None = None
        """Where the trail on disk is; None without one."""

        self.commands = AuditedCommands.FULL
        """How much of the command lines of sessions is kept."""

        self.check: RunningCheck | None = None
        """The check of the trail on disk; None without one."""

        self.gaps: list[str] = []
        """Gaps and changes in the trail that no admin has acknowledged."""

        self.cuts: list[str] = []
        """What is wrong with the trails of other hubs, and no admin has acknowledged."""

        self.on_acknowledged: Callable[[], None] = lambda: None
        """Called when an admin knows of all gaps and cuts."""

        self._clock = clock
        self._records: deque[AuditRecord] = deque(maxlen=capacity)
        self._sinks: list[AuditSink] = []
        self._admits = admits

    def __iter__(self) -> Iterator[AuditRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def condition(self) -> str:
        """A description of the faults of the trail on disk; "" if the hub knows of none."""
        if faults := self.faults:
            return f"broken, {len(faults)} not acknowledged"
        return "being checked" if self.check is not None and not self.check.is_done else ""

    @property
    def faults(self) -> list[str]:
        """All that is wrong, and no admin has acknowledged."""
        return [*self.gaps, *self.cuts]

    def acknowledge(self) -> None:
        """Take it that an admin knows of all that is wrong."""
        self.gaps.clear()
        self.cuts.clear()
        self.on_acknowledged()

    @property
    def is_on_disk(self) -> bool:
        """Whether all records are on disk, or none are kept there."""
        return self.writer is None or not (self.writer.depth or self.writer.is_failing)

    async def aclose(self) -> None:
        """Write waiting records, and close the writer: later records are not kept on disk. Idempotent."""
        if self.check is not None:
            await self.check.aclose()
        writer, self.writer = self.writer, None
        if writer is not None:
            await writer.aclose()

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on."""
        self.commands, retention = config.audit_commands, config.audit_retention
        if self.writer is not None:
            self.writer.retention = retention

    def recall(self, records: Iterable[AuditRecord]) -> None:
        """Add records from before this process started, oldest first."""
        self._records.extend(records)

    def newest_first(self) -> Iterator[AuditRecord]:
        """Yield the records that are kept in memory."""
        return reversed(self._records)

    def add_sink(self, sink: AuditSink) -> Callable[[], None]:
        """Have `sink` called with every record from now on; it must not block or raise.

        Return a function that ends this.
        """
        self._sinks.append(sink)

        def remove() -> None:
            if sink in self._sinks:
                self._sinks.remove(sink)

        return remove

    def record(self, action: str, outcome: str = "ok", *, alike: Hashable = None, **fields: str) -> AuditRecord:
        """Record an event; `fields` are those of `AuditRecord`. It is on disk a moment later.

        Frequent successful records that are alike are summed up; they are compared by all fields, or by `alike` in
        place of details.
        """
        entry = self._entry(action, outcome, fields)
        if self._admits(entry, alike):
            self._keep(entry)
        return entry

    def sum_up(self, action: str, outcome: str, **fields: str) -> None:
        """Record a sum, whatever is admitted."""
        self._keep(self._entry(action, outcome, fields))

    async def commit(self, action: str, outcome: str = "ok", **fields: str) -> AuditRecord:
        """Record an action before it is done; the record is on disk when this returns.

        Raises `AuditUnavailableException` if it cannot be written: the action must not be done then.
        """
        entry = self._entry(action, outcome, fields)
        if self.writer is not None:
            await self.writer.commit(entry)
        self._publish(entry)
        return entry

    def _entry(self, action: str, outcome: str, fields: dict[str, str]) -> AuditRecord:
        """Make a record. Any field may be as a peer has it, so each is made safe here and nowhere else."""
        kept = {name: kept_field(name, value) for name, value in fields.items()}
        return AuditRecord(at=self._clock.now(), action=action, outcome=outcome, **kept)

    def _keep(self, entry: AuditRecord) -> None:
        if self.writer is not None:
            self.writer.submit(entry)
        self._publish(entry)

    def _publish(self, entry: AuditRecord) -> None:
        self._records.append(entry)
        for sink in tuple(self._sinks):
            sink(entry)


def kept_field(name: str, value: str) -> str:
    """Return what a record keeps of a field: no more than `LONGEST_FIELD`, and printable unless it is `EXACT`."""
    if name not in EXACT:
        return escaped(value, LONGEST_FIELD)
    return value if len(value) <= LONGEST_FIELD else f"{value[:LONGEST_FIELD]}..."


def log_record(record: AuditRecord) -> None:
    """A sink that logs records: successes at debug level, as the trail has them, other outcomes at a higher one."""
    level = logging.DEBUG if record.outcome == "ok" or record.action in TOLD_OTHERWISE else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields = {name: str(value) for name in TEXT_FIELDS[2:] if (value := getattr(record, name))}
    shown = " ".join(f"{name}={value!r}" for name, value in fields.items())
    logger.log(level, "%s %s %s", record.action, record.outcome, shown, extra=fields)
