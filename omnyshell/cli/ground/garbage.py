"""Looks for garbage in bounded steps, however much lives.

Python's collector looks at all there is whenever a quarter of it is new: for thousands of nodes that takes tenths of a
second each time, in which nobody is served. So whatever such a look has found alive is set aside (`gc.freeze`), and the
next one looks only at what has come since. What is set aside is freed as ever once nothing refers to it. Only where it
refers to itself it stays, until a whole look: those are rare, and wait for a quiet moment.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from typing import Protocol

THRESHOLDS = (500, 3, 1)
"""Allocations, and numbers of smaller looks, between two looks."""

AT_MOST = 500 * 4 * 2
"""About how many objects a bounded look has to see."""

PERIOD = 5.0
"""Seconds between two questions whether a whole look is due."""

FREE_GROWTH = 1_000_000
"""Pieces of memory that may be used in addition to twice as many as the last whole look left; an object is three."""

LONGEST = 86_400.0
"""Seconds after which a whole look is due, if anything was set aside."""

QUIET = 0.3
"""The share of a core that the process uses at most in a quiet moment."""

PATIENCE = 600.0
"""Seconds for which a look that is due waits for one."""


class Collector(Protocol):
    """What is used of the module `gc`."""

    def freeze(self) -> None:
        """Set all aside that there is."""

    def unfreeze(self) -> None:
        """Take back what was set aside."""

    def collect(self) -> int:
        """Look at all that is not set aside."""


class BoundedCollections:
    """`collected` is a callback of the collector; call `tick` each `PERIOD`. Times in seconds."""

    def __init__(
        self, now: float, collector: Collector = gc, in_use: Callable[[], int] = sys.getallocatedblocks
    ) -> None:
        """Set aside all that there is; `now` is on the monotonic clock.

        `in_use` returns how many pieces of memory are used. To count what is set aside would take 50 ms for 400,000
        objects, which is what this takes in 0.1 ms.
        """
        self._gc, self._in_use = collector, in_use
        self._gc.freeze()
        self._left = in_use()
        self._whole_at = now
        self._due_since: float | None = None
        self._has_added = False

    def collected(self, phase: str, info: dict[str, int]) -> None:
        """Set aside what a look at the oldest objects has found alive."""
        if phase == "stop" and info["generation"] == 2:
            self._gc.freeze()
            self._has_added = True

    def tick(self, now: float, share: float) -> None:
        """Look at all, if that is due; `share` is how much of a core the process has used since the last call."""
        if not (self._has_grown() or self._is_old(now)):
            self._due_since = None
        elif self._due_since is None:
            self._due_since = now
        if self._due_since is not None and (share <= QUIET or now - self._due_since >= PATIENCE):
            self._look_at_all(now)

    def _has_grown(self) -> bool:
        return self._has_added and self._in_use() > 2 * self._left + FREE_GROWTH

    def _is_old(self, now: float) -> bool:
        return self._has_added and now - self._whole_at >= LONGEST

    def _look_at_all(self, now: float) -> None:
        self._gc.unfreeze()
        self._gc.collect()
        self._gc.freeze()
        # The collector waits until a quarter of what its last look left is new: here that is next to nothing.
        self._gc.collect()
        self._left = self._in_use()
        self._whole_at, self._due_since, self._has_added = now, None, False


async def collect_in_steps() -> None:
    """Have garbage be looked for like that in this process, until this is cancelled."""
    collections = BoundedCollections(time.monotonic())
    thresholds = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(collections.collected)
    share = _shares()
    try:
        while True:
            await asyncio.sleep(PERIOD)
            collections.tick(time.monotonic(), share())
    finally:
        gc.callbacks.remove(collections.collected)
        gc.set_threshold(*thresholds)


def _shares() -> Callable[[], float]:
    """Return a function that says how much of a core this process has used since its last call."""
    last = time.monotonic(), time.process_time()

    def share() -> float:
        nonlocal last
        (began, used), last = last, (time.monotonic(), time.process_time())
        return (last[1] - used) / max(last[0] - began, 1e-3)

    return share
