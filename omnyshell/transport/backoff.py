"""How long a peer waits before it dials again (wire protocol section 3)."""

import random
from collections.abc import Callable
from typing import NamedTuple

FIRST_CEILING = 2.0
LAST_CEILING = 30.0
SHORTEST = 0.5
STABLE_AFTER = 30.0
"""Seconds of being registered after which the next loss starts from the first ceiling again."""


class BackoffTimes(NamedTuple):
    """The range of delays, in seconds; the defaults are a node's."""

    shortest: float = SHORTEST
    first_ceiling: float = FIRST_CEILING
    last_ceiling: float = LAST_CEILING


NODE_TIMES = BackoffTimes()


class Backoff:
    """Delays in seconds: uniform between the shortest and a ceiling that doubles from the first to the last.

    Jitter over the whole range keeps a restarted hub's nodes from coming back all at once.
    """

    def __init__(
        self, uniform: Callable[[float, float], float] = random.uniform, times: BackoffTimes = NODE_TIMES
    ) -> None:
        self._uniform = uniform
        self._times = times
        self._ceiling = times.first_ceiling

    def next_delay(self) -> float:
        """Return the next delay, and raise the ceiling."""
        delay = self._uniform(self._times.shortest, self._ceiling)
        self._ceiling = min(self._ceiling * 2, self._times.last_ceiling)
        return delay

    def reset(self) -> None:
        """Start again from the first ceiling."""
        self._ceiling = self._times.first_ceiling
