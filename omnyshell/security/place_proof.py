"""The proof that a node's process is at a hub (docs/extensions.md#place-proofs): what its enrolled key signs."""

import hashlib

import msgspec

from omnyshell.security.length_prefix import length_prefixed, utf8

_TAG = b"\xffomnyshell:place:v1"
"""No text in UTF-8 has its first byte: what is signed as text, as a hub's nonce may be, is no such proof."""


class ProvenPlace(msgspec.Struct, frozen=True, kw_only=True):
    """All that a proof is about: which process of a node is at which of several hubs, and by which epoch."""

    generation: str
    """The generation of the hubs' log, which names their cluster."""

    hub: str
    node_id: str
    process: str
    """As `process_name` makes it."""

    epoch: int

    @property
    def message(self) -> bytes:
        """What the node's enrolled key signs."""
        return length_prefixed(
            _TAG,
            utf8(self.generation),
            utf8(self.hub),
            utf8(self.node_id),
            utf8(self.process),
            str(self.epoch).encode(),
        )


class PlaceProof(msgspec.Struct, frozen=True):
    """A key, 32 bytes, and its signature over a place, 64 bytes."""

    key: bytes
    signature: bytes


def process_name(instance: str) -> str:
    """Return the name that hubs tell each other of a node's process: no hub learns its instance from another one."""
    return hashlib.sha256(instance.encode()).hexdigest()
