"""Node ids that go from one process to another: who goes before whom, and whom the hub makes wait.

A process that comes back over a half-open connection takes its id over at once, as often as it likes. Two processes
that use one id would take it from each other for ever: whoever had it first gets it back, and the other one waits for
as long as the holder is alive. Nothing is held for a process that is not heard of, so a node that is started anew waits
for seconds at most.

Who had an id first outlives the hub, where it keeps anything: else the fastest would be first after each restart.
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
"""Seconds after an id was taken from a live process in which it is taken only by who goes before its holder.

Longer than any node waits by itself, so that no node's wait decides who has the id.
"""

SHORTEST_MEMORY, LONGEST_MEMORY = 1_200.0, 86_400.0
"""Seconds for which the first holder goes before others after it left: as long as it had the id, within these."""

MAX_REMEMBERED = 10_000
"""Ids that are remembered. Beyond that the principal with the most of them loses its oldest."""


class Nearness(IntEnum):
    """How near a process is to the one that had the id first. Who has less goes before who has more."""

    FIRST = 0
    SAME_PLACE = 1
    STRANGER = 2


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who registered a node id. `instance` names the process where it says so; all but the address is its own word.

    The hub makes a hash of it: who reads its files learns nothing that lets them be that process.
    """

    instance: str
    address: str
    host: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.address} ({self.host})"

    def is_same_process(self, other: "Claimant") -> bool:
        """Whether both are known to be one process; two that do not say are not."""
        return self.instance != "" and self.instance == other.instance

    def is_at_the_place_of(self, other: "Claimant") -> bool:
        """Whether both say that they are one machine, behind one address."""
        return (self.address, self.host) == (other.address, other.host)

    def may_be(self, other: "Claimant") -> bool:
        """Whether nothing tells two older peers, which name no process, apart."""
        says_enough = self.host != "" and self.uid != "" and not self.instance
        return says_enough and self == other

    def nearness(self, first: "Claimant") -> Nearness:
        """Return how near this one is to the first holder."""
        if self.is_same_process(first):
            return Nearness.FIRST
        return Nearness.SAME_PLACE if self.is_at_the_place_of(first) else Nearness.STRANGER


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
class _Tenure:
    """What is remembered of an id. Times on the monotonic clock."""

    owner: str
    first: Claimant
    since: float
    seen: float
    """When the first holder was last known to have the id."""

    contested_until: float = 0.0
    last: Displacement | None = None

    def has(self, holder: Claimant, now: float) -> None:
        """Somebody has the id: the first holder, or one who takes that place where it has been away for too long."""
        nearness = holder.nearness(self.first)
        memory = min(max(self.seen - self.since, SHORTEST_MEMORY), LONGEST_MEMORY)
        if nearness is Nearness.FIRST or (nearness is Nearness.SAME_PLACE and not self.first.instance):
            self.seen = now
        elif now - self.seen > memory:
            self.first, self.since, self.seen = holder, now, now

    def lost(self, displacement: Displacement, now: float) -> None:
        """A live process lost the id. What the nearest to the first holder lost is what stays to be shown."""
        self.contested_until = now + CONTEST
        shown, newest = self.last, displacement.older.nearness(self.first)
        if shown is None or newest <= shown.older.nearness(self.first):
            self.last = displacement


class Takeovers:
    """A plain object. `may_take` first; then `replaced`, if there was a holder, and `registered`; at last `left`."""

    def __init__(
        self,
        clock: Clock,
        records: LateTable[str, FirstHolder] | None = None,
        remembered: Iterable[FirstHolder] = (),
    ) -> None:
        """`remembered` are those of earlier, the oldest first; `records` is where they are kept."""
        self._clock = clock
        self._records = records
        self._closing: dict[Hashable, Displacement] = {}
        self._tenures: dict[str, _Tenure] = {}
        now = clock.monotonic()
        for id_, owner, *first, _ in remembered:
            self._make_room()
            self._tenures[id_] = _Tenure(owner, Claimant(*first), now, now)

    def may_take(self, node_id: str, owner: str, holder: Claimant, newer: Claimant, *, alive: bool) -> bool:
        """Whether the id goes to `newer` now; `alive` is whether the holder was heard of lately.

        Who goes before the holder always may. Else the id is taken once, and then not for as long as it is contested;
        who comes after the holder and goes on trying keeps it so. Among equals it may change hands again in the end.
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
        """An older connection was told to close. Returns what its process lost, where it was alive.

        Where nothing tells the two apart, it shows in how the connection ends: see `ended`.
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
        """A connection has ended; returns what its process lost, where only its answer to the close told that.

        A half-open connection answers nothing.
        """
        lost = self._closing.pop(connection, None)
        return self._note(lost) if lost is not None and answered else None

    def registered(self, node_id: str, owner: str, holder: Claimant) -> None:
        """Somebody has the id now."""
        self._tenure(node_id, owner, holder)

    def left(self, node_id: str, holder: Claimant) -> None:
        """Who had the id until now is gone."""
        if (tenure := self._tenures.get(node_id)) is not None:
            self._tenure(node_id, tenure.owner, holder)

    def last(self, node_id: str) -> Displacement | None:
        """Return the displacement of an id to be shown, as far as one is remembered."""
        tenure = self._tenures.get(node_id)
        return tenure.last if tenure is not None else None

    def _note(self, lost: Displacement) -> Displacement:
        if (tenure := self._tenures.get(lost.node_id)) is not None:
            tenure.lost(lost, self._clock.monotonic())
        return lost

    def _tenure(self, node_id: str, owner: str, holder: Claimant) -> _Tenure:
        """Return what is remembered of an id that `holder` has; the newest are at the end."""
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
