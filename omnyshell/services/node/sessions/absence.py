"""How long a session waits for a client."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from omnyshell.clock import Clock

MAX_TIMEOUT = 10 * 365 * 86400
"""Seconds; a client that asks for more gets this."""


class Absence:
    """Since when a session has no client, and until when it waits for one; `on_expiry` is called then."""

    def __init__(self, clock: Clock, on_expiry: Callable[[], None]) -> None:
        self.since: datetime | None = None
        self.until: datetime | None = None
        """None while a client is attached, and if the session waits for ever."""

        self._clock = clock
        self._on_expiry = on_expiry
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, timeout: float | None) -> None:
        """The client left; wait `timeout` seconds for another one, or for ever if that is None."""
        self.stop_waiting()
        self.since, self.until = self._clock.now(), None
        if timeout is not None:
            timeout = min(max(0.0, timeout), MAX_TIMEOUT)
            self.until = self.since + timedelta(seconds=timeout)
            self._timer = asyncio.get_running_loop().call_later(timeout, self._on_expiry)

    def go_on(self, since: datetime | None, until: datetime | None) -> None:
        """Go on with an absence that has begun before, under an earlier process."""
        now = self._clock.now()
        self.begin(max(0.0, (until - now).total_seconds()) if until is not None else None)
        self.since = since or self.since

    def end(self) -> None:
        """A client is attached. Idempotent."""
        self.stop_waiting()
        self.since = self.until = None

    def stop_waiting(self) -> None:
        """Let the time pass without effect, as the session ends anyhow. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
