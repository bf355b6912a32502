"""A hub's beats, and claims of its nodes, while the engine has no leader: one asks for all."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.deadline import DEADLINE
from support.stack import until

from omnyshell.services.hub.cluster.order.order import (
    EngineAwayException,
    MisplacedException,
    Origin,
    Place,
    Stored,
    UncertainException,
)
from omnyshell.services.hub.cluster.places.leases import (
    MOST_UNANSWERED,
    OWN_LEASE,
    UNANSWERED,
    OwnLease,
    Standing,
)
from omnyshell.services.hub.cluster.places.records import Beat, decode
from omnyshell.services.hub.cluster.shared import places as shared_places
from omnyshell.services.hub.cluster.shared.places import SharedPlaces
from omnyshell.services.hub.cluster.shared.subjects import subject_of_beat
from omnyshell.services.hub.nodes.places import Served


class Engine:
    """What orders: each record is read as it is written, unless nobody leads."""

    away_for = 0.0

    def __init__(self, places: SharedPlaces) -> None:
        self.places, self.has_leader = places, True
        self.is_agreed_with = True
        """Whether who leads has others that write what it does; else it answers as if each record had been written."""

        self.written: list[str] = []
        self.refused: list[str] = []
        self.said: list[bytes] = []

    @property
    def is_there(self) -> bool:
        return True

    async def publish(self, subject: str, data: bytes, place: Place) -> int:
        await asyncio.sleep(0)
        if not self.has_leader:
            self.refused.append(subject)
            raise EngineAwayException("no responders")
        if not self.is_agreed_with:
            self.refused.append(subject)
            raise MisplacedException("wrong last sequence")
        return self._write(subject, data)

    def erase(self, subject: str) -> None:
        """Have an answer of the engine stand where a hub's last word did."""
        self._write(subject, b'{"stream":"another","seq":1}')

    def _write(self, subject: str, data: bytes) -> int:
        self.written.append(subject)
        self.said.append(data)
        self.places.take(Stored(len(self.written), subject, data))
        return len(self.written)


@asynccontextmanager
async def hub() -> AsyncIterator[tuple[SharedPlaces, Engine]]:
    members = SimpleNamespace(hubs=lambda: ("a",), key_of=lambda _hub: object(), have_removed=lambda _hub: False)
    places = SharedPlaces("a", "g", 300.0, cast("Any", members))
    engine = Engine(places)
    places.begin_reading(Origin("now", 0))
    places.at_end()
    places.start(engine)
    try:
        async with asyncio.timeout(DEADLINE):
            await places.has_lease()
            yield places, engine
    finally:
        await places.aclose()


async def test_a_server_that_is_behind_for_a_moment_makes_no_hub_forget_who_is_where() -> None:
    async with hub() as (places, engine):
        read = len(engine.written)
        with pytest.raises(UncertainException, match="went back to 0"):
            places.begin_reading(Origin("now", 0))
        assert places.is_serving()
        assert places.begin_reading(Origin("now", read)) == read
        # Another time is another moment.
        with pytest.raises(UncertainException, match="went back to 0"):
            places.begin_reading(Origin("now", 0))


async def test_a_server_that_is_behind_makes_no_hub_take_itself_for_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("omnyshell.services.hub.cluster.shared.same_stream.CERTAIN", 0.0)
    async with hub() as (places, engine):
        beat = Stored(len(engine.written) + 1, engine.written[-1], engine.said[-1])
        assert places.begin_reading(Origin("now", 0)) == 1
        places.at_end()
        # What it had written before, which that server shows when it has caught up.
        engine.written.append(beat.subject)
        places.take(beat)
        await until(places.is_serving)
        assert not places._places.is_displaced


async def test_a_hub_whose_beats_are_all_misplaced_serves_on_who_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [shared_places.boot_clock()]
    monkeypatch.setattr(shared_places, "boot_clock", lambda: times[-1])
    monkeypatch.setattr(shared_places, "BEAT_AGAIN", 0.0)
    async with hub() as (places, engine):
        own = places._places.own
        engine.is_agreed_with = False
        while times[-1] < times[0] + 2 * OWN_LEASE:
            times.append(times[-1] + 0.5)
            refused = len(engine.refused)
            places._beat_times.soon(0.0)
            await until(lambda refused=refused: len(engine.refused) > refused)
        assert own.standing(times[-1]) is Standing.ENGINE_AWAY
        engine.is_agreed_with = True
        await until(lambda: own.standing(times[-1]) is Standing.HELD)


