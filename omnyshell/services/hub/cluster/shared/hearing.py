"""What counts of what hubs write about who is where: of members, within bounds, with the proofs that are to be had."""

import logging
from collections.abc import Callable

from omnyshell.clock import SystemClock
from omnyshell.ids import is_node_id
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.order.order import Stored
from omnyshell.services.hub.cluster.places.bounds import PlaceBounds, Refused
from omnyshell.services.hub.cluster.places.clocks import HeardClocks
from omnyshell.services.hub.cluster.places.hub_places import HubPlaces
from omnyshell.services.hub.cluster.places.proofs import KeysOf, PlaceProofs, ProofMemory
from omnyshell.services.hub.cluster.places.records import Beat, Entry, Record, decode
from omnyshell.services.hub.cluster.shared.doubts import Doubts
from omnyshell.services.hub.cluster.shared.hub_clock import HubClock
from omnyshell.services.hub.cluster.shared.subjects import BEAT, name_of_node, node_of, of_places
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.store import DoubtedPlace

TOLD_AGAIN = 600.0
"""Seconds after which it is told anew that records in the name of a hub cannot be read."""

ERASED = "somebody who may ask the engine has it answer where this hub writes who is where: a hub's key was stolen"

logger = logging.getLogger("omnyshell.cluster")


class Hearing:
    """Feeds `HubPlaces` with records of the stream. What a hub has written itself it believes."""

    def __init__(
        self,
        hub: str,
        generation: str,
        members: Members,
        refused: Refused = lambda _hub, _why: None,
        memory: ProofMemory | None = None,
        doubts: LateTable[str, DoubtedPlace] | None = None,
        *,
        requires_proofs: bool = False,
        clock: HubClock | None = None,
    ) -> None:
        """`hub` is this one; `refused` is told of hubs that say what does not count, and `doubts` holds that.

        `memory` is what is known of proofs, and `requires_proofs` has no place count without one. `clock` is told by
        how much it is off.
        """
        self.clock = clock or HubClock(SystemClock())
        """The clock of this hub."""

        self.clocks = HeardClocks()
        """The clocks of all, as their beats say."""

        self._hub, self._members = hub, members
        self._subjects = of_places(generation)
        self.proofs = PlaceProofs(generation, memory, is_required=requires_proofs)
        """What is known of proofs."""

        self._refused = refused
        self._told_at: dict[str, float] = {}
        """When it was told of each hub that records in its name cannot be read."""

        self._doubts = Doubts(self.proofs, refused, doubts)
        self._bounds = PlaceBounds(refused)

    def begin(self, keys_of: KeysOf, is_owned: Callable[[str], bool]) -> None:
        """Judge by the keys of owners, and by whether node ids have one, from now on."""
        self.proofs.begin(keys_of)
        self._bounds.begin(is_owned)

    def doubted(self) -> dict[str, tuple[str, ...]]:
        """Return the nodes that each hub says it has without the proof that is to be had."""
        return self._doubts.by_hub()

    def take(self, stored: Stored, places: HubPlaces, now: float, boot: float) -> None:
        """Have the places read the next record, or pass over one that does not count; times as they take them."""
        hub, _, name = stored.subject.removeprefix(self._subjects).partition(".")
        record, node_id = self._record(stored, hub, name, now), node_of(name)
        if isinstance(record, Entry):
            if hub == self._hub:
                self._doubts.overtaken(hub, record)
            else:
                record = self._counting(hub, record, places)
        elif isinstance(record, Beat) and hub != self._hub:
            self.proofs.heard(hub, record)
        if isinstance(record, Beat):
            self._compare(hub, record, stored.at)
        if record is not None:
            places.read(stored.seq, hub, record, now, boot)
        elif self._is_erased(hub, name, node_id, places):
            places.erase(stored.seq, boot, node_id)
        elif not node_id or self._bounds.is_owned(node_id) or places.place_of(node_id) is not None:
            places.skip(stored.seq, boot, node_id)
        else:
            places.drop(stored.seq, boot)

    def _compare(self, hub: str, beat: Beat, at: float) -> None:
        self.clocks.heard(hub, beat.clock, at)
        if hub == self._hub:
            self.clock.compare(beat.clock, self.clocks.off(hub))

    def look_again(self, places: HubPlaces, now: float) -> None:
        """Judge anew, as more of the log may be known; call it each second, with the time by the monotonic clock."""
        self._bounds.look_again()
        for hub, entry in self._doubts.look_again(self._is_member, places.leases.has_ended, now):
            places.believe(hub, entry)

    def _is_member(self, hub: str) -> bool:
        return self._members.key_of(hub) is not None

    def _record(self, stored: Stored, hub: str, name: str, now: float) -> Record | None:
        """Return a member's record that is at its place, and about what can be a node."""
        try:
            record = decode(stored.data)
        except ValueError as exc:
            self._tell_unreadable(hub, f"record {stored.seq} of who is where: {exc}", now)
            return None
        if isinstance(record, Entry):
            is_right = is_node_id(record.node_id) and name == name_of_node(record.node_id)
        else:
            is_right = name == BEAT
        return record if is_right and self._is_member(hub) else None

    def _is_erased(self, hub: str, name: str, node_id: str, places: HubPlaces) -> bool:
        """Tell whether something that is not this hub's stands where its last word did, and it is a member."""
        is_its_place = name == BEAT or places.place_of(node_id) is not None
        return hub == self._hub and is_its_place and self._members.key_of(hub) is not None

    def _tell_unreadable(self, hub: str, why: str, now: float) -> None:
        """Tell of it now and then: there may be as many as somebody likes, and a newer hub's are nobody's fault."""
        if self._members.key_of(hub) is None or now - self._told_at.get(hub, -TOLD_AGAIN) < TOLD_AGAIN:
            return
        self._told_at[hub] = now
        logger.warning("of hub %s, %s", hub, why)
        if hub == self._hub:
            self._refused(hub, f"{ERASED} ({why})")

    def _counting(self, hub: str, entry: Entry, places: HubPlaces) -> Entry | None:
        """Return what counts of another hub's entry."""
        if not self._bounds.admits(hub, entry.node_id) or self._doubts.hold_off(hub, entry):
            return None
        self._overrule(hub, entry, places)
        known = places.place_of(entry.node_id)
        others = places.described_by(hub) - (len(known.entry.about) if known is not None and known.hub == hub else 0)
        return self._bounds.described(hub, entry, others)

    def _overrule(self, hub: str, entry: Entry, places: HubPlaces) -> None:
        """Forget a newer place that was taken before anything was known of the proofs that this node gives."""
        known = places.place_of(entry.node_id)
        if known is None or known.hub in (hub, self._hub) or entry.epoch > known.entry.epoch:
            return
        if not self.proofs.believes(known.hub, known.entry):
            places.doubt(entry.node_id)
            self._doubts.hold_off(known.hub, known.entry)
