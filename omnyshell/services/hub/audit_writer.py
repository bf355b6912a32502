"""Writes audit records from a thread of its own, many in one commit, so that nothing in the hub waits for a disk."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit_chain import ChainedRecord
from omnyshell.services.hub.audit_sinks import SinkThread
from omnyshell.services.hub.audit_store import AuditStore, Retention

QUEUE_LIMIT = 100_000
"""Records that may wait for the disk; beyond it they are counted, and the count is recorded."""

BATCH = 4096
"""Records in one commit at most: a slow disk must not limit how many there are."""

GATHER = 0.02
"""Seconds to gather records for one commit, unless somebody waits for it."""

RETRY = 1.0
"""Seconds between tries while the disk refuses."""

TRIM_PERIOD = 60.0
CLOSE_TIMEOUT = 3.0
"""Seconds to go on trying, at the end, to write what waits."""

logger = logging.getLogger("omnyshell.audit")


class AuditUnavailableException(OmnyShellException):
    """The record of an action could not be kept: the action must not be done."""


@dataclass(slots=True)
class _Waiting:
    record: AuditRecord
    committed: "asyncio.Future[None] | None" = None
    is_refused: bool = False
    """Whether who waited was told that it is not kept."""


class AuditWriter:
    """Owns the store and its thread. Call everything but the constructor from the event loop."""

    def __init__(
        self,
        store: AuditStore,
        clock: Clock,
        retention: Retention,
        sinks: Sequence[SinkThread] = (),
        *,
        limit: int = QUEUE_LIMIT,
    ) -> None:
        self.retention = retention
        self.is_failing = False
        self.lost = 0
        """Records that found no place in the queue, ever."""

        self._store = store
        self._clock = clock
        self._sinks = sinks
        self._limit = limit
        self._queue: deque[_Waiting] = deque()
        self._reported = 0
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._closing: float | None = None
        self._next_trim = 0.0
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """How many records wait to be written."""
        return len(self._queue)

    def submit(self, record: AuditRecord) -> None:
        """Have a record written soon. One that finds the queue full is counted as lost, loudly."""
        if len(self._queue) >= self._limit:
            if self.lost == self._reported:
                logger.error("THE AUDIT QUEUE IS FULL: records are being lost")
            self.lost += 1
            return
        self._queue.append(_Waiting(record))
        if not self._work.is_set():
            self._work.set()

    async def commit(self, record: AuditRecord) -> None:
        """Return when the record is on disk. Raises `AuditUnavailableException` where it cannot be put there."""
        if self._closing is not None or len(self._queue) >= self._limit:
            raise AuditUnavailableException("the hub cannot keep its audit trail")
        committed = self._loop.create_future()
        self._queue.append(_Waiting(record, committed))
        self._hurry.set()
        self._work.set()
        await committed

    async def aclose(self) -> None:
        """Write what waits, within `CLOSE_TIMEOUT`, and end the thread. Idempotent."""
        if self._closing is None:
            self._closing = time.monotonic() + CLOSE_TIMEOUT
        self._hurry.set()
        self._work.set()
        await asyncio.to_thread(self._thread.join)
        for waiting in self._queue:
            self._settle(waiting, AuditUnavailableException("the hub stops"))
        if self._queue:
            logger.error("%d audit records could not be written", len(self._queue))
            self._queue.clear()
        self._store.close()
        for sink in self._sinks:
            await asyncio.to_thread(sink.close)

    # The thread

    def _run(self) -> None:
        while True:
            if self._closing is None and not self._work.wait(TRIM_PERIOD):
                self._trim()
                continue
            if self._closing is None:
                self._hurry.wait(RETRY if self.is_failing else GATHER)
            self._work.clear()
            self._hurry.clear()
            while (self._queue or self.is_failing) and self._written():
                pass
            if not self.is_failing and time.monotonic() >= self._next_trim:
                self._trim()
            if self._closing is not None:
                if not self._queue or time.monotonic() >= self._closing:
                    return
                time.sleep(GATHER)
            elif self._queue or self.is_failing:
                self._work.set()

    def _written(self) -> bool:
        """Write one batch; returns whether that worked. A disk that refuses is told once, and when it works again."""
        try:
            self._write_batch()
        except Exception as exc:  # whatever it is, the thread must live on
            if not self.is_failing:
                logger.error("THE AUDIT TRAIL CANNOT BE WRITTEN: %s; administrative actions are refused", exc)
            self.is_failing = True
            self._refuse_who_waits()
            return False
        return True

    def _write_batch(self) -> None:
        batch = self._head(BATCH)
        records = [waiting.record for waiting in batch if not waiting.is_refused]
        lost = self.lost - self._reported
        if lost:
            records.append(self._own_record("audit.lost", f"{lost} records"))
        if self.is_failing:
            records.append(self._own_record("audit.resumed", "the trail could not be written for a while"))
        chained = self._store.append(records)
        if self.is_failing:
            self.is_failing = False
            logger.error("the audit trail can be written again")
        self._reported += lost
        for _ in batch:
            self._queue.popleft()
        for waiting in batch:
            if not waiting.is_refused:
                self._settle_from_thread(waiting, None)
        self._publish(chained)

    def _own_record(self, action: str, detail: str) -> AuditRecord:
        return AuditRecord(at=self._clock.now(), action=action, outcome="error", detail=detail)

    def _trim(self) -> None:
        self._next_trim = time.monotonic() + TRIM_PERIOD
        try:
            self._publish(self._store.trim(self.retention))
        except Exception as exc:
            logger.error("the audit trail cannot be shortened: %s", exc)

    def _publish(self, chained: Sequence[ChainedRecord]) -> None:
        for sink in self._sinks:
            sink.put(chained)

    def _refuse_who_waits(self) -> None:
        """Fail closed: an action whose record is not on disk is not done, so its record is not kept either."""
        error = AuditUnavailableException("the hub cannot write its audit trail")
        for waiting in self._head(len(self._queue)):
            if waiting.committed is not None and not waiting.is_refused:
                waiting.is_refused = True
                self._settle_from_thread(waiting, error)

    def _head(self, size: int) -> list[_Waiting]:
        """The first that wait, at most so many. The event loop only adds to the queue meanwhile."""
        return [self._queue[index] for index in range(min(size, len(self._queue)))]

    def _settle_from_thread(self, waiting: _Waiting, error: OmnyShellException | None) -> None:
        if waiting.committed is not None:
            # The loop may have ended meanwhile, with all who waited.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._settle, waiting, error)

    @staticmethod
    def _settle(waiting: _Waiting, error: OmnyShellException | None) -> None:
        future = waiting.committed
        if future is None or future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
