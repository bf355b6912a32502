"""Two processes with one node id: who goes before whom, over simulated hours, whatever the other one does."""

import math
import random
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from support.clock import FakeClock
from support.enrolments import put
from support.in_one_test import in_one_test

from omnyshell.services.hub.nodes import takeovers as module
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.takeovers import CONTEST, LONGEST_MEMORY, SHORTEST_MEMORY, Claimant, Takeovers
from omnyshell.services.hub.records import HubRecords
from omnyshell.services.hub.truth.changes import ReleaseNode
from omnyshell.transport.backoff import STABLE_AFTER, UNDISTURBED, Backoff, DisplacedBackoff

HOUR = 3600.0


def claimant(name: str, *, instance: bool = True, address: str = "", host: str = "", uid: str = "") -> Claimant:
    place = address or f"192.0.2.{sum(map(ord, name)) % 250}"
    return Claimant(f"instance-{name}" if instance else "", place, host or f"box-{name}", uid)


A, B = claimant("a"), claimant("b")


class Node:
    """A node that dials and waits as ours, or 0.1.0's, does: toward this hub there is no difference."""

    def __init__(self, name: str, rng: random.Random, *, names_instance: bool) -> None:
        self.claimant = claimant(name, instance=names_instance)
        self.dials_at = 0.0
        self.since: float | None = None
        self._backoff = Backoff(rng.uniform)

    def lose(self, now: float) -> None:
        """Wait: the id is another's, or was held off."""
        held, self.since = (now - self.since if self.since is not None else None), None
        if held is not None:
            self._backoff.lost()
            if held >= STABLE_AFTER:
                self._backoff.reset()
        self.dials_at = now + self._backoff.next_delay()


class MovedClock(FakeClock):
    """A clock whose days a test moves."""

    days = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)


class Hub:
    """Takeovers as the hub uses it: one id, who has it, and since when nothing came from there."""

    def __init__(self, records: HubRecords | None = None) -> None:
        self.clock = FakeClock()
        self.takeovers = records.takeovers(self.clock) if records is not None else Takeovers(self.clock)
        self.holder: Claimant | None = None
        self.is_silent = False
        self.displaced: list[tuple[float, Claimant, Claimant]] = []
        self.held: dict[Claimant, float] = {}
        self._since = 0.0

    def register(self, newer: Claimant, owner: str = "box", *, answers: bool = True) -> bool:
        """Whether a registration is taken. `answers`: whether the loser answers the close."""
        older, alive = self.holder, not self.is_silent
        if older is not None:
            if not self.takeovers.may_take("n1", owner, older, newer, alive=alive):
                return False
            lost = self.takeovers.replaced(self.clock.monotonic(), "n1", owner, older, newer, alive=alive)
            lost = lost or self.takeovers.ended(self.clock.monotonic(), answered=answers)
            if lost is not None:
                self.displaced.append((self.clock.monotonic(), lost.older, lost.newer))
        self._count()
        self.holder, self.is_silent = newer, False
        self.takeovers.registered("n1", owner, newer)
        return True

    def leave(self) -> None:
        """The holder's connection ends."""
        self._count()
        assert self.holder is not None
        self.takeovers.left("n1", self.holder)
        self.holder = None

    def _count(self) -> None:
        now = self.clock.monotonic()
        if self.holder is not None:
            self.held[self.holder] = self.held.get(self.holder, 0.0) + now - self._since
        self._since = now

    def share(self, who: Claimant) -> float:
        """How much of the time in which anybody had the id it was this one."""
        self._count()
        return self.held.get(who, 0.0) / max(sum(self.held.values()), 1e-9)


def a_hub_with(*claimants: Claimant) -> Hub:
    hub = Hub()
    for one in claimants:
        assert hub.register(one)
    return hub


# A process that comes back


@pytest.mark.parametrize("silent", [False, True])
def test_a_process_that_comes_back_has_its_id_at_once_however_often(silent: bool) -> None:
    hub = a_hub_with(A)
    for _ in range(50):
        hub.clock.seconds += 0.5
        hub.is_silent = silent
        assert hub.register(A)
    assert hub.displaced == []
    assert hub.takeovers.last("n1") is None


def test_one_that_is_not_heard_of_was_not_displaced_and_is_not_waited_for() -> None:
    hub = a_hub_with(A)
    for number in range(50):
        hub.clock.seconds += 0.5
        hub.is_silent = True
        assert hub.register(claimant(f"new-{number}"))
    assert hub.displaced == []


