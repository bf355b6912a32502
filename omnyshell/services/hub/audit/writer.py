"""Writes audit records in a thread of its own, many in one commit, so that the loop does not wait for the disk."""

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.audit import AuditRecord
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import TOLD, ChainedRecord
from omnyshell.services.hub.audit.disk_reserve import DiskReserve
from omnyshell.services.hub.audit.gaps import ToldGaps
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.audit.sinks import SinkThread
from omnyshell.services.hub.audit.store import AuditStore
from omnyshell.services.hub.audit.witness import AuditWitness
from omnyshell.services.hub.ground.audit_settings import Retention

QUEUE_LIMIT = 100_000
"""Records that may wait for the disk; further ones are only counted, and the count is recorded."""

BATCH = 4096
"""The most records in one commit; it is large, so that a slow disk does not limit their rate."""

GATHER = 0.02
"""Seconds for which records are collected for one commit, unless a caller waits for it."""

RETRY = 1.0
"""Seconds between tries while the disk refuses."""

CHORES_PERIOD = 60.0
"""Seconds between two heads, if anything was written, and between runs of retention."""

CLOSE_TIMEOUT = 3.0
"""Seconds at the end during which waiting records are still tried to be written."""

RELIEVING = frozenset(
    {
        "admin.session.close",
        "admin.tunnel.close",
        "audit.acknowledge",
        "credential.revoke",
        "hub.stop",
        "invite.revoke",
        "lock.add",
        "peer.drop",
        "principal.revoke",
    }
)
"""Actions that remove access, end something or stop the hub; the reserve on the disk is for their records."""

logger = logging.getLogger("omnyshell.audit")


class AuditUnavailableException(OmnyShellException):
    """The record of an action could not be kept: the action must not be done."""


@dataclass(slots=True)
class _Waiting:
    record: AuditRecord
    committed: "asyncio.Future[None] | None" = None
    is_settled: bool = False
    """Whether it was written out of order, or its waiter was told that it is not kept."""

    @property
    def is_urgent(self) -> bool:
        """Whether it must be written even on a full disk."""
        return self.record.action in RELIEVING and not self.is_settled


