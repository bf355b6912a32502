"""Time for tests."""

import time
from datetime import UTC, datetime

from omnyshell.clock import SystemClock


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds


class LeapingClock(SystemClock):
    """The machine's time, of which a test takes away some in which nothing is done, as where a machine was stopped."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def leap(self, seconds: float) -> None:
        """Have it be so much later at once."""
        self._ahead += seconds

    def monotonic(self) -> float:  # type: ignore[override]
        return time.monotonic() + self._ahead
