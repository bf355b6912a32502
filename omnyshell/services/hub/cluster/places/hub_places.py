"""What one hub knows of who is where, and what it may do by that (docs/architecture.md#a-registration).

The rules: the newest epoch has a node id; the same process moves to another hub at once; another process gets the id
when the hub that has it lets go, or its lease has ended.
"""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from omnyshell.protocol.limits import MOST_EPOCHS, MOST_JUMP
from omnyshell.services.hub.cluster.places.leases import HeardLeases, OwnLease, Standing
from omnyshell.services.hub.cluster.places.records import Beat, Entry, Record
from omnyshell.services.hub.cluster.places.table import Place, PlaceTable


@dataclass(frozen=True, slots=True)
class Claim:
    """An entry to be published, and where the stream must be for it."""

    entry: Entry
    last_of_node: int
    """The number of the last record about the node, of any hub; 0 for none."""

    last_of_all: int | None = None
    """The number of the stream's last record, where no beat may come in between; None where others do not matter."""


@dataclass(frozen=True, slots=True)
class Held:
    """A node id that another process has, at that hub."""

    hub: str


class HubPlaces:
    """One hub's view of all. No I/O: it is fed with what the stream says, in order, and with the time.

    `now` is the monotonic clock, `boot` is `CLOCK_BOOTTIME`; both in seconds.
    """

    def __init__(
        self,
        hub: str,
        process: str,
        stale_after: float,
        moved: Callable[[Place], None] = lambda _place: None,
        links: str = "",
        erased: Callable[[str], None] = lambda _node_id: None,
    ) -> None:
        """`process` names this process; `moved` is called with each place of this run that is another hub's now.

        `erased` is called with each node id of which the stream has lost what this hub said: say it `again`. `links` is
        where others reach this hub by a link, as HOST:PORT, if they do.
        """
        self.hub = hub
        self._process = process
        self.run = 0
        """The run of this hub, once `begin` was called."""

        self.leases = HeardLeases()
        self.own = OwnLease(stale_after)
        self._table = PlaceTable()
        self._moved = moved
        self._links = links
        self._leaving: dict[str, int] = {}
        self._erased: set[str] = set()
        self._tell_erased = erased
        self._read = 0
        self._own_beat = 0
        self._beats = 0
        self._is_displaced = False

    @property
    def read_up_to(self) -> int:
        """The number of the last record that was read."""
        return self._read

    @property
    def own_beat_seq(self) -> int:
        """The number of the last record among this hub's beats, after which its next one comes; 0 for none."""
        return self._own_beat

    @property
    def is_displaced(self) -> bool:
        """Whether another process has begun a later run of this hub: it may serve nothing any more."""
        return self._is_displaced

    # What the stream says

    def read(self, seq: int, hub: str, record: Record, now: float, boot: float) -> None:
        """Take the next record of the stream."""
        self._read = seq
        if isinstance(record, Beat):
            self._read_beat(seq, hub, record, now)
        else:
            self._read_entry(seq, hub, record)
        self.own.read(seq, boot)

    def skip(self, seq: int, boot: float, node_id: str = "") -> None:
        """Pass over a record that says nothing to this hub; about a node, if any, for which its number counts."""
        self._read = seq
        if node_id:
            self._table.pass_over(node_id, seq)
        self.own.read(seq, boot)

    def erase(self, seq: int, boot: float, node_id: str = "") -> None:
        """Pass over what stands where this hub's last word did, about a node or else its beat, and is not its own.

        Who may ask the engine can have it answer there. Hubs that have read the word know it, later ones do not.
        """
        self.skip(seq, boot, node_id)
        if not node_id:
            self._own_beat = seq
        elif (place := self._table.get(node_id)) is not None and place.hub == self.hub:
            self._erased.add(node_id)
            self._tell_erased(node_id)

    def drop(self, seq: int, boot: float) -> None:
        """Pass over a record about a node id of which nothing is to be remembered, not even its number."""
        self._table.has_dropped = True
        self.skip(seq, boot)

    def believe(self, hub: str, entry: Entry) -> None:
        """Take an entry that was passed over."""
        self._read_entry(self._table.last_of(entry.node_id), hub, entry)

    def doubt(self, node_id: str) -> None:
        """Forget the place of a node, as it was taken without what is to be had of it by now."""
        self._table.forget_node(node_id)

    def _read_beat(self, seq: int, hub: str, beat: Beat, now: float) -> None:
        self.leases.heard(hub, beat, now)
        if hub == self.hub:
            self._own_beat = seq
            if self.run and beat.run >= self.run and beat.process != self._process:
                self._is_displaced = True
                self.own.end()

    def _read_entry(self, seq: int, hub: str, entry: Entry) -> None:
        before = self._table.put(hub, entry, seq)
        taken = self._table.get(entry.node_id)
        if taken is None or taken.entry is not entry:
            return
        self._erased.discard(entry.node_id)
        if entry.is_gone or entry.epoch > self._leaving.get(entry.node_id, entry.epoch):
            self._leaving.pop(entry.node_id, None)
        if before is not None and self._is_mine(before) and before.entry.epoch != entry.epoch and hub != self.hub:
            self._moved(before)

    def forget_strangers(self, is_member: Callable[[str], bool], now: float) -> None:
        """Forget what hubs have said that are no members any more, once their leases have ended."""
        for hub in self.leases.hubs():
            if not is_member(hub) and not self.leases.is_there(hub, self.leases.run_of(hub), now):
                self._table.forget(hub)

    # Beats

    def begin(self, before: int = 0) -> None:
        """Begin a run, later than `before`: call it once, when the stream was read to its end."""
        self.run = max(self.leases.run_of(self.hub), before) + 1

    def beat(self, boot: float, *, is_last: bool = False) -> tuple[int, Beat]:
        """Return the number and the value of the next beat, which is to be published behind `own_beat_seq`.

        Tell `own` what became of it. With the last one the lease ends at once.
        """
        self._beats += 1
        if is_last:
            self.own.end()
        else:
            self.own.sent(self._beats, boot)
        return self._beats, Beat(self.run, self._process, self._read, is_last=is_last, links=self._links, proves=True)

    # Claims

    def claim(self, node_id: str, instance: str, reported: int, about: bytes, now: float) -> Claim | Held:
        """Plan to take a node id for a process that has come to this hub, and reported its newest epoch; 0 for none.

        What is reported counts as far as `counted` says.

        Publish it only while the lease is held. It holds once its record was read: see `serves`. Another process that
        has the id at this hub is served no more from now on, whatever becomes of the claim: once it is written, the new
        one may move on before this hub has read it. End that one's connection.
        """
        place = self._table.get(node_id)
        epoch = max(place.entry.epoch if place is not None else 0, self.counted(node_id, reported)) + 1
        last = self._table.last_of(node_id)
        entry = Entry(node_id, self.run, min(epoch, MOST_EPOCHS - 1), instance, about)
        if not last and self._table.has_dropped:
            # There may be a record about it all the same: so none at all may come in between.
            return Claim(entry, 0, self._read)
        if place is None or place.entry.instance == instance:
            return Claim(entry, last)
        had = self._had_by(place)
        held = next((hub for hub, run in had if self.leases.is_there(hub, run, now)), None)
        if held is not None:
            return Held(held)
        if self._is_mine(place):
            self._leaving[node_id] = place.entry.epoch
        return Claim(entry, last, self._read if had else None)

    def counted(self, node_id: str, reported: int) -> int:
        """Return how much counts of the newest epoch that a process says it has had: no more than others go along."""
        place = self._table.get(node_id)
        return min(reported, (place.entry.epoch if place is not None else 0) + MOST_JUMP - 1)

    def _had_by(self, place: Place) -> list[tuple[str, int]]:
        """Return the other hubs, with their runs, that may serve a process under that id until their leases end."""
        had = [(former.hub, former.run) for former in place.former if self.leases.read_by(former.hub) < former.seq]
        if not place.entry.is_gone:
            had.append((place.hub, place.entry.run))
        # The process of an earlier run has ended.
        return [(hub, run) for hub, run in had if hub != self.hub and run >= self.leases.run_of(hub)]

    def let_go(self, node_id: str, epoch: int) -> Claim | None:
        """Plan to say that a node has left this hub; None where it is another's already.

        From now on it takes a new claim to have the node again, whatever becomes of this one.
        """
        place = self._table.get(node_id)
        if place is None or not self._is_mine(place) or place.entry.epoch != epoch or place.entry.is_gone:
            return None
        self._leaving[node_id] = epoch
        gone = replace(place.entry, about=b"", is_gone=True)
        return Claim(gone, self._table.last_of(node_id))

    # What follows

    def place_of(self, node_id: str) -> Place | None:
        """Return the newest place of a node id, this hub's too, and one that was let go."""
        return self._table.get(node_id)

    def epoch_of(self, node_id: str, instance: str, reported: int = 0) -> int | None:
        """Return the epoch by which this run has a node id for that process; None if it has not.

        So it has not where the process has reported a newer one: it was at another hub since.
        """
        place = self._table.get(node_id)
        if place is None or not self._is_mine(place) or place.entry.is_gone or node_id in self._leaving:
            return None
        is_known = place.entry.instance == instance and place.entry.epoch >= reported
        return place.entry.epoch if is_known else None

    def serves(self, node_id: str, instance: str, boot: float) -> bool:
        """Whether this hub may open something at that process now."""
        return self.own.standing(boot) is not Standing.LAPSED and self.epoch_of(node_id, instance) is not None

    def find(self, node_id: str, now: float) -> Place | None:
        """Return where a node is, at another hub that is there; None if there is none."""
        place = self._table.get(node_id)
        if place is None or place.entry.is_gone or place.hub == self.hub:
            return None
        return place if self.leases.is_there(place.hub, place.entry.run, now) else None

    def last_known(self, node_id: str) -> Place | None:
        """Return where a node was last, at another hub; its lease may have ended. None if it has none."""
        place = self._table.get(node_id)
        if place is None or place.entry.is_gone or place.hub == self.hub:
            return None
        return place if place.entry.run == self.leases.run_of(place.hub) else None

    def ids_at(self, hub: str) -> frozenset[str]:
        """Return the node ids of which a hub had the last word, also those that it has let go."""
        return self._table.ids_of(hub)

    def describe(self, node_id: str, about: bytes) -> Claim | None:
        """Plan to say something else of a node that this hub has; None where it has not, or says that already."""
        place = self._table.get(node_id)
        if place is None or not self._is_mine(place) or place.entry.is_gone or node_id in self._leaving:
            return None
        if place.entry.about == about:
            return None
        return Claim(replace(place.entry, about=about), self._table.last_of(node_id))

    def again(self, node_id: str) -> Claim | None:
        """Plan to say again what the stream has lost of this hub's words about a node; None where that is nothing."""
        place = self._table.get(node_id) if node_id in self._erased else None
        return Claim(place.entry, self._table.last_of(node_id)) if place is not None and place.hub == self.hub else None

    def own_place_of(self, node_id: str) -> Place | None:
        """Return the place of a node id that this run of the hub has; None if it has not."""
        place = self._table.get(node_id)
        return place if place is not None and self._is_mine(place) and not place.entry.is_gone else None

    def count_at(self, hub: str) -> int:
        """Return how many nodes a hub has, as far as it has said."""
        return self._table.count_at(hub)

    def described_by(self, hub: str) -> int:
        """Return how many bytes the descriptions of a hub's nodes have."""
        return self._table.described_by(hub)

    def of_others(self, now: float) -> list[Place]:
        """Return the places at other hubs that are there."""
        others = (hub for hub in self.leases.hubs() if hub != self.hub)
        found = (place for hub in others for place in self._table.of_hub(hub) if not place.entry.is_gone)
        return [place for place in found if self.leases.is_there(place.hub, place.entry.run, now)]

    def _is_mine(self, place: Place) -> bool:
        return place.hub == self.hub and place.entry.run == self.run
