"""The processes of sessions as trees, with how busy each is. No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from omnyshell.model.vitals import SessionProcess

SHORTEST = 1.0
"""Seconds between two answers from which on they tell how busy a process is."""

DEEPEST = 8
"""Levels that are drawn; what is deeper stands at the last one."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process at its place in the tree of its session."""

    process: SessionProcess
    branch: str = ""
    """What is drawn before its command."""

    cpu: float | None = None
    """How much of a processor it took lately, in percent; None where it is not known yet."""

    @property
    def key(self) -> str:
        """What identifies it on its node."""
        return str(self.process.pid)


class ProcessTrees:
    """Makes rows of one answer after another of the same node."""

    def __init__(self) -> None:
        self._taken: Mapping[int, int] = {}
        self._shares: Mapping[int, float | None] = {}
        self._at = -SHORTEST

    def rows(self, processes: Iterable[SessionProcess], now: float) -> list[ProcessRow]:
        """Return the rows in the order of the trees; `now` in seconds, on any clock that only rises."""
        known = {process.pid: process for process in processes}
        if now - self._at >= SHORTEST:
            self._measure(known, now)
        return [ProcessRow(process, branch, self._shares.get(process.pid)) for process, branch in _trees(known)]

    def _measure(self, known: Mapping[int, SessionProcess], now: float) -> None:
        seconds, before = now - self._at, self._taken
        self._taken, self._at = {pid: process.cpu_millis for pid, process in known.items()}, now
        self._shares = {pid: _share(before.get(pid), taken, seconds) for pid, taken in self._taken.items()}


def _share(before: int | None, now: int, seconds: float) -> float | None:
    return (now - before) / (10 * seconds) if before is not None and now >= before else None


def _trees(known: Mapping[int, SessionProcess]) -> Iterator[tuple[SessionProcess, str]]:
    """Yield each process once, with its branch. A node may tell of circles, of which each begins somewhere."""
    children: dict[int, list[SessionProcess]] = {}
    for process in sorted(known.values(), key=lambda one: (one.session_id, one.pid)):
        children.setdefault(process.parent if process.parent in known else 0, []).append(process)
    left = dict(known)
    waiting: list[tuple[SessionProcess, str, str]] = [(root, "", "") for root in reversed(children.get(0, []))]
    while left:
        if not waiting:
            waiting.append((next(iter(left.values())), "", ""))
        process, branch, below = waiting.pop()
        if left.pop(process.pid, None) is None:
            continue
        yield process, branch
        own = children.get(process.pid, []) if process.pid else []
        for number, child in enumerate(reversed(own)):
            waiting.append((child, below + ("├─ " if number else "└─ "), _deeper(below, has_more=bool(number))))


def _deeper(below: str, *, has_more: bool) -> str:
    return below if len(below) >= 3 * DEEPEST else below + ("│  " if has_more else "   ")
