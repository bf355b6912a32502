"""What an admin of a hub may do about its members, by its files."""

from collections.abc import Callable, Collection
from datetime import datetime

from omnyshell.clock import Clock
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles
from omnyshell.services.hub.cluster.members.invitation import VALID, bar, invite


class FiledMembership:
    """What this hub is among others, as `services/hub/admin` asks it."""

    def __init__(
        self, files: ClusterFiles, hub: str, founder: str, hubs: Callable[[], Collection[str]], clock: Clock
    ) -> None:
        """`hubs` returns the members."""
        self.hub, self.founder, self.hubs = hub, founder, hubs
        self._files, self._clock = files, clock

    def has_founded(self) -> bool:
        """Tell whether the keys from which invitations come are here."""
        return self._files.has_founded

    def invite(self, hub: str) -> tuple[str, datetime]:
        """Make what a hub joins by; return it, and until when it is good. Raises `ConfigException`."""
        now = self._clock.now()
        return invite(self._files, hub, now), now + VALID

    def bar(self, hub: str) -> str:
        """Have `engine.conf` bar a hub where this one founded; return what is to be done. Raises `ConfigException`."""
        if not self._files.has_founded:
            return f"the engine lets it in until `omnyshell cluster remove {hub}` at hub '{self.founder}'"
        bar(self._files, hub)
        config = self._files.directory / ENGINE_CONFIG
        how = "copy it to each, over the one that it has, and send each SIGHUP"
        return f"the engine lets it in until its servers have read {config} as it is now: {how}"
