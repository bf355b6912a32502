"""Who looks at sessions of other principals, so that their owners can be told."""

from omnyshell.clock import Clock
from omnyshell.services.hub.ground.event_bus import EventBus, WatchEvent

WATCHED_FOR = 4.0
"""Seconds for which a look counts: who watches looks again within two."""

TOLD_AGAIN = 1.0
"""Seconds after which who goes on looking is told of once more: who hears of it may not have known the session yet."""

_Watch = tuple[str, str, str, str]
"""Node id, owner, reference of the session, and who looks."""


class Watchers:
    """The looks of the last seconds; publishes who begins and who ceases to watch. Idle while nobody listens."""

    def __init__(self, bus: EventBus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._until: dict[_Watch, float] = {}
        self._told: dict[_Watch, float] = {}

    def looked(self, node_id: str, owner: str, session_ref: str, who: str) -> None:
        """A principal was shown a session of another one."""
        if not self._bus.is_heard:
            return
        watch, now = (node_id, owner, session_ref, who), self._clock.monotonic()
        self._until[watch] = now + WATCHED_FOR
        if now - self._told.get(watch, -TOLD_AGAIN) >= TOLD_AGAIN:
            self._told[watch] = now
            self._bus.publish(WatchEvent(*watch, is_watching=True))

    def expire(self, now: float) -> None:
        """Forget who has not looked for a while; `now` on the monotonic clock."""
        for watch in [watch for watch, until in self._until.items() if now >= until]:
            del self._until[watch], self._told[watch]
            self._bus.publish(WatchEvent(*watch, is_watching=False))
