"""What other hubs say of nodes and is not believed, as the node has to prove it and did not."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from omnyshell.services.hub.cluster.places.bounds import Refused
from omnyshell.services.hub.cluster.places.proofs import PlaceProofs
from omnyshell.services.hub.cluster.places.records import Entry
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.store import DoubtedPlace

MOST_DOUBTED = 1_000
"""Entries that are kept, to be judged again when more is known. Others have to be written anew."""

MOST_TOLD = 100
"""Nodes of which one hub is told of; one that names more has been told of."""

SHOWN_BEHIND = 3600.0
"""Seconds for which a node is shown that has left: a thief must not be able to hide at once what it has said."""

UNPROVEN = "it says that it has node {node_id}, without the proof that this node gives by its key: nobody is led there"


@dataclass(slots=True)
class _Doubted:
    hub: str
    entry: Entry
    left_at: float | None = None
    """When it was noticed that the node has left, or the hub's run has ended."""

    is_shown: bool = True


class Doubts:
    """The newest entry of each node that is not believed, with its hub.

    One of a node that has left is kept too, as its epoch may count later, and is shown no more after a while.
    """

    def __init__(
        self, proofs: PlaceProofs, refused: Refused, table: LateTable[str, DoubtedPlace] | None = None
    ) -> None:
        """`refused` is told of hubs and what they say in vain, and `table` holds it for `cluster status`."""
        self._proofs, self._refused, self._table = proofs, refused, table
        self._doubted: dict[str, _Doubted] = {}
        self._told: dict[str, set[str]] = {}

    def hold_off(self, hub: str, entry: Entry) -> bool:
        """Return whether an entry of another hub is not believed; it is kept then, and told of."""
        if self._proofs.believes(hub, entry):
            self.overtaken(hub, entry)
            return False
        before = self._doubted.get(entry.node_id)
        if before is not None or self._has_room():
            # What is not the right key's signature now will never be: only what is signed is verified again.
            kept = entry if self._proofs.is_signed(hub, entry) else replace(entry, key=b"", proof=b"")
            self._doubted[entry.node_id] = _Doubted(hub, kept)
        if before is None or before.hub != hub or not before.is_shown:
            self._tell(hub, entry.node_id)
        return True

    def overtaken(self, hub: str, entry: Entry) -> None:
        """Doubt a node's place no more where an entry that counts is the same hub's, or a newer place."""
        before = self._doubted.get(entry.node_id)
        if before is not None and (before.hub == hub or entry.epoch > before.entry.epoch):
            self._settle(entry.node_id)

    def look_again(
        self, is_member: Callable[[str], bool], has_ended: Callable[[str, int], bool], now: float
    ) -> list[tuple[str, Entry]]:
        """Return what is believed by now, with its hubs, and doubt it no more; `now` on the monotonic clock.

        What hubs have said that are no members any more is forgotten, and nodes of a run that `has_ended` have left.
        """
        believed = []
        for node_id, doubted in list(self._doubted.items()):
            hub, entry = doubted.hub, doubted.entry
            if not is_member(hub):
                self._settle(node_id)
            elif self._proofs.believes(hub, entry):
                self._settle(node_id)
                believed.append((hub, entry))
            elif entry.is_gone or has_ended(hub, entry.run):
                self._has_left(node_id, doubted, now)
        return believed

    def by_hub(self) -> dict[str, tuple[str, ...]]:
        """Return the nodes that each hub says it has, and is not believed, sorted; at most `MOST_TOLD` of one."""
        found: dict[str, tuple[str, ...]] = {}
        for node_id, doubted in sorted(self._doubted.items(), key=lambda item: item[0]):
            if doubted.is_shown and len(found.get(doubted.hub, ())) < MOST_TOLD:
                found[doubted.hub] = (*found.get(doubted.hub, ()), node_id)
        return found

    def _has_left(self, node_id: str, doubted: _Doubted, now: float) -> None:
        if doubted.left_at is None:
            doubted.left_at = now
        if doubted.is_shown and now - doubted.left_at >= SHOWN_BEHIND:
            doubted.is_shown = False
            self._show_no_more(node_id)

    def _has_room(self) -> bool:
        """Whether another node's entry may be kept, if need be in the place of one that is not shown any more."""
        if len(self._doubted) >= MOST_DOUBTED:
            hidden = next((node_id for node_id, doubted in self._doubted.items() if not doubted.is_shown), None)
            if hidden is not None:
                del self._doubted[hidden]
        return len(self._doubted) < MOST_DOUBTED

    def _settle(self, node_id: str) -> None:
        if self._doubted.pop(node_id, None) is not None:
            self._show_no_more(node_id)

    def _show_no_more(self, node_id: str) -> None:
        if self._table is not None:
            self._table.remove(node_id)

    def _tell(self, hub: str, node_id: str) -> None:
        """Show it, and tell of it the first time."""
        told = self._told.setdefault(hub, set())
        is_new = node_id not in told
        if is_new and len(told) >= MOST_TOLD:
            return
        told.add(node_id)
        if self._table is not None:
            self._table.put(node_id, DoubtedPlace(node_id, hub))
        if is_new:
            self._refused(hub, UNPROVEN.format(node_id=node_id))
