"""A change waits while the engine chooses another leader, and for no longer; what was tried before harms nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.deadline import DEADLINE

from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.author import Author
from omnyshell.services.hub.cluster.order.order import EngineAwayException, MisplacedException, Place, Stored
from omnyshell.services.hub.cluster.shared import log as shared_log
from omnyshell.services.hub.cluster.shared.log import AWAY, LEFT_OPEN, SharedLog
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.changes import ClaimNode, RemovePrincipal, Transaction, together

KEY = Ed25519PrivateKey.generate()
SUBJECT = "omnyshell.g.truth.a"
DENIED = together(RemovePrincipal("ann"))


class Engine:
    """What orders; a test says what becomes of each attempt: 'no', 'done', 'silent' where it is done all the same."""

    def __init__(self, log: SharedLog, *attempts: str) -> None:
        self.log, self.attempts = log, list(attempts)
        self.is_there, self.away_for = True, 0.0
        self.records: list[bytes] = []
        self.asked = 0
        self.on_asked: Callable[[], None] = lambda: None

    async def publish(self, subject: str, data: bytes, place: Place) -> int:
        self.asked += 1
        self.on_asked()
        if place.last != len(self.records):
            # What the stream has beside is read by then.
            self._tell()
            raise MisplacedException("wrong last sequence")
        attempt = self.attempts.pop(0) if self.attempts else "done"
        if attempt != "no":
            self.records.append(data)
        if attempt != "done":
            raise EngineAwayException("nobody answers")
        self._tell()
        return len(self.records)

    def _tell(self) -> None:
        for seq, data in enumerate(self.records[self.log.applied_seq :], self.log.applied_seq + 1):
            self.log.take(Stored(seq, SUBJECT, data))


@asynccontextmanager
async def hub(*attempts: str) -> AsyncIterator[tuple[SharedLog, Engine, StateFile]]:
    file = StateFile(None)
    log = SharedLog(file, Author("g", "a", KEY), ("a", KEY.public_key))
    engine = Engine(log, *attempts)
    log.start(engine)
    try:
        async with asyncio.timeout(DEADLINE):
            yield log, engine, file
    finally:
        await log.aclose()
        file.close()


def change(node_id: str = "n1") -> Transaction:
    return together(ClaimNode(node_id, "box"))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_log, "AGAIN", 0.0)


async def test_a_change_that_comes_while_nobody_orders_is_done_once_somebody_does() -> None:
    async with hub(*["no"] * 20) as (log, engine, _):
        assert await log.append(change()) == 1
        assert engine.asked == 21


async def test_an_attempt_that_was_done_though_nobody_answered_is_done_once() -> None:
    async with hub("no", "silent") as (log, engine, file):
        assert await log.append(change()) == 1
        assert len(engine.records) == 1
        assert file.run("SELECT node_id FROM node_owners") == [("n1",)]


async def test_where_the_engine_is_not_reached_a_change_waits_until_it_is() -> None:
    async with hub() as (log, engine, _):
        engine.is_there = False
        answer = log.append(change())
        for _ in range(20):
            await asyncio.sleep(0)
        assert (engine.asked, answer.is_there) == (0, False)
        engine.is_there = True
        assert await answer == 1


@pytest.mark.parametrize("away_for", [shared_log.ELECTION, float("inf")])
async def test_where_it_has_been_away_for_long_a_change_is_refused_at_once(away_for: float) -> None:
    async with hub() as (log, engine, _):
        engine.is_there, engine.away_for = False, away_for
        with pytest.raises(EngineAwayException, match=AWAY):
            await log.append(change())


async def test_where_it_takes_no_change_for_long_each_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with hub(*["no"] * 10_000) as (log, engine, _):
        monkeypatch.setattr(shared_log, "ELECTION", 0.05)
        with pytest.raises(EngineAwayException, match=LEFT_OPEN):
            await log.append(change())
        before = engine.asked
        for number in range(3):
            with pytest.raises(EngineAwayException, match=LEFT_OPEN):
                await log.append(change(f"n{number}"))
        assert engine.asked == before + 3
        engine.attempts.clear()
        assert await log.append(change()) == 1
        # It orders again, so the next time it is waited for.
        engine.attempts[:] = ["no"]
        assert await log.append(change("n2")) == 2


@pytest.mark.parametrize(("is_there", "said"), [(False, AWAY), (True, LEFT_OPEN)])
async def test_what_is_said_at_the_end_of_the_time_is_whether_it_may_have_been_done(
    monkeypatch: pytest.MonkeyPatch, said: str, *, is_there: bool
) -> None:
    monkeypatch.setattr(shared_log, "ANSWER_TIMEOUT", 0.05)
    async with hub(*["no"] * 10_000) as (log, engine, _):
        engine.is_there = is_there
        with pytest.raises(EngineAwayException, match=said):
            await log.append(change())


async def test_what_is_under_way_when_the_hub_stops_is_refused_as_what_waits_is() -> None:
    async with hub(*["no"] * 10_000) as (log, engine, _):
        several = [log.append(change(f"n{number}")) for number in range(3)]
        several.append(log.append(DENIED))
        several.append(log.append(change("n4")))
        while not engine.asked:
            await asyncio.sleep(0)
        await log.aclose()
        for answer in several:
            assert answer.is_there
            with pytest.raises(EngineAwayException):
                answer.now()


async def test_a_lock_holds_though_too_many_changes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_log, "MOST_WAITING", 2)
    async with hub() as (log, engine, _):
        engine.is_there = False
        for number in range(2):
            log.append(change(f"n{number}"))
        with pytest.raises(EngineAwayException, match=shared_log.TOO_MANY):
            log.append(change("n2")).now()
        assert log.append(DENIED).now() == 0
        assert [held.transaction.changes[-1] for held in log.denials.held()] == list(DENIED.changes)


async def test_what_was_denied_is_looked_at_once_in_a_while_however_much_it_is() -> None:
    async with hub() as (log, engine, _):
        engine.is_there, engine.away_for = False, float("inf")
        log.at_end()
        for number in range(20):
            await log.append(together(RemovePrincipal(f"p{number}")))
            # Each comes by itself, and none can be ordered.
            for _ in range(3):
                await asyncio.sleep(0)
        timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        assert sum(timer._callback == log._to_reconcile.set for timer in timers) <= 1
