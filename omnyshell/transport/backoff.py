"""How long a peer waits before it dials again (wire protocol section 3)."""

import random
from collections.abc import Callable

FIRST_CEILING = 2.0
LAST_CEILING = 30.0
SHORTEST = 0.5
STABLE_AFTER = 30.0
"""Seconds of being registered after which the next loss starts from the first ceiling again."""


class Backoff:
    """Delays in seconds: uniform between half a second and a ceiling that doubles from 2 to 30.

    Jitter over the whole range keeps a restarted hub's nodes from coming back all at once.
    """

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._ceiling = FIRST_CEILING

    def next_delay(self) -> float:
        """Return the next delay, and raise the ceiling."""
        delay = self._uniform(SHORTEST, self._ceiling)
        self._ceiling = min(self._ceiling * 2, LAST_CEILING)
        return delay

    def reset(self) -> None:
        """Start again from the first ceiling."""
        self._ceiling = FIRST_CEILING