class AuditWriter:
    """Owns the store and its thread. Call everything but the constructor from the event loop."""

    def __init__(
        self,
        store: AuditStore,
        clock: Clock,
        retention: Retention,
        sinks: Sequence[SinkThread] = (),
        *,
        witness: AuditWitness | None = None,
        reserve: DiskReserve | None = None,
        limit: int = QUEUE_LIMIT,
    ) -> None:
        """`witness` stores each head, `reserve` has disk space for `RELIEVING` actions.

        The writer owns all arguments from now on.
        """
        self.retention = retention
        self.is_failing = False
        self.lost = 0
        """Records that were lost because the queue was full."""

        self._store = store
        self._clock = clock
        self._sinks = sinks
        self._witness = witness
        self._reserve = reserve
        self._is_reserve_used = False
        self._noted = _noted_by(witness)
        self._is_witness_failing = False
        self._has_news = True
        self._told: ToldGaps | None = None
        self._tell_head: Callable[[SignedHead], None] | None = None
        self._limit = limit
        self._queue: deque[_Waiting] = deque()
        self._reported = 0
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._closing: float | None = None
        self._next_chores = math.inf
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def begin_chores(self, told: ToldGaps | None = None) -> None:
        """Start to sign heads and to run retention. Call it once all faults of the trail are recorded.

        `told` has the gaps that the trail reported before, which retention must preserve.
        """
        self._told = told
        self._next_chores = 0.0
        self._work.set()

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key that the trail is signed with."""
        return self._store.public_key

    def tell_heads(self, tell: Callable[[SignedHead], None]) -> None:
        """Have `tell` called with the signed end, soon and each `CHORES_PERIOD`, once chores have begun."""
        self._tell_head = tell
        if self._next_chores < math.inf:
            self.begin_chores(self._told)

    @property
    def depth(self) -> int:
        """The number of records that wait to be written."""
        return len(self._queue)

    def submit(self, record: AuditRecord) -> None:
        """Queue a record. If the queue is full it is counted as lost, and logged."""
        if len(self._queue) >= self._limit:
            if self.lost == self._reported:
                logger.error("THE AUDIT QUEUE IS FULL: records are being lost")
            self.lost += 1
            return
        self._queue.append(_Waiting(record))
        if not self._work.is_set():
            self._work.set()

    async def commit(self, record: AuditRecord) -> None:
        """Write a record, and return when it is on disk. Raises `AuditUnavailableException` if it cannot be written."""
        if self._closing is not None or len(self._queue) >= self._limit:
            raise AuditUnavailableException("the hub cannot keep its audit trail")
        committed = self._loop.create_future()
        self._queue.append(_Waiting(record, committed))
        self._hurry.set()
        self._work.set()
        await committed

    async def aclose(self) -> None:
        """Write waiting records, within `CLOSE_TIMEOUT`, and end the thread. Idempotent."""
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
        if self._witness is not None:
            self._witness.close()
        for sink in self._sinks:
            await asyncio.to_thread(sink.close)

    # The thread

    def _run(self) -> None:
        while self._closing is None:
            if self._work.wait(min(CHORES_PERIOD, max(0.0, self._next_chores - time.monotonic()))):
                self._hurry.wait(RETRY if self.is_failing else GATHER)
                self._write_what_waits()
            if not self.is_failing and time.monotonic() >= self._next_chores:
                self._do_chores()
        self._finish(self._closing)

    def _write_what_waits(self) -> None:
        self._work.clear()
        self._hurry.clear()
        while (self._queue or self.is_failing) and self._written():
            pass
        if self._queue or self.is_failing:
            self._work.set()

    def _finish(self, deadline: float) -> None:
        if self.is_failing and self._reserve is not None:
            # No records come after this, so the reserve is for all that wait.
            self._reserve.release_all()
            self._reserve = None
            self._is_reserve_used = False
        self._write_what_waits()
        while self._queue and time.monotonic() < deadline:
            time.sleep(GATHER)
            self._write_what_waits()
        if not self.is_failing and self._next_chores < math.inf:
            self._write_head()

    def _do_chores(self) -> None:
        self._next_chores = time.monotonic() + CHORES_PERIOD
        if self._told is not None:
            self._store.know(self._told)
            self._told = None
        self._write_head()
        self._trim()
        self._tell_others()

    def _tell_others(self) -> None:
        """Tell the end of what is on disk, signed for that."""
        tell, head = self._tell_head, self._store.signed_end(TOLD) if self._tell_head is not None else None
        if tell is not None and head is not None:
            # The loop may have ended meanwhile.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(tell, head)

    def _write_head(self) -> None:
        """Sign a head if anything was written since the last one, for the trail, all sinks and the witness."""
        try:
            if self._has_news:
                # Update the witness before and after: the head then names what is noted already, so that an older
                # database is detected.
                self._tell_witness()
                self._publish(self._store.append_head(self._noted))
                self._has_news = False
                self._tell_witness()
            elif self._is_witness_failing:
                self._tell_witness()
        except Exception as exc:
            logger.error("the end of the audit trail cannot be signed: %s", exc)

    def _tell_witness(self) -> None:
        head = self._store.signed_end()
        if self._witness is None or head is None:
            return
        try:
            self._witness.note(head)
        except Exception as exc:
            if not self._is_witness_failing:
                logger.error("the end of the audit trail cannot be noted in the hub's other database: %s", exc)
            self._is_witness_failing = True
            return
        self._noted, self._is_witness_failing = head.seal.seq, False

    def _written(self) -> bool:
        """Write one batch; return whether that worked. A failing disk is logged once, and again when it works."""
        if self._is_reserve_used and not self._has_room_again():
            self._fails("the disk is full but for what revoking, ending and stopping need")
            self._relieve_or_refuse()
            return False
        try:
            self._write_batch()
        except Exception as exc:  # whatever it is, the thread must live on
            self._fails(exc)
            self._relieve_or_refuse()
            return False
        return True

    def _fails(self, why: object) -> None:
        if not self.is_failing:
            logger.error("THE AUDIT TRAIL CANNOT BE WRITTEN: %s; administrative actions are refused", why)
        self.is_failing = True

    def _has_room_again(self) -> bool:
        """Whether the reserve is complete again; until then its free space is only for urgent records."""
        self._is_reserve_used = self._reserve is not None and not self._reserve.refill()
        return not self._is_reserve_used

    def _relieve_or_refuse(self) -> None:
        """Write urgent records, and refuse the waiters of all others that are queued now."""
        waiting = self._head(len(self._queue))
        self._relieve([one for one in waiting if one.is_urgent])
        self._refuse(waiting)

    def _relieve(self, urgent: Sequence[_Waiting]) -> None:
        """On a full disk, write urgent records into the space of the reserve."""
        reserve = self._reserve
        if not urgent or reserve is None:
            return
        while True:
            try:
                chained = self._store.append([waiting.record for waiting in urgent])
                break
            except Exception as exc:
                if not (reserve.is_short or _is_full(exc)) or not reserve.release():
                    return
                self._is_reserve_used = True
        self._make_room(reserve)
        self._has_news = True
        for waiting in urgent:
            waiting.is_settled = True
            self._settle_from_thread(waiting, None)
        self._publish(chained)

    def _make_room(self, reserve: DiskReserve) -> None:
        """Free space for the action after an urgent record, which writes to the same disk."""
        self._is_reserve_used = reserve.make_room() or self._is_reserve_used

    def _write_batch(self) -> None:
        batch = self._head(BATCH)
        records = [waiting.record for waiting in batch if not waiting.is_settled]
        lost = self.lost - self._reported
        if lost:
            records.append(self._own_record("audit.lost", f"{lost} records"))
        if self.is_failing:
            records.append(self._own_record("audit.resumed", "the trail could not be written for a while"))
        chained = self._store.append(records)
        self._has_news = True
        if self.is_failing:
            self.is_failing = False
            logger.error("the audit trail can be written again")
        self._reported += lost
        for _ in batch:
            self._queue.popleft()
        if self._reserve is not None and any(waiting.is_urgent for waiting in batch):
            self._make_room(self._reserve)
        for waiting in batch:
            if not waiting.is_settled:
                self._settle_from_thread(waiting, None)
        self._publish(chained)

    def _own_record(self, action: str, detail: str) -> AuditRecord:
        return AuditRecord(at=self._clock.now(), action=action, outcome="error", detail=detail)

    def _trim(self) -> None:
        try:
            trimmed = self._store.trim(self.retention, self._noted if self._witness is not None else None)
        except Exception as exc:
            logger.error("the audit trail cannot be shortened: %s", exc)
            return
        self._has_news = self._has_news or bool(trimmed)
        self._publish(trimmed)

    def _publish(self, chained: Sequence[ChainedRecord]) -> None:
        for sink in self._sinks:
            sink.put(chained)

    def _refuse(self, all_that_waits: Sequence[_Waiting]) -> None:
        """Fail the waiters: an action without its record on disk is not done, so the record is dropped too."""
        error = AuditUnavailableException("the hub cannot write its audit trail")
        for waiting in all_that_waits:
            if waiting.committed is not None and not waiting.is_settled:
                waiting.is_settled = True
                self._settle_from_thread(waiting, error)

    def _head(self, size: int) -> list[_Waiting]:
        """The first waiting records, at most `size`. The event loop only appends to the queue meanwhile."""
        return [self._queue[index] for index in range(min(size, len(self._queue)))]

    def _settle_from_thread(self, waiting: _Waiting, error: OmnyShellException | None) -> None:
        if waiting.committed is not None:
            # The loop may have ended meanwhile, with all waiters.
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


def _is_full(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _noted_by(witness: AuditWitness | None) -> int:
    """The last record that the other database knows; 0 if its head is not genuine."""
    head = witness.noted() if witness is not None else None
    return head.seal.seq if head is not None and head.is_genuine else 0