def test_an_older_peer_that_comes_back_is_told_by_the_answer_of_its_old_connection() -> None:
    old = claimant("a", instance=False, uid="nod_x")
    hub = a_hub_with(old)
    for _ in range(50):
        hub.clock.seconds += 0.5
        assert hub.register(old, answers=False)
    assert hub.displaced == []
    # A copy of its machine behind the same address, which is alive, is not waited for twice.
    assert hub.register(old, answers=True)
    assert len(hub.displaced) == 1
    assert not hub.register(old)
    hub.is_silent = True
    assert hub.register(old)


def test_a_node_that_is_started_anew_in_a_contest_waits_until_the_old_one_is_silent() -> None:
    hub = a_hub_with(A, B, A)
    anew = claimant("c", address=A.address, host=A.host)
    assert not hub.register(anew)
    hub.is_silent = True
    assert hub.register(anew)
    # At its place, it goes before whoever took the id from elsewhere.
    hub.leave()
    assert hub.register(B)
    again = claimant("d", address=A.address, host=A.host)
    assert hub.register(again)
    assert not hub.register(B)


@in_one_test(("timeout", "alive_for"), [(30, 15), (120, 60), (20, 15), (12, 12), (2, 2)])
def test_a_node_that_beats_as_usual_is_alive_all_the_time(timeout: float, alive_for: float) -> None:
    assert HeartbeatMonitor(timeout).alive_for == alive_for


# Two that are alive


def test_the_first_gets_its_id_back_and_the_other_one_waits_though_it_tries_for_days() -> None:
    hub = a_hub_with(A, B, A)
    for _ in range(3 * 24 * 60):
        hub.clock.seconds += 60
        assert not hub.register(B)
    assert [(lost, to) for _, lost, to in hub.displaced] == [(A, B), (B, A)]


def test_one_that_waits_quietly_may_take_it_once_in_a_while_and_loses_it_at_once() -> None:
    hub = a_hub_with(A, B, A)
    for _ in range(10):
        hub.clock.seconds += CONTEST
        assert hub.register(B)
        hub.clock.seconds += 2
        assert hub.register(A)
        assert not hub.register(B)
    assert hub.share(A) > 0.99


@pytest.mark.parametrize("answers", [True, False])
def test_takeovers_among_others_hold_nothing_against_the_first(answers: bool) -> None:
    hub = a_hub_with(A)
    others = [claimant(f"evil-{number}", instance=number % 2 == 0) for number in range(20)]
    for other in others:
        hub.register(other, answers=answers)
        hub.register(other, answers=answers)
    assert hub.holder != A
    assert hub.register(A)


def test_what_is_shown_is_what_the_first_lost_and_no_later_takeover_of_others() -> None:
    hub = a_hub_with(A)
    hub.clock.seconds += LONGEST_MEMORY
    assert hub.register(B)
    for number in range(20):
        hub.clock.seconds += CONTEST
        assert hub.register(claimant(f"evil-{number}"))
    lost = hub.takeovers.last("n1")
    assert lost is not None
    assert (lost.older, lost.newer) == (A, B)
    assert str(lost) == f"{A.address} (box-a) -> {B.address} (box-b)"


def test_who_takes_an_id_in_a_gap_gives_it_back() -> None:
    hub = a_hub_with(A)
    hub.clock.seconds += HOUR
    hub.leave()
    assert hub.register(B)
    hub.clock.seconds += HOUR / 2
    assert hub.register(A)
    assert not hub.register(B)


@pytest.mark.parametrize(("had", "remembered"), [(1.0, SHORTEST_MEMORY), (HOUR, HOUR), (1e7, LONGEST_MEMORY)])
def test_who_has_been_away_for_too_long_is_first_no_more(had: float, remembered: float) -> None:
    for away, is_first in ((remembered - 1, True), (remembered + 1, False)):
        hub = a_hub_with(A)
        hub.clock.seconds += had
        hub.leave()
        hub.clock.seconds += away
        hub.register(B)
        assert hub.register(A)
        assert hub.register(B) is not is_first


def test_equals_change_places_once_in_a_while_and_no_more() -> None:
    twins = [claimant("twin", instance=False), claimant("twin", instance=False)]
    hub = a_hub_with(*twins)
    for _ in range(int(10 * HOUR)):
        hub.clock.seconds += 1
        hub.register(twins[0])
    gaps = [later[0] - sooner[0] for sooner, later in pairwise(hub.displaced)]
    assert min(gaps) >= CONTEST


def test_another_principal_that_was_given_the_id_inherits_nothing() -> None:
    hub = a_hub_with(A, B, A)
    hub.leave()
    assert hub.register(B, owner="other")
    assert hub.takeovers.last("n1") is None
    assert hub.register(A, owner="other")
    assert hub.register(B, owner="other")


