"""What a hub says of itself in its beats."""

from collections.abc import Callable

from msgspec.structs import replace

from omnyshell.model.hubs import USUAL_WEIGHT
from omnyshell.services.hub.cluster.places.records import Beat
from omnyshell.services.hub.cluster.shared.clocks import boot_clock
from omnyshell.services.hub.cluster.shared.known_hubs import KnownHub

FILES_PERIOD = 60.0
"""Seconds after which a beat has the digests of the hub's files anew."""

Count = Callable[[], int]


class OwnWords:
    """Beats say by it how many changes are applied, which one is unknown, what the hub's files are, and its clock."""

    def __init__(self) -> None:
        self._applied: Count = lambda: 0
        self._unknown: Count = lambda: 0
        self._own_files: Callable[[], dict[str, str]] = dict
        self._files: tuple[float, dict[str, str]] = (float("-inf"), {})
        self._time: Callable[[], float] = lambda: 0.0
        self.reached = "", USUAL_WEIGHT
        """Where peers reach this hub, "" for unknown, and its weight."""

    def begin(
        self, applied: Count, own_files: Callable[[], dict[str, str]], unknown: Count, time: Callable[[], float]
    ) -> None:
        """Take it from these from now on; `time` returns Unix seconds."""
        self._applied, self._own_files, self._unknown, self._time = applied, own_files, unknown, time

    def added_to(self, beat: Beat) -> Beat:
        """Return a beat that says it, and is sent now."""
        at, files = self._files
        if (boot := boot_clock()) - at >= FILES_PERIOD:
            at, files = self._files = boot, self._own_files()
        url, weight = self.reached
        return replace(self.progress_in(beat), files=files, url=url, weight=weight, clock=self._time())

    def progress_in(self, beat: Beat) -> Beat:
        """Return a beat that says how many changes are applied, and which one is unknown."""
        return replace(beat, applied=self._applied(), unknown=self._unknown())

    def known(self, hub: KnownHub) -> KnownHub:
        """Return what is known of this hub, with what it says."""
        url, weight = self.reached
        known = hub._replace(applied=self._applied(), unknown=self._unknown(), files=self._files[1])
        return known._replace(url=url, weight=weight)
