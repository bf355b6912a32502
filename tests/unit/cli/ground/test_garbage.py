"""Garbage is looked for in bounded steps, and is found all the same."""

import gc
import subprocess
import sys

import pytest

from omnyshell.cli.ground.garbage import AT_MOST, FREE_GROWTH, LONGEST, PATIENCE, QUIET, BoundedCollections

BUSY = 2 * QUIET


class Collector:
    """Counts what it is asked to do. `young` are new objects, `aside` those that are set aside."""

    def __init__(self) -> None:
        self.young, self.aside, self.whole, self.garbage = 1000, 0, 0, 0

    def freeze(self) -> None:
        self.aside, self.young = self.aside + self.young, 0

    def unfreeze(self) -> None:
        self.young, self.aside = self.young + self.aside, 0

    def collect(self) -> int:
        self.whole += self.young > self.aside
        self.young -= self.garbage
        found, self.garbage = self.garbage, 0
        return found

    def in_use(self) -> int:
        return self.young + self.aside


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def collections(collector: Collector) -> BoundedCollections:
    return BoundedCollections(0.0, collector, collector.in_use)


def grow(collector: Collector, collections: BoundedCollections, count: int) -> None:
    while count > 0:
        collector.young += min(count, AT_MOST)
        collections.collected("start", {"generation": 2})
        collections.collected("stop", {"generation": 2})
        count -= AT_MOST


def test_what_a_look_finds_alive_is_set_aside_and_smaller_looks_change_nothing(
    collector: Collector, collections: BoundedCollections
) -> None:
    collector.young = 500
    for generation in (0, 1):
        collections.collected("stop", {"generation": generation})
    assert (collector.young, collector.aside) == (500, 1000)
    collections.collected("stop", {"generation": 2})
    assert (collector.young, collector.aside) == (0, 1500)


def test_a_whole_look_comes_when_as_much_again_was_set_aside_and_waits_for_a_quiet_moment(
    collector: Collector, collections: BoundedCollections
) -> None:
    grow(collector, collections, FREE_GROWTH // 2)
    collections.tick(5.0, 0.0)
    assert collector.whole == 0
    grow(collector, collections, 2 * FREE_GROWTH)
    collector.garbage = collector.aside - 1000
    for now in range(10, 100, 5):
        collections.tick(float(now), BUSY)
    assert collector.whole == 0
    collections.tick(100.0, QUIET)
    assert (collector.whole, collector.aside) == (1, 1000)
    collections.tick(105.0, 0.0)
    assert collector.whole == 1


def test_it_does_not_wait_for_ever(collector: Collector, collections: BoundedCollections) -> None:
    grow(collector, collections, 3 * FREE_GROWTH)
    collections.tick(5.0, BUSY)
    collections.tick(5.0 + PATIENCE - 1, BUSY)
    assert collector.whole == 0
    collections.tick(5.0 + PATIENCE, BUSY)
    assert collector.whole == 1


def test_what_was_freed_meanwhile_is_no_reason(collector: Collector, collections: BoundedCollections) -> None:
    for now in range(5, 50, 5):
        grow(collector, collections, 2 * FREE_GROWTH)
        collector.aside = 1000
        collections.tick(float(now), 0.0)
    assert collector.whole == 0


def test_it_comes_once_a_day_where_anything_was_set_aside(
    collector: Collector, collections: BoundedCollections
) -> None:
    collections.tick(LONGEST + 1, 0.0)
    assert collector.whole == 0
    grow(collector, collections, 1)
    collections.tick(LONGEST + 2, 0.0)
    assert collector.whole == 1
    collections.tick(LONGEST + 10, 0.0)
    assert collector.whole == 1


PROGRAM = """
import asyncio, gc, weakref
from omnyshell.cli.ground import garbage
garbage.PERIOD, garbage.FREE_GROWTH = 0.01, 10_000
garbage.QUIET = 9.0

class Ring:
    def __init__(self):
        self.itself, self.filling = self, [[] for _ in range(20)]

most = 0
def look(phase, info):
    global most
    if phase == "start" and info["generation"] == 2 and not gc.get_freeze_count() == 0:
        most = max(most, len(gc.get_objects()))

async def main():
    collecting = asyncio.create_task(garbage.collect_in_steps())
    await asyncio.sleep(0)
    gc.callbacks.append(look)
    kept = [[[] for _ in range(10)] for _ in range(15_000)]
    assert garbage.AT_MOST / 2 < most < 3 * garbage.AT_MOST, most
    rings = [Ring() for _ in range(5_000)]
    seen = [weakref.ref(ring) for ring in rings]
    gc.collect()
    assert all(ring() for ring in seen)
    del rings
    assert all(ring() for ring in seen), "what is set aside is not looked at"
    kept += [[[] for _ in range(10)] for _ in range(30_000)]
    async with asyncio.timeout(30):
        while any(ring() for ring in seen):
            await asyncio.sleep(0.01)
    collecting.cancel()
    await asyncio.gather(collecting, return_exceptions=True)
    assert gc.get_threshold() == before

before = gc.get_threshold()
asyncio.run(main())
"""


def test_in_a_process_steps_are_bounded_and_rings_are_freed() -> None:
    """It makes half a million objects in a process of its own, as the collector is the process's."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert gc.isenabled()
