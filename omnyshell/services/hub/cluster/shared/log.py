"""The log of what several hubs hold true together (docs/architecture.md#a-change)."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from omnyshell.errors import OmnyShellException
from omnyshell.protocol.limits import KIB
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.cluster.members.author import Author
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.members.signing import digest
from omnyshell.services.hub.cluster.order.order import (
    EngineAwayException,
    MisplacedException,
    NotPermittedException,
    Order,
    Origin,
    Place,
    Stored,
)
from omnyshell.services.hub.cluster.shared.clocks import set_within
from omnyshell.services.hub.cluster.shared.denials import Denial, Denials
from omnyshell.services.hub.cluster.shared.end_of_log import EndsOfLogs
from omnyshell.services.hub.cluster.shared.reading import AfterAnotherException, read_change
from omnyshell.services.hub.cluster.shared.same_stream import SameStream
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.answer import Answer
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.changes import LEVEL, Transaction, UnknownChangeException, together
from omnyshell.services.hub.truth.log import Follower, SqliteLog
from omnyshell.services.hub.truth.member_changes import MemberKnows

ANSWER_TIMEOUT = 10.5
"""Seconds within which a change is done or refused once it is its turn: less than nodes and administrators wait."""

ELECTION = 10.5
"""Seconds after which the engine is not waited for: it has another leader within nine where one has died."""

AGAIN = 0.1
"""Seconds between attempts meanwhile. Where nobody orders, the engine says so at once."""

DENY_AFTER = 1.0
"""Seconds after which a lock or a revocation holds as a denial, if the engine has not ordered it by then."""

OTHERS_AFTER = 5.0
"""Seconds for which what another hub has denied is left to that hub to append, while the engine is there."""

MOST_WAITING = 1_000
"""Changes that may wait for their turn."""

MOST_TOGETHER, MOST_BYTES_TOGETHER = 100, 64 * KIB
"""Transactions that wait at a time go in one record, as each costs a way to the engine, and a write at each hub."""

AWAY = "The engine that orders changes cannot be reached; nothing was changed"
LEFT_OPEN = "The engine did not answer in time; whether this was done shows when it is back"
TOO_OLD = "Another hub is newer and has changed what this one does not know: upgrade this hub; it goes by what it knew"
ANOTHER = "The engine's stream is not the one that this hub has read: changes are refused"
REMOVED = "This hub is no member of the cluster any more: it changes nothing"
UPGRADE_FIRST = "Not all hubs of the cluster know this change: upgrade them first"
TOO_MANY = "Too many changes wait for the engine"

logger = logging.getLogger("omnyshell.hub")


class TooOldException(OmnyShellException):
    """A record has changes that this version does not know: nothing from there on is applied before an upgrade."""


@dataclass(eq=False, slots=True)
class _Waiting:
    transaction: Transaction
    answer: Answer[int]
    is_again: bool = False
    """Whether it holds already, as a denial."""

    is_open: bool = False
    """Whether it may have been written, though the engine has not answered."""

    @property
    def away(self) -> EngineAwayException:
        """What is said where it is not done."""
        return EngineAwayException(LEFT_OPEN if self.is_open else AWAY)


class SharedLog:
    """A `TruthLog` over an `Order`, which it reads. `start` it with the order, and `aclose` it."""

    def __init__(
        self,
        file: StateFile,
        author: Author,
        founder: tuple[str, Ed25519PublicKey],
        *,
        refused: Callable[[str, str], None] = lambda _hub, _why: None,
    ) -> None:
        """`founder` is the hub that begins the log, and its key.

        `refused` is told of records that are no member's, and of a stream that is another one (by an empty hub).

        Raises `ConfigException` if the file cannot be used.
        """
        self.file = file
        """The hub's own file."""

        self._own = SqliteLog(file, author.generation)
        self._author = author
        self.members = Members(file, founder)
        """The hubs whose records count."""

        self._refused = refused
        self.denials = Denials(file, author.generation, author.hub, author.key)
        """What holds here while the engine is away."""

        self._ends = EndsOfLogs(file)
        self._same = SameStream(self._ends, author.generation, partial(refused, ""))
        self._mine: tuple[bytes, _Waiting] | None = None
        self._went_on = asyncio.Event()
        self._read_all = asyncio.Event()
        self._held: dict[int, bytes] = {}
        self._too_old_since: float | None = None
        """Since when the log has had what this version does not know."""

        self._order: Order | None = None
        self._failing_since: float | None = None
        """When the engine first took no change, since it last took one."""

        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MOST_WAITING)
        self._worker: asyncio.Task[None] | None = None
        self._reconciling: asyncio.Task[None] | None = None
        self._to_reconcile = asyncio.Event()
        self._heard_at: dict[bytes, float] = {}
        """When each denial of another hub was heard."""

        self._own.follow(self.members.follow)

    # What the hub calls

    @property
    def applied_seq(self) -> int:
        """The number of the last record that was applied."""
        return self._own.applied_seq

    @property
    def is_other(self) -> bool:
        """Whether the stream is another one than what was read before."""
        return self._same.is_other

    @property
    def too_old_for(self) -> float:
        """For how many seconds the log has had what this version does not know; 0 while it has not."""
        return time.monotonic() - self._too_old_since if self._too_old_since is not None else 0.0

    @property
    def unknown(self) -> int:
        """The number of the record that this version does not know, and at which it has stopped; 0 if there is none."""
        return self.applied_seq + 1 if self._too_old_since is not None else 0

    def follow(self, follower: Follower) -> None:
        """Call `follower` for each transaction from the next one on."""
        self._own.follow(follower)

    def append(self, transaction: Transaction) -> Answer[int]:
        """Have a transaction ordered and applied. Fails with `EngineAwayException` where that takes too long."""
        answer = Answer[int]()
        waiting = _Waiting(self.denials.numbered(transaction), answer)
        try:
            self._queue.put_nowait(waiting)
        except asyncio.QueueFull:
            self._deny_or_fail(waiting, EngineAwayException(TOO_MANY))
        if self.denials.can_be(transaction):
            asyncio.get_running_loop().call_later(DENY_AFTER, self._deny_late, waiting)
        return answer

    def found(self, transactions: list[Transaction]) -> tuple[bytes, ...]:
        """Return the records that the log is to begin with: what this hub holds, behind its own membership.

        When they come, they change nothing here.
        """
        author = self._author
        records: list[bytes] = []
        for seq, transaction in enumerate(transactions, 1):
            before = digest(records[-1]) if records else b""
            records.append(author.signed(seq, transaction.encode(), before))
        self._held = dict(enumerate(records[1:], 2))
        return tuple(records)

    async def reaches(self, seq: int) -> None:
        """Wait until the record with that number was applied."""
        while self.applied_seq < seq:
            self._went_on.clear()
            await self._went_on.wait()

    def start(self, order: Order) -> None:
        """Publish by this order from now on."""
        self._order = order
        self._worker = asyncio.create_task(self._work())
        self._reconciling = asyncio.create_task(self._reconcile_on())

    async def catch_up(self) -> None:
        """Wait until all was read that the stream held when reading began."""
        await self._read_all.wait()

    async def aclose(self) -> None:
        """End its tasks; what waits, or is under way, is refused. Idempotent."""
        tasks = [task for task in (self._worker, self._reconciling) if task is not None]
        self._worker = self._reconciling = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait().answer.fail(EngineAwayException(AWAY))

    # What the order calls: see `Reader`

    def begin_reading(self, origin: Origin) -> int:
        """Compare the stream with what was read of it; the last record that was applied is read again."""
        self._same.begin(origin, self.applied_seq)
        return max(1, self.applied_seq)

    def take(self, stored: Stored) -> None:
        """Apply the next record; one that is no member's counts as a number with nothing in it."""
        if stored.seq <= self.applied_seq:
            if stored.seq == self.applied_seq:
                self._same.compare(stored)
            return
        if stored.seq != self.applied_seq + 1:
            raise self._same.seems_another(f"has no record {self.applied_seq + 1} any more")
        transaction, problem = self._read(stored)
        try:
            self._own.apply(stored.seq, transaction, self._same.end_with(stored))
        except ChangeRefusedException as exc:
            problem = exc
        self._same.applied(stored)
        self._too_old_since = None
        if problem is None:
            self._settle_denials(transaction)
        self._settle(stored, problem)
        self._went_on.set()

    def at_end(self) -> None:
        """All that the stream held when reading began was applied."""
        self._same.is_right()
        self._read_all.set()
        self._to_reconcile.set()

    def gone(self) -> None:
        """Tell of it, where this hub has read of the stream: the engine has lost it."""
        if self.applied_seq:
            self._same.is_another("is not there any more")

    # The rest

    @property
    def _stuck(self) -> str:
        """Why nothing is read on, as it is said to those who would change something; "" while it is."""
        if self._same.is_other:
            return ANOTHER
        return TOO_OLD if self._too_old_since is not None else ""

    def _too_old(self, hub: str, seq: int, problem: ValueError) -> TooOldException:
        if self._too_old_since is None:
            self._too_old_since = time.monotonic()
            self._ends.note_unknown(self._author.generation, seq)
            self._refused(hub, f"this hub is too old for record {seq}, and goes by what it knew: upgrade it: {problem}")
        return TooOldException(f"{TOO_OLD} (record {seq}, of hub {hub}: {problem})")

    def _read(self, stored: Stored) -> tuple[Transaction, OmnyShellException | None]:
        """Return what a record changes, and why that is nothing where it may not change anything.

        Raises `TooOldException` for a member's that this version does not know: passed over, it would be missing in
        the tables for good; and `UncertainException` for one that is behind another record than this hub has applied,
        before that was compared with the stream's.
        """
        if stored.data == self._held.get(stored.seq):
            return Transaction(()), None
        hub = stored.subject.removeprefix(self._author.of_all)
        try:
            return read_change(self.members, self._author.generation, stored, hub, self._same.digest), None
        except UnknownChangeException as exc:
            raise self._too_old(hub, stored.seq, exc) from exc
        except ValueError as exc:
            if isinstance(exc, AfterAnotherException):
                self._same.check_compared()
            self._refused(hub, f"record {stored.seq}: {exc}")
            return Transaction(()), NotPermittedException(f"the hubs refused it: {exc}")

    def _settle(self, stored: Stored, problem: OmnyShellException | None) -> None:
        mine, self._mine = self._mine, None
        if mine is None or mine[0] != stored.data:
            return
        if problem is None:
            mine[1].answer.give(stored.seq)
        else:
            mine[1].answer.fail(problem)

    async def _work(self) -> None:
        while True:
            several = self._with_more(await self._queue.get())
            try:
                await self._do_all(several)
            finally:
                for waiting in several:
                    waiting.answer.fail(waiting.away)

    async def _do_all(self, several: list[_Waiting]) -> None:
        joined = [each for each in several if self._can_be_joined(each)]
        if len(joined) > 1 and await self._done_together(joined):
            several = [each for each in several if each not in joined]
        for waiting in several:
            await self._do_alone(waiting)

    def _with_more(self, first: _Waiting) -> list[_Waiting]:
        """Return a transaction with those that wait behind it, of which the last one alone may not be joined."""
        several, size = [first], len(first.transaction.encode())
        while self._can_be_joined(several[-1]) and not self._queue.empty():
            if size > MOST_BYTES_TOGETHER or len(several) >= MOST_TOGETHER:
                break
            several.append(self._queue.get_nowait())
            size += len(several[-1].transaction.encode())
        return several

    def _can_be_joined(self, waiting: _Waiting) -> bool:
        """Whether a transaction may be in one record with others: a denial is known by the record that it is."""
        return not waiting.is_again and not self.denials.can_be(waiting.transaction)

    async def _done_together(self, several: list[_Waiting]) -> bool:
        """Do transactions as one; return False, with nothing changed, where one of them does not fit."""
        problem: OmnyShellException
        group = _Waiting(together(*(change for each in several for change in each.transaction.changes)), Answer())
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._do(group)
                seq = await group.answer
        except ChangeRefusedException:
            return False
        except TimeoutError:
            problem = group.away
        except OmnyShellException as exc:
            problem = exc
        else:
            for each in several:
                each.answer.give(seq)
            return True
        for each in several:
            each.answer.fail(problem)
        return True

    async def _do_alone(self, waiting: _Waiting) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._do(waiting)
        except TimeoutError:
            self._deny_or_fail(waiting, waiting.away)
        except EngineAwayException as exc:
            self._deny_or_fail(waiting, exc)
        except OmnyShellException as exc:
            waiting.answer.fail(exc)

    def _deny_late(self, waiting: _Waiting) -> None:
        """Have a lock or revocation hold that the engine is slow to order; it goes on to be ordered meanwhile."""
        if not waiting.answer.is_there:
            self._deny_or_fail(waiting, EngineAwayException(LEFT_OPEN))

    def _deny_or_fail(self, waiting: _Waiting, problem: EngineAwayException) -> None:
        """Have a transaction that does nothing but deny hold at this hub, as nobody can order it now."""
        if not self.denials.can_be(waiting.transaction) or waiting.is_again:
            waiting.answer.fail(problem)
            return
        if waiting.answer.is_there:
            return
        try:
            self._own.check(waiting.transaction)
            self.denials.take(waiting.transaction)
        except OmnyShellException as exc:
            waiting.answer.fail(exc)
        else:
            waiting.answer.give(self.applied_seq)
            self._to_reconcile.set()

    def heard(self, denial: Denial, key: Ed25519PublicKey) -> bool:
        """Have what another hub denies hold here too; see `Denials.hear`."""
        is_new = self.denials.hear(denial, key)
        if is_new:
            self._heard_at[denial.body] = time.monotonic()
            self._to_reconcile.set()
        return is_new

    async def _reconcile_on(self) -> None:
        """Have what was denied be ordered, whenever the engine is there; what fits no more is true in another way."""
        await self._to_reconcile.wait()
        while True:
            self._to_reconcile.clear()
            await self._say_level()
            for denial in self.denials.held():
                if self._is_due(denial) and self._order is not None and self._order.is_there:
                    await self._append_again(denial)
            held = self.denials.held()
            self._heard_at = {each.body: self._heard_at[each.body] for each in held if each.body in self._heard_at}
            if held:
                await set_within(self._to_reconcile, OTHERS_AFTER)
            else:
                await self._to_reconcile.wait()

    async def _say_level(self) -> None:
        """Say which changes this version knows, where the log says otherwise, as after an upgrade."""
        own = self._author.hub
        if self._order is None or own not in self.members.hubs() or self.members.level_of(own) == LEVEL:
            return
        try:
            await self.append(together(MemberKnows(own, LEVEL)))
        except OmnyShellException as exc:
            logger.warning("which changes this version knows is said to the other hubs later: %s", exc)

    def _is_due(self, denial: Denial) -> bool:
        since = self._heard_at.setdefault(denial.body, time.monotonic())
        return self.denials.is_own(denial) or time.monotonic() - since >= OTHERS_AFTER

    async def _append_again(self, denial: Denial) -> None:
        transaction = denial.transaction
        waiting = _Waiting(transaction, Answer(), is_again=True)
        await self._queue.put(waiting)
        try:
            await waiting.answer
        except ChangeRefusedException as exc:
            logger.info("what was denied while the engine was away is so already: %s", exc)
            self._settle_denials(transaction)
        except OmnyShellException as exc:
            logger.warning("what was denied while the engine was away waits on: %s", exc)

    def _settle_denials(self, transaction: Transaction) -> None:
        """Have what the log says now hold beside the tables no more; what cannot be forgotten yet is refused once."""
        try:
            self.denials.applied(transaction)
        except OmnyShellException as exc:
            logger.error("what was denied, and is in the log, cannot be forgotten yet: %s", exc)

    async def _do(self, waiting: _Waiting) -> None:
        """Publish a transaction until it is at its place, and applied. Raises `OmnyShellException` if it cannot be.

        An attempt that was not answered harms no other, as each is for an exact place.
        """
        while not waiting.answer.is_there:
            try:
                await self._try(waiting)
            except EngineAwayException:
                self._failing_since = self._failing_since or time.monotonic()
                if not self._may_be_back():
                    raise
                await asyncio.sleep(AGAIN)
            else:
                self._failing_since = None

    def _may_be_back(self) -> bool:
        """Whether the engine took changes until so lately that it may only be choosing another leader."""
        order, since = self._order, self._failing_since
        if order is None or self._stuck:
            return False
        return order.away_for < ELECTION and (since is None or time.monotonic() - since < ELECTION)

    async def _try(self, waiting: _Waiting) -> None:
        order, author = self._order, self._author
        if order is None or not order.is_there:
            raise EngineAwayException(self._stuck) if self._stuck else waiting.away
        if self.members.have_removed(author.hub):
            raise NotPermittedException(REMOVED)
        if waiting.transaction.level > self.members.level:
            raise ChangeRefusedException(UPGRADE_FIRST)
        self._own.check(waiting.transaction)
        before = self.applied_seq
        transaction = waiting.transaction.encode()
        raw = author.signed(before + 1, transaction, self._same.digest)
        self._mine = raw, waiting
        try:
            await order.publish(author.subject, raw, Place(last=before))
        except MisplacedException:
            pass
        except EngineAwayException as exc:
            waiting.is_open = True
            raise waiting.away from exc
        await self.reaches(before + 1)
