"""Tracks whether a user is interactive on a connection, so that bulk traffic gives way."""

import asyncio
from collections.abc import Callable

from omnyshell.transport.cut_off import nothing

ATTENTION = 1.0
"""Seconds for which one interactive frame makes bulk traffic give way: at least this long, at most twice as long."""


class Attention:
    """On from the first interactive frame until `ATTENTION` after the last one.

    `began` and `ended` are called at the changes.
    """

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
        """Whether there was an interactive frame recently."""
        return self._timer is not None

    def note(self) -> None:
        """Note an interactive frame."""
        if self._timer is not None:
            self._again = True
            return
        self._timer = self._loop.call_later(ATTENTION, self._check)
        self._began()

    def close(self) -> None:
        """Stop, without calling `ended`, and let go of both. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._began = self._ended = nothing

    def _check(self) -> None:
        if self._again:
            self._again = False
            self._timer = self._loop.call_later(ATTENTION, self._check)
            return
        self._timer = None
        self._ended()
