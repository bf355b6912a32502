"""When a hub's next beat is due. Times on `CLOCK_BOOTTIME`, in seconds."""

import asyncio

from omnyshell.services.hub.cluster.places.leases import BEAT_PERIOD
from omnyshell.services.hub.cluster.shared.clocks import set_within

TICK = 1.0
"""Seconds after which it is looked at the latest."""


class BeatTimes:
    """Tell it of each beat that is `sent`, and when it has `ended`."""

    def __init__(self) -> None:
        self._next = self._last = float("-inf")
        self._is_under_way = False
        self._has_changed = asyncio.Event()

    def is_due(self, boot: float) -> bool:
        """Whether one is to be sent now; one at a time is on its way."""
        return boot >= self._next and not self._is_under_way

    def sent(self, boot: float) -> None:
        """One is on its way; the next one is due in a while."""
        self._is_under_way, self._last, self._next = True, boot, boot + BEAT_PERIOD

    def ended(self) -> None:
        """It was answered, or never will be."""
        self._is_under_way = False
        self._has_changed.set()

    def soon(self, pause: float) -> None:
        """Have the next one be so many seconds behind the last one, or be due now if that is past."""
        self._next = min(self._next, self._last + pause)
        self._has_changed.set()

    async def wait(self, boot: float) -> None:
        """Wait until one is due, or may be; call it once what is due at that time was sent, if it may be."""
        self._has_changed.clear()
        left = self._next - boot
        await set_within(self._has_changed, min(left, TICK) if left > 0 else TICK)
