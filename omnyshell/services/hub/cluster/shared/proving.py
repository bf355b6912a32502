"""Asks a process that is about to be a hub's for the proof that it is there (docs/extensions.md#place-proofs)."""

import asyncio
import logging

from msgspec.structs import replace

from omnyshell.errors import OmnyShellException, TransportException
from omnyshell.security.place_proof import PlaceProof
from omnyshell.services.hub.cluster.places.hub_places import Claim
from omnyshell.services.hub.cluster.places.proofs import PlaceProofs
from omnyshell.services.hub.cluster.places.records import Entry
from omnyshell.services.hub.nodes.places import NEEDS_PROOF, UNPROVEN, AskedPlace, Prover, UnprovenException

PROOF_TIMEOUT = 4.0
"""Seconds that a node has to sign: the rest of what a claim may take is for an election of the engine's."""

logger = logging.getLogger("omnyshell.cluster")


class Proving:
    """One claim, and what its process has proved for it. The proof is for one epoch: `ask` again for another one."""

    def __init__(self, hub: str, generation: str, proofs: PlaceProofs, prover: Prover | None) -> None:
        """`prover` asks the process; None for one that cannot prove anything."""
        self._hub, self._generation = hub, generation
        self._proofs, self._prover = proofs, prover
        self._given: tuple[int, PlaceProof | None] | None = None

    def has_asked(self, entry: Entry) -> bool:
        """Whether `ask` was called for the epoch of an entry."""
        return self._given is not None and self._given[0] == entry.epoch

    async def ask(self, entry: Entry) -> None:
        """Have the process prove an entry.

        Raises `UnprovenException` where it has to and does not, `TransportException` if its connection has ended.
        """
        proof = await self._answer(entry) if self._prover is not None else None
        if proof is not None and not self._proofs.proves(self._hub, entry, proof):
            # As for a key of a file of this hub's own, which others do not know.
            logger.info("node %s has no proof of its place that other hubs could verify", entry.node_id)
            proof = None
        if proof is None and self._proofs.must_prove(entry.node_id):
            raise UnprovenException(NEEDS_PROOF if self._proofs.is_required else UNPROVEN)
        self._given = entry.epoch, proof

    def proven(self, plan: Claim) -> Claim:
        """Return a plan with the proof for its epoch, if there is one."""
        if self._given is None or self._given[0] != plan.entry.epoch or self._given[1] is None:
            return plan
        key, signature = self._given[1].key, self._given[1].signature
        return Claim(replace(plan.entry, key=key, proof=signature), plan.last_of_node, plan.last_of_all)

    async def _answer(self, entry: Entry) -> PlaceProof | None:
        if self._prover is None:
            return None
        try:
            async with asyncio.timeout(PROOF_TIMEOUT):
                return await self._prover(AskedPlace(self._generation, self._hub, entry.epoch))
        except TransportException:
            raise
        except (TimeoutError, OmnyShellException) as exc:
            logger.warning("node %s does not prove where it is: %s", entry.node_id, str(exc) or type(exc).__name__)
            return None
