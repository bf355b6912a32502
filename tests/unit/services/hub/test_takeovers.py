"""Two processes with one node id: told from one that comes back, and slowed down, over simulated hours."""

import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from omnyshell.services.hub.takeovers import FIRST_HOLD, LAST_HOLD, MOST, QUIET, WINDOW, Claimant, Takeovers
from omnyshell.transport.backoff import STABLE_AFTER, UNDISTURBED, Backoff, DisplacedBackoff

HOUR = 3600.0


class Clock:
    """Time that the simulation moves."""

    def __init__(self):
        self.seconds = 1_000.0

    def now(self):
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self):
        return self.seconds


def claimant(name, instance=True):
    return Claimant(f"instance-{name}" if instance else "", f"192.0.2.{ord(name) % 100}", f"box-{name}")


A, B = claimant("a"), claimant("b")


class Node:
    """A node that dials, registers and waits as ours, or 0.1.0's, does."""

    def __init__(self, name, rng, *, is_new):
        self.claimant = claimant(name, instance=is_new)
        self.dials_at = 0.0
        self.since = None
        self.is_new = is_new
        self._backoff, self._displaced = Backoff(rng.uniform), DisplacedBackoff(rng.uniform)

    def lose(self, now, *, is_displaced):
        held = now - self.since if self.since is not None else None
        self.since = None
        if is_displaced and self.is_new:
            self.dials_at = now + self._displaced.next_delay(held)
            return
        if held is not None:
            self._backoff.lost()
            if held >= STABLE_AFTER:
                self._backoff.reset()
        self.dials_at = now + self._backoff.next_delay()


def simulate(kinds, seconds, seed):
    """Have two nodes use one id for so long; returns when it went from one to the other, and how it was held."""
    clock, rng = Clock(), random.Random(seed)
    takeovers, times = Takeovers(clock), []
    nodes = [Node(name, rng, is_new=is_new) for name, is_new in zip("ab", kinds, strict=True)]
    holder, end = None, clock.seconds + seconds
    for number, node in enumerate(nodes):
        node.dials_at = clock.seconds + number
    while True:
        node = min((one for one in nodes if one is not holder), key=lambda one: one.dials_at)
        clock.seconds = max(clock.seconds, node.dials_at)
        if clock.seconds >= end:
            return times
        if holder is not None and takeovers.must_wait("n1", holder.claimant, node.claimant):
            node.lose(clock.seconds, is_displaced=False)
            continue
        if holder is not None:
            takeovers.replaced(holder, "n1", holder.claimant, node.claimant)
            assert takeovers.ended(holder, answered=True) is not None
            times.append(clock.seconds)
            holder.lose(clock.seconds, is_displaced=True)
        holder, node.since = node, clock.seconds


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kinds", [(True, True), (True, False), (False, True), (False, False)])
def test_both_back_off_and_the_id_stays_longer_and_longer(kinds, seed):
    times = simulate(kinds, 10 * HOUR, seed)
    first, last = (sum(start <= at - 1_000 < start + HOUR for at in times) for start in (0.0, 9 * HOUR))
    assert first <= 40
    assert last <= 24
    # Never for long as fast as they would by themselves, which is every two or three seconds.
    for window in range(len(times) - MOST):
        assert times[window + MOST] - times[window] >= FIRST_HOLD / 2


def test_two_of_ours_wait_a_minute_at_least_and_ten_at_most():
    for seed in range(20):
        times = simulate((True, True), 10 * HOUR, seed)
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert min(gaps) >= 60
        assert max(gaps) <= 600
        assert min(gaps[-10:]) >= 300


def test_two_of_the_version_before_are_held_by_the_hub():
    for seed in range(20):
        times = simulate((False, False), HOUR, seed)
        assert times[MOST - 1] - times[0] < WINDOW
        gaps = [later - sooner for sooner, later in pairwise(times[MOST - 1 :])]
        assert gaps[0] >= FIRST_HOLD
        assert all(gap >= FIRST_HOLD for gap in gaps)
        assert max(gaps) >= LAST_HOLD


def test_a_process_that_comes_back_takes_its_id_at_once_however_often():
    clock = Clock()
    takeovers = Takeovers(clock)
    for number in range(50):
        clock.seconds += 0.5
        assert not takeovers.must_wait("n1", A, A)
        takeovers.replaced(number, "n1", A, A)
        # Even where the older connection answers, as it may when its way is open again.
        assert takeovers.ended(number, answered=True) is None
    assert takeovers.last("n1") is None


def test_one_whose_connection_answers_nothing_was_not_displaced():
    clock = Clock()
    takeovers = Takeovers(clock)
    for number in range(50):
        clock.seconds += 0.5
        older, newer = (claimant(name, instance=False) for name in ("a", "a"))
        takeovers.replaced(number, "n1", older, newer)
        assert takeovers.ended(number, answered=False) is None
        assert not takeovers.must_wait("n1", older, newer)


def test_who_holds_a_contested_id_comes_back_to_it_and_another_one_waits():
    clock = Clock()
    takeovers = Takeovers(clock)
    for number in range(MOST):
        assert not takeovers.must_wait("n1", A, B)
        takeovers.replaced(number, "n1", A, B)
        lost = takeovers.ended(number, answered=True)
        assert lost is not None
        assert str(lost) == "192.0.2.97 (box-a) -> 192.0.2.98 (box-b)"
    assert takeovers.must_wait("n1", B, A)
    assert not takeovers.must_wait("n1", B, B)
    assert not takeovers.must_wait("n2", B, A)
    clock.seconds += FIRST_HOLD
    assert not takeovers.must_wait("n1", B, A)


def test_what_is_long_ago_is_forgotten():
    clock = Clock()
    takeovers = Takeovers(clock)
    for number in range(MOST):
        takeovers.replaced(number, "n1", A, B)
        takeovers.ended(number, answered=True)
    clock.seconds += QUIET
    takeovers.replaced("x", "n1", A, B)
    takeovers.ended("x", answered=True)
    assert not takeovers.must_wait("n1", B, A)
    assert takeovers.ended("x", answered=True) is None


def test_a_node_that_had_its_id_for_long_begins_anew():
    backoff = DisplacedBackoff(lambda _low, high: high)
    assert [backoff.next_delay(60) for _ in range(5)] == [120, 240, 480, 600, 600]
    assert backoff.next_delay(UNDISTURBED) == 120
