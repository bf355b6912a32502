"""Proofs of nodes that they are at the hub which says so, and what is believed (docs/extensions.md#place-proofs).

A node id whose owner's key has proved a place is believed without a proof of no hub that can pass proofs on, as long as
that key is one of the owner's. No I/O.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from omnyshell.security.keys import KEY_BYTES, Ed25519PublicKey
from omnyshell.security.place_proof import PlaceProof, ProvenPlace
from omnyshell.services.hub.cluster.places.records import Beat, Entry
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.store import ProvenNode

KeysOf = Callable[[str], Collection[bytes]]
"""Returns the enrolled keys of a node id's owner."""


class ProofMemory(NamedTuple):
    """What is remembered over restarts: the tables for changes, and what they hold."""

    nodes: LateTable[str, ProvenNode]
    hubs: LateTable[str, str]
    known_nodes: Iterable[ProvenNode] = ()
    known_hubs: Iterable[str] = ()


class PlaceProofs:
    """Judges entries of hubs about nodes."""

    def __init__(self, generation: str, memory: ProofMemory | None = None, *, is_required: bool = False) -> None:
        """`is_required` has no place count without a proof, whatever its node has done before."""
        self.is_required = is_required
        self._generation = generation
        self._memory = memory
        self._nodes = {each.node_id: each for each in memory.known_nodes} if memory is not None else {}
        self._hubs = dict.fromkeys(memory.known_hubs if memory is not None else (), True)
        """Whether each hub that was heard of passes proofs on, as it has said once."""

        self._keys_of: KeysOf = lambda _node_id: ()

    def begin(self, keys_of: KeysOf) -> None:
        """Judge by these keys from now on."""
        self._keys_of = keys_of

    def heard(self, hub: str, beat: Beat) -> None:
        """Note whether a hub passes proofs on. One that has said so is held to it for ever, and who has its key too."""
        if beat.proves and not self._hubs.get(hub):
            self._hubs[hub] = True
            if self._memory is not None:
                self._memory.hubs.put(hub, hub)
        self._hubs.setdefault(hub, False)

    def must_prove(self, node_id: str) -> bool:
        """Whether a node id's places count with a proof alone.

        So they do where it has proved some by a key that is still its owner's, or all have to.
        """
        return self.is_required or self._has_proved(node_id)

    def _has_proved(self, node_id: str) -> bool:
        known = self._nodes.get(node_id)
        return known is not None and known.key in self._keys_of(node_id)

    def believes(self, hub: str, entry: Entry) -> bool:
        """Whether an entry of another hub counts, by what is known now; it may do later, when more is known."""
        if self.is_proven(hub, entry):
            return True
        # A hub of which nothing else was heard yet may be one that passes proofs on.
        return not (self.must_prove(entry.node_id) and (self.is_required or self._hubs.get(hub, True)))

    def is_proven(self, hub: str, entry: Entry) -> bool:
        """Whether an entry has the proof of a key of the owner; the node has to give one from then on."""
        if not entry.proof or entry.key not in self._keys_of(entry.node_id):
            return False
        message = self._place(hub, entry).message
        digest = hashlib.sha256(entry.key + entry.proof + message).digest()
        known = self._nodes.get(entry.node_id)
        if known is not None and known.digest == digest:
            # As it was before a restart, or said with another description: verifying takes a hundred times as long.
            return True
        if not _verify(entry.key, entry.proof, message):
            return False
        if known is None or entry.epoch >= known.epoch or not self._has_proved(entry.node_id):
            self._note(ProvenNode(entry.node_id, entry.key, entry.epoch, digest))
        return True

    def is_signed(self, hub: str, entry: Entry) -> bool:
        """Whether an entry has a proof by the key that it names, whosever that is."""
        return bool(entry.proof) and _verify(entry.key, entry.proof, self._place(hub, entry).message)

    def proves(self, hub: str, entry: Entry, proof: PlaceProof) -> bool:
        """Whether a node's proof is good for an entry that this hub, `hub`, is about to write; notes nothing."""
        is_owners = proof.key in self._keys_of(entry.node_id)
        return is_owners and _verify(proof.key, proof.signature, self._place(hub, entry).message)

    def _place(self, hub: str, entry: Entry) -> ProvenPlace:
        return ProvenPlace(
            generation=self._generation,
            hub=hub,
            node_id=entry.node_id,
            process=entry.instance,
            epoch=entry.epoch,
        )

    def _note(self, proven: ProvenNode) -> None:
        self._nodes[proven.node_id] = proven
        if self._memory is not None:
            self._memory.nodes.put(proven.node_id, proven)


def _verify(key: bytes, signature: bytes, message: bytes) -> bool:
    return len(key) == KEY_BYTES and Ed25519PublicKey(key).verify(signature, message)
