"""How long a peer waits before it dials again (docs/protocol.md#nodes)."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

FIRST_CEILING = 2.0
LAST_CEILING = 30.0
SHORTEST = 0.5
STABLE_AFTER = 30.0
"""Seconds of registration after which the next loss starts from the first ceiling again."""

SHORT_OUTAGE = 45.0
"""Seconds after a loss during which the hub is expected to return, as after a restart or a crash."""

SHORT_OUTAGE_CEILING = 6.0

OF_A_LONG_OUTAGE = 0.1
"""The part of an outage that a wait in it may be: whoever was away for an hour can be awaited for some more minutes."""


class BackoffTimes(NamedTuple):
    """The range of delays, in seconds; the defaults are a node's."""

    shortest: float = SHORTEST
    first_ceiling: float = FIRST_CEILING
    last_ceiling: float = LAST_CEILING
    short_outage: float = SHORT_OUTAGE
    short_outage_ceiling: float = SHORT_OUTAGE_CEILING
    long_outage_ceiling: float = 0.0
    """What the ceiling grows to, as a tenth of the outage, where that is more than the last one."""


NODE_TIMES = BackoffTimes()


DISPLACED_CEILINGS = (120.0, 600.0)
"""The first and the last ceiling, in seconds, of a node's wait after another process took its id."""

UNDISTURBED = 2 * DISPLACED_CEILINGS[1]
"""Seconds of holding the id after which the conflict counts as resolved; longer than either process waits."""


class DisplacedBackoff:
    """Delays in seconds for two processes with one node id: uniform in the upper half of a ceiling that doubles.

    Each process waits longer than the last time, so that the id changes hands less and less often.
    """

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._ceiling = DISPLACED_CEILINGS[0]

    def next_delay(self, held: float) -> float:
        """Return the next delay, and raise the ceiling; `held` is for how long this process had the id."""
        if held >= UNDISTURBED:
            self._ceiling = DISPLACED_CEILINGS[0]
        ceiling = self._ceiling
        self._ceiling = min(2 * ceiling, DISPLACED_CEILINGS[1])
        return self._uniform(ceiling / 2, ceiling)


class Backoff:
    """Delays in seconds: uniform between the shortest and a ceiling that doubles from the first to the last.

    Jitter over the whole range keeps a restarted hub's nodes from coming back all at once. After an established
    connection was `lost` the ceiling is lower for a while, so that a short outage is not followed by a long absence.
    """

    def __init__(
        self, uniform: Callable[[float, float], float] = random.uniform, times: BackoffTimes = NODE_TIMES
    ) -> None:
        self._uniform = uniform
        self._times = times
        self._ceiling = times.first_ceiling
        self._waited = math.inf

    def next_delay(self) -> float:
        """Return the next delay, and raise the ceiling."""
        ceiling = self._ceiling
        if self._waited < self._times.short_outage:
            ceiling = min(ceiling, self._times.short_outage_ceiling)
        elif self._waited < math.inf:
            ceiling = max(ceiling, min(self._waited * OF_A_LONG_OUTAGE, self._times.long_outage_ceiling))
        delay = self._uniform(self._times.shortest, ceiling)
        self._waited += delay
        self._ceiling = min(self._ceiling * 2, self._times.last_ceiling)
        return delay

    def lost(self) -> None:
        """Note the loss of an established connection, which begins an outage."""
        self._waited = 0.0

    def reset(self) -> None:
        """Start again from the first ceiling."""
        self._ceiling = self._times.first_ceiling

    def begin_outage(self) -> None:
        """Start again as after the loss of what had lasted."""
        self.reset()
        self.lost()
