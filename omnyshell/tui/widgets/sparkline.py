"""A run of figures as one line of bars."""

from collections import deque
from collections.abc import Iterable

BARS = "▁▂▃▄▅▆▇█"


class History:
    """The newest figures of a series, as many as a sparkline shows."""

    def __init__(self, length: int) -> None:
        self._values: deque[float] = deque(maxlen=length)
        self._length = length

    def add(self, value: float) -> None:
        """Note the next figure."""
        self._values.append(max(0.0, value))

    @property
    def last(self) -> float:
        """The newest figure."""
        return self._values[-1] if self._values else 0.0

    def bars(self) -> str:
        """The figures as bars, the newest at the right; the highest of them fills its cell."""
        return sparkline(self._values).rjust(self._length, BARS[0])


def sparkline(values: Iterable[float]) -> str:
    """Return a bar for each value; zero is the lowest bar, and nothing else is."""
    found = list(values)
    top = max(found, default=0.0)
    if top <= 0:
        return BARS[0] * len(found)
    steps = len(BARS) - 1
    return "".join(BARS[0] if value <= 0 else BARS[max(1, round(value / top * steps))] for value in found)
