"""What other hubs say of nodes and is not believed, as the node has to prove it and did not."""

from collections.abc import Callable

from msgspec.structs import replace

from omnyshell.services.hub.cluster.places.proofs import PlaceProofs
from omnyshell.services.hub.cluster.places.records import Entry
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.store import DoubtedPlace

MOST_DOUBTED = 1_000
"""Entries that are kept, to be judged again when more is known. Others have to be written anew."""

MOST_TOLD = 100
"""Nodes of which one hub is told of; one that names more has been told of."""

UNPROVEN = "it says that it has node {node_id}, without the proof that this node gives by its key: nobody is led there"

Refused = Callable[[str, str], None]


class Doubts:
    """The newest entry of each node that is not believed, with its hub."""

    def __init__(
        self, proofs: PlaceProofs, refused: Refused, table: LateTable[str, DoubtedPlace] | None = None
    ) -> None:
        """`refused` is told of hubs and what they say in vain, and `table` holds it for `cluster status`."""
        self._proofs, self._refused, self._table = proofs, refused, table
        self._doubted: dict[str, tuple[str, Entry]] = {}
        self._told: dict[str, set[str]] = {}

    def hold_off(self, hub: str, entry: Entry) -> bool:
        """Return whether an entry of another hub is not believed; it is kept then, and told of."""
        if self._proofs.believes(hub, entry):
            self._settle(entry.node_id)
            return False
        before = self._doubted.get(entry.node_id)
        if before is not None or len(self._doubted) < MOST_DOUBTED:
            # What is not the right key's signature now will never be: only what is signed is verified again.
            kept = entry if self._proofs.is_signed(hub, entry) else replace(entry, key=b"", proof=b"")
            self._doubted[entry.node_id] = hub, kept
        if before is None or before[0] != hub:
            self._tell(hub, entry.node_id)
        return True

    def look_again(self) -> list[tuple[str, Entry]]:
        """Return what is believed by now, with its hubs, and doubt it no more."""
        believed = [each for each in self._doubted.values() if self._proofs.believes(*each)]
        for _, entry in believed:
            self._settle(entry.node_id)
        return believed

    def by_hub(self) -> dict[str, tuple[str, ...]]:
        """Return the nodes that each hub says it has, and is not believed, sorted; at most `MOST_TOLD` of one."""
        found: dict[str, tuple[str, ...]] = {}
        for node_id, (hub, _) in sorted(self._doubted.items()):
            if len(found.get(hub, ())) < MOST_TOLD:
                found[hub] = (*found.get(hub, ()), node_id)
        return found

    def _settle(self, node_id: str) -> None:
        if self._doubted.pop(node_id, None) is not None and self._table is not None:
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
