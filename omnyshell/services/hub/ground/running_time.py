"""For how long a hub has run: time in which it did nothing, stopped or blocked, counts against nobody. No I/O."""


class RunningTime:
    """Is woken each `period` seconds, and later where nothing could be done. Times on the monotonic clock."""

    def __init__(self, now: float, period: float) -> None:
        self._woken, self._period = now, period
        self._lost = 0.0
        self.has_to_read_first = False
        """Whether what peers have said meanwhile is unread, and nobody is to be judged; once, as it may be so again."""

    def wake(self, now: float) -> float:
        """Return how many seconds have passed, where that is twice as long as they should, or longer; else 0."""
        passed, self._woken = now - self._woken, now
        is_late = passed > 2 * self._period
        self.has_to_read_first = is_late and not self.has_to_read_first
        if not is_late:
            return 0.0
        self._lost += passed - self._period
        return passed

    def of(self, now: float) -> float:
        """Return the time without what was lost."""
        return now - self._lost
