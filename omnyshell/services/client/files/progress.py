"""How far a transfer is."""

from collections import deque

from omnyshell.clock import Clock

_SPAN = 5.0
"""Seconds over which the rate is taken."""

_STEP = 0.2
"""Seconds between two of its samples."""


class Progress:
    """Counts of a transfer, in files and bytes.

    What was found grows until `is_counted`; bytes that are there may become fewer again, where a copy begins anew.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.began = clock.monotonic()
        self.files_found = self.files_done = 0
        self.bytes_found = self.bytes_there = 0
        self.moved = 0
        """Bytes that went over, without those that were there."""

        self.copied = self.up_to_date = self.left_out = self.failed = 0
        self.is_counted = False
        """Whether all has been found."""

        self._samples: deque[tuple[float, int]] = deque([(self.began, 0)])

    def found(self, size: int) -> None:
        """Count a file."""
        self.files_found += 1
        self.bytes_found += size

    def there(self, size: int, is_moved: bool) -> None:
        """Count bytes that are at the target: moved now, or there from before; less than 0 for those that are lost."""
        self.bytes_there += size
        if is_moved:
            self.moved += size

    @property
    def seconds(self) -> float:
        """For how long it has been going on."""
        return self._clock.monotonic() - self.began

    def rate(self) -> float:
        """Return how many bytes go over in a second, of late."""
        now = self._clock.monotonic()
        if now - self._samples[-1][0] >= _STEP:
            self._samples.append((now, self.moved))
        while len(self._samples) > 2 and now - self._samples[1][0] > _SPAN:
            self._samples.popleft()
        since, before = self._samples[0]
        return (self.moved - before) / (now - since) if now > since else 0.0

    def time_left(self) -> float | None:
        """Return in how many seconds it should be done; None while nobody can say."""
        rate = self.rate()
        if not self.is_counted or rate <= 0:
            return None
        return max(0, self.bytes_found - self.bytes_there) / rate
