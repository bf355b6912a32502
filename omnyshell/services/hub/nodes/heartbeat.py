"""Watches heartbeats of nodes; only one with a new number counts (docs/protocol.md#nodes)."""

from collections.abc import Hashable
from itertools import islice, takewhile
from typing import Generic, TypeVar

from omnyshell.protocol.limits import HEARTBEAT_INTERVAL
from omnyshell.services.hub.ground.config import HubConfig

BEAT_AND_A_HALF = 1.5 * HEARTBEAT_INTERVAL

Key = TypeVar("Key", bound=Hashable)


class HeartbeatMonitor(Generic[Key]):
    """Watches registrations on a monotonic clock that the caller reads. Times in seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._last: dict[Key, tuple[float, int | None]] = {}
        """When each was last heard of, and its last number: who was heard of first comes first."""

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on."""
        self._timeout = config.heartbeat_timeout

    @property
    def alive_for(self) -> float:
        """Seconds of silence after which a node no longer counts as alive, though it is not dropped yet.

        A node with the usual period of heartbeats always counts as alive, even if the timeout is shorter.
        """
        return min(self._timeout, max(self._timeout / 2, BEAT_AND_A_HALF))

    def register(self, key: Key, now: float) -> None:
        """Start or restart watching: the next heartbeat may have any number."""
        self._heard(key, now, None)

    def beat(self, key: Key, seq: int, now: float) -> bool:
        """Take a heartbeat; return whether it counts. A replayed one, or one of an unknown key, does not."""
        known = self._last.get(key)
        if known is None or (known[1] is not None and seq <= known[1]):
            return False
        self._heard(key, now, seq)
        return True

    def forget(self, key: Key) -> None:
        """Stop watching. Idempotent."""
        self._last.pop(key, None)

    def expired(self, now: float, most: int | None = None) -> list[Key]:
        """Return and forget the keys that have been silent for the timeout: at most so many, and others later."""
        oldest_first = takewhile(lambda each: now - each[1][0] >= self._timeout, self._last.items())
        silent = [key for key, _ in islice(oldest_first, most)]
        for key in silent:
            del self._last[key]
        return silent

    def postpone(self, by: float) -> None:
        """Extend all deadlines: the hub itself was blocked, and has not read what nodes sent."""
        self._last = {key: (heard + by, seq) for key, (heard, seq) in self._last.items()}

    def _heard(self, key: Key, now: float, seq: int | None) -> None:
        self._last.pop(key, None)
        self._last[key] = (now, seq)
