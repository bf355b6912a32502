"""Whether somebody works on a connection right now, so that bulk on it gives way."""

import asyncio
from collections.abc import Callable

ATTENTION = 1.0
"""Seconds for which one sign of somebody makes bulk give way, at least; at most twice as long."""


class Attention:
    """On from a sign to a while after the last one. `began` and `ended` are called at its ends."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, began: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._began = began
        self._ended = ended
        self._again = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        """Whether there was a sign not long ago."""
        return self._timer is not None

    def note(self) -> None:
        """Here is a sign."""
        if self._timer is not None:
            self._again = True
            return
        self._timer = self._loop.call_later(ATTENTION, self._check)
        self._began()

    def close(self) -> None:
        """End without telling. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._again:
            self._again = False
            self._timer = self._loop.call_later(ATTENTION, self._check)
            return
        self._timer = None
        self._ended()
