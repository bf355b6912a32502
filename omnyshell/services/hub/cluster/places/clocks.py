"""What time it is, by most of the clocks that there are: those of the hubs, and the engine's.

Nothing about who may serve depends on it: leases go by each reader's own monotonic clock. What ends at a time does, as
credentials, invites and locks.
"""

from omnyshell.services.hub.cluster.places.leases import LEASE

TOLERATED = LEASE
"""Seconds by which two clocks may differ."""


class HeardClocks:
    """By how much the clock of each hub was ahead of the engine's, as its beats say."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[float, float]] = {}

    def heard(self, hub: str, said: float, at: float) -> None:
        """Note what time a hub had when it beat, 0 where it does not say, and when the engine took that, 0 as well.

        Both in Unix seconds.
        """
        if said and at:
            self._heard[hub] = at, said - at

    def off(self, hub: str) -> float | None:
        """Return by how many seconds a hub's clock is ahead of most, and 0 where that is tolerated.

        None where it has not said, or no time is that of most clocks.
        """
        heard, common = self._heard.get(hub), self._common()
        if heard is None or common is None:
            return None
        _, ahead = heard
        return ahead - common if abs(ahead - common) > TOLERATED else 0.0

    def engine_off(self) -> float | None:
        """Return the same of the engine's clock."""
        common = self._common()
        return None if common is None else -common if abs(common) > TOLERATED else 0.0

    def differ(self) -> bool:
        """Whether there is more than one clock, and no time is that of most."""
        return bool(self._heard) and self._common() is None

    def _common(self) -> float | None:
        """Return by how much most clocks are ahead of the engine's, of hubs that it heard of lately and its own."""
        newest = max((at for at, _ in self._heard.values()), default=0.0)
        clocks = sorted([0.0, *(ahead for at, ahead in self._heard.values() if newest - at <= LEASE)])
        middle = clocks[(len(clocks) - 1) // 2]
        agreeing = sum(abs(clock - middle) <= TOLERATED for clock in clocks)
        return middle if 2 * agreeing > len(clocks) else None
