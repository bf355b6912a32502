"""The time by which a connection has to be over."""

import asyncio
from collections.abc import Callable


def nothing() -> None:
    """Stand for a call that is due no more."""


class CutOff:
    """Calls `abort` at a deadline; of several, the earliest counts. `close` it when the connection is gone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, abort: Callable[[], None]) -> None:
        self._loop = loop
        self._abort = abort
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Abort within `seconds`; an earlier deadline stays in force."""
        deadline = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._abort)

    def call_off(self) -> None:
        """Drop the deadline. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Drop the deadline, and let go of what was to be aborted. Idempotent."""
        self.call_off()
        self._abort = nothing
