"""Decides between two processes that use the same node id: which of them gets it, and which has to wait.

A process that reconnects while its old connection is half-open takes its id over at once, as often as it likes. Two
different processes would take an id from each other for ever, so the one that had it first gets it back, and the other
waits while that one is alive. Nothing is reserved for a silent process, so a restarted node waits for seconds at most.

The first holders are stored with the hub's state: otherwise the fastest process would be first after each restart.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from omnyshell.clock import Clock
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.store import FirstHolder

CONTEST = 1_800.0
"""Seconds after an id was taken from a live process during which only a process with precedence may take it.

This is longer than any node waits between attempts, so that waiting does not decide who has the id.
"""

SHORTEST_MEMORY, LONGEST_MEMORY = 1_200.0, 86_400.0
"""Bounds, in seconds, of how long the first holder keeps precedence after it left: as long as it had the id."""

MAX_REMEMBERED = 10_000
"""The most ids that are remembered; beyond it, the oldest of the principal with the most of them is forgotten."""


class Nearness(IntEnum):
    """How close a process is to the first holder of an id. A smaller value has precedence."""

    FIRST = 0
    SAME_PLACE = 1
    STRANGER = 2


@dataclass(frozen=True, slots=True)
class Claimant:
    """The process that registered a node id.

    `instance` names it, if it gives one; all but the address is its own claim.

    `instance` is stored as a hash, so that readers of the hub's files cannot pose as the process.
    """

    instance: str
    address: str
    host: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.address} ({self.host})"

    def is_same_process(self, other: "Claimant") -> bool:
        """Whether both are known to be the same process; without `instance` that is unknown."""
        return self.instance != "" and self.instance == other.instance

    def is_at_the_place_of(self, other: "Claimant") -> bool:
        """Whether both claim the same machine, and have the same address."""
        return (self.address, self.host) == (other.address, other.host)

    def may_be(self, other: "Claimant") -> bool:
        """Whether two older peers, which give no `instance`, cannot be told apart."""
        says_enough = self.host != "" and self.uid != "" and not self.instance
        return says_enough and self == other

    def nearness(self, first: "Claimant") -> Nearness:
        """Return how close this one is to the first holder."""
        if self.is_same_process(first):
            return Nearness.FIRST
        return Nearness.SAME_PLACE if self.is_at_the_place_of(first) else Nearness.STRANGER


@dataclass(frozen=True, slots=True)
class Displacement:
    """The event that a node id was taken from a live process."""

    node_id: str
    at: datetime
    older: Claimant
    newer: Claimant

    def __str__(self) -> str:
        return f"{self.older} -> {self.newer}"


@dataclass(slots=True)
class _Tenure:
    """The remembered history of an id. Times on the monotonic clock."""

    owner: str
    first: Claimant
    since: float
    seen: float
    """When the first holder was last known to have the id."""

    contested_until: float = 0.0
    last: Displacement | None = None

    def has(self, holder: Claimant, now: float) -> None:
        """Note the present holder. It becomes the first holder if that has been away for too long."""
        nearness = holder.nearness(self.first)
        memory = min(max(self.seen - self.since, SHORTEST_MEMORY), LONGEST_MEMORY)
        if nearness is Nearness.FIRST or (nearness is Nearness.SAME_PLACE and not self.first.instance):
            self.seen = now
        elif now - self.seen > memory:
            self.first, self.since, self.seen = holder, now, now

    def lost(self, displacement: Displacement, now: float) -> None:
        """Note that a live process lost the id.

        The loss of the process closest to the first holder is kept for display.
        """
        self.contested_until = now + CONTEST
        shown, newest = self.last, displacement.older.nearness(self.first)
        if shown is None or newest <= shown.older.nearness(self.first):
            self.last = displacement


class Takeovers:
    """No I/O. Call `may_take` first; then `replaced`, if there was a holder, and `registered`; at the end `left`."""

    def __init__(
        self,
        clock: Clock,
        records: LateTable[str, FirstHolder] | None = None,
        remembered: Iterable[FirstHolder] = (),
    ) -> None:
        """`remembered` are the stored first holders, oldest first; `records` is the table for changes."""
        self._clock = clock
        self._records = records
        self._closing: dict[Hashable, Displacement] = {}
        self._tenures: dict[str, _Tenure] = {}
        now = clock.monotonic()
        for id_, owner, *first, _ in remembered:
            self._make_room()
            self._tenures[id_] = _Tenure(owner, Claimant(*first), now, now)

    def may_take(self, node_id: str, owner: str, holder: Claimant, newer: Claimant, *, alive: bool) -> bool:
        """Whether the id goes to `newer` now; `alive` is whether the holder was heard from lately.

        A process with precedence over the holder always may. Another one may take the id once, and then not while it is
        contested; further attempts of a process without precedence prolong that. Between equals it may change again
        later.
        """
        if not alive or holder.is_same_process(newer):
            return True
        now = self._clock.monotonic()
        tenure = self._tenure(node_id, owner, holder)
        theirs, ours = holder.nearness(tenure.first), newer.nearness(tenure.first)
        if ours < theirs or now >= tenure.contested_until:
            return True
        if ours > theirs:
            tenure.contested_until = now + CONTEST
        return False

    def replaced(
        self, connection: Hashable, node_id: str, owner: str, older: Claimant, newer: Claimant, *, alive: bool
    ) -> Displacement | None:
        """Note that an older connection was told to close; return the displacement if its process was alive.

        If the two cannot be told apart, the way in which the connection ends decides: see `ended`.
        """
        self._tenure(node_id, owner, older)
        if not alive or older.is_same_process(newer):
            return None
        lost = Displacement(node_id, self._clock.now(), older, newer)
        if older.may_be(newer):
            self._closing[connection] = lost
            return None
        return self._note(lost)

    def ended(self, connection: Hashable, *, answered: bool) -> Displacement | None:
        """Note that a replaced connection has ended.

        Return the displacement if only its answer to the close revealed it.

        A half-open connection does not answer a close.
        """
        lost = self._closing.pop(connection, None)
        return self._note(lost) if lost is not None and answered else None

    def registered(self, node_id: str, owner: str, holder: Claimant) -> None:
        """Note the new holder of an id."""
        self._tenure(node_id, owner, holder)

    def left(self, node_id: str, holder: Claimant) -> None:
        """Note that the holder of an id has gone."""
        if (tenure := self._tenures.get(node_id)) is not None:
            self._tenure(node_id, tenure.owner, holder)

    def last(self, node_id: str) -> Displacement | None:
        """Return the displacement of an id to show; None if none is remembered."""
        tenure = self._tenures.get(node_id)
        return tenure.last if tenure is not None else None

    def _note(self, lost: Displacement) -> Displacement:
        if (tenure := self._tenures.get(lost.node_id)) is not None:
            tenure.lost(lost, self._clock.monotonic())
        return lost

    def _tenure(self, node_id: str, owner: str, holder: Claimant) -> _Tenure:
        """Return the history of an id that `holder` has, and move it to the end, as the newest."""
        now = self._clock.monotonic()
        tenure = self._tenures.pop(node_id, None)
        before = tenure.first if tenure is not None else None
        if tenure is None or tenure.owner != owner:
            self._make_room()
            before, tenure = None, _Tenure(owner, holder, now, now)
        tenure.has(holder, now)
        self._tenures[node_id] = tenure
        if tenure.first != before:
            self._keep(node_id, tenure)
        return tenure

    def _keep(self, node_id: str, tenure: _Tenure) -> None:
        if self._records is not None:
            first, now = tenure.first, int(self._clock.now().timestamp())
            row = FirstHolder(node_id, tenure.owner, first.instance, first.address, first.host, first.uid, now)
            self._records.put(node_id, row)

    def _make_room(self) -> None:
        while len(self._tenures) >= MAX_REMEMBERED:
            [(greediest, _)] = Counter(tenure.owner for tenure in self._tenures.values()).most_common(1)
            oldest = next(id_ for id_, tenure in self._tenures.items() if tenure.owner == greediest)
            del self._tenures[oldest]
            if self._records is not None:
                self._records.remove(oldest)
