"""First at once, the rest in a sum: what can happen too often to be told each time."""

from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

Key = TypeVar("Key")
Latest = TypeVar("Latest")

MOST_KEYS = 10_000


class Summed(NamedTuple, Generic[Key, Latest]):
    """How often something happened that was not told yet, and what is to be said of the last time.

    Without a key it is of all that were too many to be counted apart.
    """

    key: Key | None
    times: int
    latest: Latest


@dataclass(slots=True)
class _Kept(Generic[Latest]):
    due: float
    latest: Latest
    more: int = 0


class ToldInSums(Protocol):
    """Whoever tells in sums what happens too often."""

    def summarize(self, now: float) -> None:
        """Tell what is due; `now` on the monotonic clock."""

    def flush(self) -> None:
        """Tell all that was summed up: it is the end."""


class Sums(Generic[Key, Latest]):
    """Counts by key. Each is summed up an interval after it was told last, and forgotten when there was none meanwhile.

    No I/O: times are in seconds on one clock of the caller's, and never go back. Call `take` now and then, `flush` at
    the end. What a call costs does not depend on how many keys there are.
    """

    def __init__(self, interval: float, most: int = MOST_KEYS) -> None:
        """`most` is how many keys are counted apart."""
        self._interval = interval
        self._most = most
        self._kept: dict[Key | None, _Kept[Latest]] = {}
        """Those that are due first are first."""

    def note(self, key: Key, latest: Latest, now: float) -> bool:
        """Count one; returns whether it is the first of its key, which the caller tells at once."""
        is_first = key not in self._kept and len(self._kept) < self._most
        self.add(key, latest, now, 0 if is_first else 1)
        return is_first

    def add(self, key: Key, latest: Latest, now: float, count: int = 1) -> None:
        """Count so many, all of which are told in sum."""
        place = key if key in self._kept or len(self._kept) < self._most else None
        kept = self._kept.get(place)
        if kept is None:
            kept = self._kept[place] = _Kept(now + self._interval, latest)
        kept.more += count
        kept.latest = latest

    def take(self, now: float) -> list[Summed[Key, Latest]]:
        """Return the sums that are due."""
        told: list[Summed[Key, Latest]] = []
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            if kept.due > now:
                break
            del self._kept[key]
            if kept.more:
                told.append(Summed(key, kept.more, kept.latest))
                self._kept[key] = _Kept(now + self._interval, kept.latest)
        return told

    def flush(self) -> list[Summed[Key, Latest]]:
        """Return all sums, due or not, and forget everything."""
        kept, self._kept = self._kept, {}
        return [Summed(key, each.more, each.latest) for key, each in kept.items() if each.more]
