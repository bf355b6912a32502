"""Node ids that go from one connection to another: whether that was another process, and how soon it may happen again.

A process that comes back over a half-open connection takes its id over at once, as often as it likes. Two processes
that use one id would take it from each other for ever: ours wait longer and longer by themselves, others are made to.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from omnyshell.clock import Clock

MOST, WINDOW = 3, 60.0
"""How often in how many seconds an id may go to another process before it stays where it is for a while."""

FIRST_HOLD, LAST_HOLD = 60.0, 600.0
"""Seconds that it stays then, at first and at last."""

QUIET = 2 * LAST_HOLD
"""Seconds without a takeover after which all is forgotten: longer than either of two nodes waits."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who registered a node id. `instance` names the process where it says so."""

    instance: str
    address: str
    host: str

    def __str__(self) -> str:
        return f"{self.address} ({self.host})"

    def is_same_process(self, other: "Claimant") -> bool:
        """Whether both are known to be one process; two that do not say are not."""
        return self.instance != "" and self.instance == other.instance


@dataclass(frozen=True, slots=True)
class Displacement:
    """A node id was taken from a process that was alive."""

    node_id: str
    at: datetime
    older: Claimant
    newer: Claimant

    def __str__(self) -> str:
        return f"{self.older} -> {self.newer}"


@dataclass(slots=True)
class _Contest:
    """What is remembered of an id. Times on the monotonic clock."""

    last: Displacement | None = None
    times: list[float] = field(default_factory=list)
    next_hold: float = FIRST_HOLD
    held_until: float = 0.0

    def note(self, now: float) -> None:
        """Another takeover: hold the id where there have been too many, or have been before."""
        self.times = [at for at in self.times if now - at < WINDOW] + [now]
        if len(self.times) >= MOST or self.next_hold > FIRST_HOLD:
            self.held_until = now + self.next_hold
            self.next_hold = min(2 * self.next_hold, LAST_HOLD)


class Takeovers:
    """A plain object. `replaced` first, then `ended` when the older connection is gone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closing: dict[Hashable, Displacement] = {}
        self._contests: dict[str, _Contest] = {}

    def replaced(self, connection: Hashable, node_id: str, older: Claimant, newer: Claimant) -> None:
        """An older connection was told to close; who was behind it shows in how it ends."""
        if not older.is_same_process(newer):
            self._closing[connection] = Displacement(node_id, self._clock.now(), older, newer)

    def ended(self, connection: Hashable, *, answered: bool) -> Displacement | None:
        """A connection has ended; returns what its process lost where it was alive, which its answer shows.

        A half-open connection answers nothing.
        """
        lost = self._closing.pop(connection, None)
        if lost is None or not answered:
            return None
        self._forget_quiet_ones()
        contest = self._contests.setdefault(lost.node_id, _Contest())
        contest.last = lost
        contest.note(self._clock.monotonic())
        return lost

    def must_wait(self, node_id: str, holder: Claimant, newer: Claimant) -> bool:
        """Whether the id stays with its holder for now."""
        contest = self._contests.get(node_id)
        is_held = contest is not None and self._clock.monotonic() < contest.held_until
        return is_held and not holder.is_same_process(newer)

    def last(self, node_id: str) -> Displacement | None:
        """Return the last displacement of an id, as far as it is remembered."""
        contest = self._contests.get(node_id)
        return contest.last if contest is not None else None

    def _forget_quiet_ones(self) -> None:
        now = self._clock.monotonic()
        self._contests = {
            node_id: contest for node_id, contest in self._contests.items() if now - contest.times[-1] < QUIET
        }
