"""Rate-limited reporting: the first event of a key is reported at once, those that follow as a count at intervals."""

from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

Key = TypeVar("Key")
Latest = TypeVar("Latest")

MOST_KEYS = 10_000


class Summed(NamedTuple, Generic[Key, Latest]):
    """How many events of a key were not reported yet, and the latest of them.

    The sum without a key counts the events of all keys beyond those that are counted separately.
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
    """A component that reports frequent events as sums."""

    def summarize(self, now: float) -> None:
        """Report the sums that are due; `now` is seconds on the monotonic clock."""

    def flush(self) -> None:
        """Report all sums, at the end."""


class Sums(Generic[Key, Latest]):
    """Counts events by key.

    A key's sum is due an interval after its last report; a key without new events is then forgotten.

    No I/O: times are seconds on one clock of the caller's that never goes back. Call `take` regularly, and `flush` at
    the end. The cost of a call does not depend on the number of keys.
    """

    def __init__(self, interval: float, most: int = MOST_KEYS) -> None:
        """`interval` is in seconds; `most` is how many keys are counted separately."""
        self._interval = interval
        self._most = most
        self._kept: dict[Key | None, _Kept[Latest]] = {}
        """In the order in which they are due."""

    def __contains__(self, key: Key) -> bool:
        """Whether a key was reported lately, so that its further events are counted."""
        return key in self._kept

    def note(self, key: Key, latest: Latest, now: float) -> bool:
        """Count one event; returns whether it is the first of its key, which the caller reports at once."""
        is_first = key not in self._kept and len(self._kept) < self._most
        self.add(key, latest, now, 0 if is_first else 1)
        return is_first

    def add(self, key: Key, latest: Latest, now: float, count: int = 1) -> None:
        """Count events that are reported in a sum only."""
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
