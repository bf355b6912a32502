"""Which looks at sessions the audit has a record of already."""

from omnyshell.clock import Clock
from omnyshell.services.hub.peers.far_end import FarEnd

LOOK_PERIOD = 60.0
"""Seconds for which repeated looks at one session over one connection, or refusals of them, are a single record."""

MAX_LOOKS_OF_CLIENT = 1_000

Look = tuple[str, ...]
"""What makes looks alike: node, session, how it turned out."""


class Looks:
    """The latest looks of each connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[FarEnd, dict[Look, float]] = {}

    def repeats(self, client: FarEnd, look: Look) -> bool:
        """Tell whether a look repeats one that was recorded; otherwise note it as recorded now."""
        looks = self._of.setdefault(client, {})
        now = self._clock.monotonic()
        if look in looks and now - looks[look] < LOOK_PERIOD:
            return True
        looks.pop(look, None)
        while len(looks) >= MAX_LOOKS_OF_CLIENT:
            del looks[next(iter(looks))]
        looks[look] = now
        return False

    def left(self, client: FarEnd) -> None:
        """Forget a connection that ended. Idempotent."""
        self._of.pop(client, None)
