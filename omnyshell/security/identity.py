"""UIDs: names of nodes and hubs, derived from their keys and machines (docs/protocol.md#uids)."""

import binascii
import hashlib
from dataclasses import dataclass

from omnyshell.errors import CertGeneratorException
from omnyshell.ids import is_uid
from omnyshell.security.certificates import spki_of_der
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.security.length_prefix import length_prefixed, utf8
from omnyshell.security.machine import MachineFacts

NODE_PREFIX = "nod_"
HUB_PREFIX = "hub_"

_NODE_TAG = b"omnyshell:node:v1"
_HUB_TAG = b"omnyshell:hub:v1"
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class OmnyUid:
    """A well-formed UID; anything else raises `ValueError`."""

    value: str

    def __post_init__(self) -> None:
        if not is_uid(self.value):
            raise ValueError(f"not a UID: {self.value!r}")

    @property
    def is_hub(self) -> bool:
        """Whether it names a hub; otherwise it names a node."""
        return self.value.startswith(HUB_PREFIX)

    def __str__(self) -> str:
        return self.value


class UidComputer:
    """Computes UIDs on one machine. The same inputs give the same UID, in every implementation."""

    def __init__(self, machine: MachineFacts) -> None:
        self._machine = machine

    def node(self, public_key: Ed25519PublicKey | None) -> OmnyUid:
        """The UID of a node with this key; None for one that logs in with a token."""
        return self._compute(NODE_PREFIX, _NODE_TAG, public_key.raw if public_key is not None else b"")

    def hub(self, leaf_der: bytes) -> OmnyUid:
        """The UID of a hub with this leaf certificate.

        It is derived from the certificate's key, so that a renewal with the same key keeps it; where no key can be
        found, from the whole certificate.
        """
        try:
            material = spki_of_der(leaf_der)
        except CertGeneratorException:
            material = leaf_der
        return self.hub_of_key(material)

    def hub_of_key(self, spki: bytes) -> OmnyUid:
        """The UID of a hub whose certificate has this SubjectPublicKeyInfo, in DER."""
        return self._compute(HUB_PREFIX, _HUB_TAG, spki)

    def _compute(self, prefix: str, tag: bytes, key_material: bytes) -> OmnyUid:
        machine = self._machine
        texts = (machine.machine_id, machine.os, machine.arch, machine.hostname)
        digest = hashlib.sha256(length_prefixed(tag, key_material, *map(utf8, texts))).digest()
        text = binascii.b2a_base64(digest, newline=False).translate(_TO_URL_SAFE, b"=").decode()
        return OmnyUid(prefix + text)
