"""The clock of a hub that is one of several: where the machine's is off, it goes by most of the hubs'."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from omnyshell.clock import Clock
from omnyshell.model.hub_warnings import ahead_or_behind
from omnyshell.services.hub.cluster.places.clocks import TOLERATED
from omnyshell.services.hub.cluster.shared.clocks import boot_clock

OFF = "this machine's clock is {ahead} the other hubs': set it right; what ends at a time here goes by theirs"

logger = logging.getLogger("omnyshell.cluster")


class HubClock:
    """A `Clock`. What is known of the others' it keeps while the engine is away, whatever becomes of the machine's."""

    def __init__(self, own: Clock) -> None:
        self._own = own
        self.monotonic = own.monotonic
        """See `Clock`."""

        self._sent = 0.0, 0.0
        self._known: tuple[float, float] | None = None
        self._is_off = False
        self.on_found: list[Callable[[], None]] = []
        """Called where the time turns out to be another one than it was thought to be."""

    def now(self) -> datetime:
        """See `Clock`."""
        own = self._own.now()
        if self._known is None:
            return own
        common, boot = self._known
        ahead = own.timestamp() - (common + boot_clock() - boot)
        return own - timedelta(seconds=ahead) if abs(ahead) > TOLERATED else own

    def said(self) -> float:
        """Return the time of the machine's clock, in Unix seconds, as it is said in a beat that is sent now."""
        self._sent = self._own.now().timestamp(), boot_clock()
        return self._sent[0]

    def compare(self, said: float, off: float | None) -> None:
        """Compare the clock with the others': `said` was ahead of most by so many seconds, None if that is unknown."""
        sent, boot = self._sent
        if off is None or said != sent:
            return
        before = self.now()
        self._known = sent - off, boot
        if off and not self._is_off:
            logger.error(OFF.format(ahead=ahead_or_behind(off)))
        elif self._is_off and not off:
            logger.warning("this machine's clock is right again")
        self._is_off = bool(off)
        if abs((self.now() - before).total_seconds()) > TOLERATED:
            for each in self.on_found:
                each()
