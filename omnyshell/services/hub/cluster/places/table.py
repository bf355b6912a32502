"""Who has each node id, as the stream says."""

from collections import Counter
from typing import NamedTuple

from omnyshell.protocol.limits import MOST_JUMP
from omnyshell.services.hub.cluster.places.records import Entry


class Former(NamedTuple):
    """A hub from which the process moved away, and may not know it before it has read so far."""

    hub: str
    run: int
    seq: int


class Place(NamedTuple):
    """The newest word about a node id."""

    hub: str
    entry: Entry
    seq: int
    """The number of its record in the stream."""

    former: tuple[Former, ...] = ()
    """Where the same process was before. It refuses them itself, once it has been told; another process would not."""


class PlaceTable:
    """The newest place of each node id. A record that is no newer than what is known changes nothing."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._of_hub: dict[str, set[str]] = {}
        self._passed: dict[str, int] = {}
        """Later records about node ids that say nothing, as no member wrote them; the next one comes behind them."""

        self._counts: Counter[str] = Counter()
        """How many nodes each hub has."""

        self._described: Counter[str] = Counter()
        """Bytes of the descriptions of each hub's nodes."""

        self.has_dropped = False
        """Whether there were records about node ids of which nothing is known: `last_of` may lack one of them."""

    def __len__(self) -> int:
        return len(self._places)

    def get(self, node_id: str) -> Place | None:
        """Return the newest place of a node id, also one that was let go."""
        return self._places.get(node_id)

    def last_of(self, node_id: str) -> int:
        """Return the number of the last record about a node id, of whatever hub; 0 for none."""
        place = self._places.get(node_id)
        return max(place.seq if place is not None else 0, self._passed.get(node_id, 0))

    def pass_over(self, node_id: str, seq: int) -> None:
        """Note a record about a node id that says nothing."""
        self._passed[node_id] = seq

    def forget(self, hub: str) -> None:
        """Forget the places of which a hub had the last word, with their epochs: nobody has to count on from those."""
        del self._counts[hub], self._described[hub]
        for node_id in self._of_hub.pop(hub, ()):
            self._passed[node_id] = self.last_of(node_id)
            del self._places[node_id]

    def forget_node(self, node_id: str) -> None:
        """Forget the place of a node id, with its epoch; what comes next about it comes behind what was read."""
        place = self._places.pop(node_id)
        self._of_hub[place.hub].discard(node_id)
        self._count(place, -1)
        self._passed[node_id] = max(place.seq, self._passed.get(node_id, 0))

    def of_hub(self, hub: str) -> list[Place]:
        """Return the places of which a hub had the last word."""
        return [self._places[node_id] for node_id in self._of_hub.get(hub, ())]

    def ids_of(self, hub: str) -> frozenset[str]:
        """Return the node ids of which a hub had the last word."""
        return frozenset(self._of_hub.get(hub, ()))

    def count_at(self, hub: str) -> int:
        """Return how many nodes a hub has."""
        return self._counts[hub]

    def described_by(self, hub: str) -> int:
        """Return how many bytes the descriptions of a hub's nodes have."""
        return self._described[hub]

    def put(self, hub: str, entry: Entry, seq: int) -> Place | None:
        """Take a record; return the place that it replaces, if it does. A place that is gone stays, for its epoch."""
        before = self._places.get(entry.node_id)
        if before is not None:
            is_update = before.hub == hub and before.entry.run == entry.run and before.entry.epoch == entry.epoch
            if not is_update and not _is_newer(entry.epoch, before.entry.epoch):
                self.pass_over(entry.node_id, seq)
                return None
            self._of_hub[before.hub].discard(entry.node_id)
            self._count(before, -1)
        self._passed.pop(entry.node_id, None)
        place = self._places[entry.node_id] = Place(hub, entry, seq, _former(before, hub, entry, seq))
        self._of_hub.setdefault(hub, set()).add(entry.node_id)
        self._count(place, 1)
        return before

    def _count(self, place: Place, times: int) -> None:
        self._counts[place.hub] += times * (not place.entry.is_gone)
        self._described[place.hub] += times * len(place.entry.about)


def _is_newer(epoch: int, before: int) -> bool:
    """Tell whether an epoch comes behind another one.

    Of two that are far apart the greater one was made up: who is honest goes on from the other. So it counts neither
    behind that nor before it.
    """
    ahead = epoch - before
    return 0 < ahead <= MOST_JUMP or ahead < -MOST_JUMP


def _former(before: Place | None, hub: str, entry: Entry, seq: int) -> tuple[Former, ...]:
    if before is None or before.entry.instance != entry.instance:
        return ()
    if before.hub == hub or before.entry.is_gone:
        return before.former
    others = tuple(former for former in before.former if former.hub != before.hub)
    return (*others, Former(before.hub, before.entry.run, seq))
