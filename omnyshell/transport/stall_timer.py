"""Detects stalled transfers, without storing the time of every byte."""

import asyncio
from collections.abc import Callable


class StallTimer:
    """Calls `on_stall` once `progress` has returned the same number for a whole period; the period is in seconds."""

    def __init__(self, period: float, progress: Callable[[], int], on_stall: Callable[[], None]) -> None:
        self._period = period
        self._progress = progress
        self._on_stall = on_stall
        self._seen = progress()
        self._timer = asyncio.get_running_loop().call_later(period, self._look)

    def cancel(self) -> None:
        """Stop. Idempotent."""
        self._timer.cancel()

    def _look(self) -> None:
        now = self._progress()
        if now == self._seen:
            self._on_stall()
            return
        self._seen = now
        self._timer = asyncio.get_running_loop().call_later(self._period, self._look)