async def test_what_the_stream_lost_of_a_hubs_words_is_said_again_also_that_it_let_go_unless_it_is_no_member() -> None:
    async with hub() as (places, engine):
        assert await places.claim(Served("n1", "process", 0)) == 1
        node = engine.written[-1]
        for is_gone in (False, True):
            if is_gone:
                places.left("n1", "process")
            await until(lambda is_gone=is_gone: places._places.place_of("n1").entry.is_gone is is_gone)
            said, before = places._places.place_of("n1").entry, len(engine.written)
            engine.erase(node)
            await until(lambda before=before: len(engine.written) > before + 1)
            assert (engine.written[-1], decode(engine.said[-1])) == (node, said)
        engine.erase(subject_of_beat("g", "a"))
        places._beat_times.soon(0.0)
        await until(lambda: places._places.own_beat_seq == len(engine.written))
        places._members.key_of = lambda _hub: None
        before = len(engine.written)
        engine.erase(node)
        assert (len(engine.written), places._descriptions._changed) == (before + 1, {})


async def test_claims_wait_for_one_beat_that_finds_the_new_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claim by itself would have looked again after a minute."""
    monkeypatch.setattr(shared_places, "AGAIN", 60.0)
    monkeypatch.setattr(shared_places, "CLAIM_TIMEOUT", 60.0)
    monkeypatch.setattr(shared_places, "BEAT_AGAIN", 0.01)
    async with hub() as (places, engine):
        engine.has_leader = False
        claims = [places.claim(Served(f"n{number}", "process", 0)) for number in range(20)]
        await until(lambda: sum(subject.endswith("beat") for subject in engine.refused) >= 5)
        assert len(engine.refused) - sum(subject.endswith("beat") for subject in engine.refused) == len(claims)
        engine.has_leader = True
        for claim in claims:
            assert await claim == 1


async def test_beats_are_no_closer_than_that_however_many_claims_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_places, "BEAT_AGAIN", 0.05)
    async with hub() as (places, engine):
        engine.has_leader = False
        began = asyncio.get_running_loop().time()
        claims = [places.claim(Served(f"n{number}", "process", 0)) for number in range(20)]
        for number in range(100):
            places._beat_times.soon(shared_places.BEAT_AGAIN)
            await asyncio.sleep(0.002)
            if number % 10 == 0:
                claims.append(places.claim(Served(f"m{number}", "process", 0)))
        beats = sum(subject.endswith("beat") for subject in engine.refused)
        assert 1 <= beats <= 2 + (asyncio.get_running_loop().time() - began) / 0.05
        # None of the claims asks by itself meanwhile.
        assert len(engine.refused) - beats == len(claims)
        engine.has_leader = True
        for claim in claims:
            assert await claim == 1


def test_of_beats_that_are_never_answered_few_are_kept_and_the_oldest_counts() -> None:
    lease = OwnLease(300.0)
    lease.sent(0, 0.0)
    lease.acknowledged(0, 1, 1, 0.0)
    lease.tick(0.0)
    for number in range(1, 10 * MOST_UNANSWERED):
        lease.sent(number, number / 1000)
    assert len(lease._sent) == MOST_UNANSWERED
    assert next(iter(lease._sent)) == 1
    for boot in (2.0, 4.0, 6.0, UNANSWERED + 0.1):
        lease.tick(boot)
    assert lease.standing(UNANSWERED + 0.1) is Standing.ENGINE_AWAY
    # The newest one is answered after all.
    lease.acknowledged(number, 2, 2, 7.0)
    assert (lease.standing(7.0), lease._sent) == (Standing.HELD, {})


async def test_a_hub_that_was_removed_says_so_and_sends_nodes_away_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async with hub() as (places, _engine):
        cast("Any", places._members).have_removed = lambda _hub: True
        await until(lambda: not places.is_serving())
        with pytest.raises(EngineAwayException, match="was removed"):
            await places.claim(Served("n1", "process", 0))
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [
        "this hub opens nothing any more: another one has removed it (docs/cluster.md#losing-a-hub)"
    ]


async def test_a_hub_that_stops_complains_of_nothing_and_says_what_it_had_applied(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with hub() as (places, engine):
        places.tell(lambda: 7, dict, lambda: 0)
    last = decode(engine.said[-1])
    assert isinstance(last, Beat)
    assert (last.is_last, last.applied) == (True, 7)
    assert [each.message for each in caplog.records if each.levelno >= logging.WARNING] == []
