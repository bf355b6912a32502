"""Signatures of hubs over what they write. Each counts at one place of one stream."""

import hashlib

import msgspec

from omnyshell.security.keys import Ed25519PrivateKey, Ed25519PublicKey
from omnyshell.security.length_prefix import length_prefixed
from omnyshell.services.hub.ground.json_values import decoded

_TAG = b"omnyshell-cluster-record-1"
_TAG_AFTER = b"omnyshell-cluster-record-2"
_DENIAL_TAG = b"omnyshell-cluster-denial-1"


class SignedRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A record as it is in the stream; which hub wrote it says its subject, which nobody else may publish on."""

    body: bytes
    signature: bytes
    after: bytes = b""
    """The digest of the record before it, as its hub knew it: who knows another one counts it for nothing.

    Empty for the first record, and for those of hubs that did not say so yet.
    """


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(SignedRecord)


def digest(raw: bytes) -> bytes:
    """Return the digest of a record as it is in the stream."""
    return hashlib.sha256(raw).digest()


def sign(key: Ed25519PrivateKey, generation: str, seq: int, hub: str, body: bytes, after: bytes = b"") -> bytes:
    """Return a record with the signature of its hub, for that number of a generation's stream.

    `after` is the digest of the record before it.
    """
    return _encoder.encode(SignedRecord(body, key.sign(_signed(generation, seq, hub, body, after)), after))


def opened(raw: bytes, key: Ed25519PublicKey, generation: str, seq: int, hub: str) -> SignedRecord:
    """Return a hub's record. Raises `ValueError` where it is none, or none of that hub at that place."""
    try:
        record = decoded(_decoder, raw)
    except ValueError as exc:
        raise ValueError(f"no record: {exc}") from exc
    if not key.verify(record.signature, _signed(generation, seq, hub, record.body, record.after)):
        raise ValueError("its signature is not that of the hub, or it is at a place for which it was not made")
    return record


def _signed(generation: str, seq: int, hub: str, body: bytes, after: bytes) -> bytes:
    place = (generation.encode(), str(seq).encode(), hub.encode())
    return length_prefixed(_TAG_AFTER, *place, after, body) if after else length_prefixed(_TAG, *place, body)


def denial_message(generation: str, hub: str, body: bytes) -> bytes:
    """Return what a hub signs of a lock or revocation that has no place in the stream yet."""
    return length_prefixed(_DENIAL_TAG, generation.encode(), hub.encode(), body)