def test_memory_is_bounded_and_one_principal_pushes_out_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 10)
    hub = a_hub_with(A, B, A)
    for number in range(100):
        hub.takeovers.registered(f"flood-{number}", "flooder", B)
    assert len(hub.takeovers._tenures) == 10
    assert hub.takeovers.last("n1") is not None
    assert not hub.register(B)


async def test_a_hub_that_is_started_anew_knows_who_was_first_whoever_comes_first(tmp_path: Path) -> None:
    records = HubRecords(tmp_path)
    assert Hub(records).register(A)
    for _ in range(3):
        await records.aclose()
        records = HubRecords(tmp_path)
        hub = Hub(records)
        assert hub.register(B)
        hub.clock.seconds += 30
        assert hub.register(A)
        assert not hub.register(B)
    await records.aclose()


async def test_an_id_that_is_given_free_has_no_first_holder(tmp_path: Path) -> None:
    records = HubRecords(tmp_path)
    assert Hub(records).register(A)
    put(records.log, [ReleaseNode("n1", None)])
    await records.aclose()
    records = HubRecords(tmp_path)
    assert records.takeovers(FakeClock())._tenures == {}
    await records.aclose()


async def test_of_too_many_first_holders_the_oldest_go_whatever_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, clock = HubRecords(tmp_path), MovedClock()
    takeovers = records.takeovers(clock)
    ids = [f"n{number:02}" for number in range(20)]
    for node_id in reversed(ids):
        clock.days += 1
        takeovers.registered(node_id, "box", A)
    await records.aclose()
    monkeypatch.setattr(module, "MAX_REMEMBERED", 5)
    for _ in range(2):
        records = HubRecords(tmp_path)
        assert sorted(records.takeovers(clock)._tenures) == ids[:5]
        await records.aclose()


# Whatever the others do

evils = st.builds(
    claimant,
    st.sampled_from(["p", "q", "r"]),
    instance=st.booleans(),
    address=st.sampled_from([A.address, "198.51.100.1", "198.51.100.2"]),
    host=st.sampled_from([A.host, "evil"]),
)
moves = st.lists(
    st.tuples(
        st.sampled_from(["evil", "evil", "evil", "flap", "away"]),
        evils,
        st.floats(0.1, 1_900.0),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


@given(moves)
def test_the_first_has_its_id_whenever_it_asks_for_it_and_keeps_most_of_the_time(
    steps: list[tuple[str, Claimant, float, bool]],
) -> None:
    """The holder comes back seconds after each loss, as a node does; the others come in any order, at any time."""
    hub = a_hub_with(A)
    for kind, evil, pause, quiet in steps:
        hub.clock.seconds += pause
        if kind == "evil":
            hub.register(evil, answers=quiet)
        elif hub.holder == A:
            if kind == "away":
                hub.leave()
            hub.is_silent = True
            hub.register(evil)
        hub.clock.seconds += 1
        assert hub.register(A)
        if hub.displaced and hub.clock.seconds - hub.displaced[-1][0] < CONTEST:
            assert not hub.register(evil)
    passed = sum(pause + 1 for _, _, pause, _ in steps)
    assert hub.share(A) * passed >= passed - len(steps) - 1


@in_one_test("seed", range(5))
@in_one_test("kinds", [(True, True), (True, False), (False, True), (False, False)])
def test_two_nodes_with_one_id_calm_down(kinds: tuple[bool, bool], seed: int) -> None:
    """Ours and 0.1.0's wait as they do; whoever came first has the id, and it changes hands a few times in an hour."""
    rng = random.Random(seed)
    nodes = [Node(name, rng, names_instance=new) for name, new in zip("ab", kinds, strict=True)]
    hub, end = Hub(), 10 * HOUR
    nodes[1].dials_at = hub.clock.seconds + 5
    while (node := min(nodes, key=lambda one: one.dials_at)).dials_at < end:
        hub.clock.seconds = max(hub.clock.seconds, node.dials_at)
        before = hub.holder
        if not hub.register(node.claimant):
            node.lose(hub.clock.seconds)
            continue
        node.dials_at, node.since = math.inf, hub.clock.seconds
        for other in nodes:
            if other is not node and other.claimant == before:
                other.lose(hub.clock.seconds)
    assert 1 <= len(hub.displaced) <= 4
    assert hub.share(nodes[0].claimant) > 0.99


def test_a_node_toward_an_older_hub_waits_for_long_and_begins_anew_when_it_had_its_id_for_long() -> None:
    backoff = DisplacedBackoff(lambda _low, high: high)
    assert [backoff.next_delay(60) for _ in range(5)] == [120, 240, 480, 600, 600]
    assert backoff.next_delay(UNDISTURBED) == 120
