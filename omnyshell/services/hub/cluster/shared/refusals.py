"""What is told of hubs that say what does not count: no member fills an audit trail with what it makes up. No I/O."""

import time
from collections import deque
from collections.abc import Callable

from omnyshell.services.hub.cluster.places.bounds import Refused

PERIOD = 600.0
MOST_TOLD = 200
"""Refusals of one hub that are told of within so many seconds."""

NO_MORE = "; of more, nothing is told for a while"


class Refusals:
    """Bounds how much is told of each hub."""

    def __init__(self, tell: Refused, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is the monotonic clock, in seconds."""
        self._tell, self._now = tell, now
        self._told: dict[str, deque[float]] = {}

    def tell(self, hub: str, why: str) -> None:
        """Tell of a refusal, unless there were too many of that hub."""
        told, now = self._told.setdefault(hub, deque()), self._now()
        while told and now - told[0] >= PERIOD:
            told.popleft()
        if len(told) < MOST_TOLD:
            told.append(now)
            self._tell(hub, why if len(told) < MOST_TOLD else f"{why}{NO_MORE}")
