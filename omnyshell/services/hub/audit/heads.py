"""Signed heads: what the hub says of where its trail ends, in the trail itself, and beside it.

No I/O. A head is a record like others, so that every sink carries it away from the machine.
"""

import re
from typing import NamedTuple

from omnyshell.errors import AuthException
from omnyshell.model.audit import AuditRecord
from omnyshell.model.schema import read_timestamp
from omnyshell.security.keys import Ed25519PublicKey, decode_base64_lenient, encode_base64
from omnyshell.services.hub.audit.chain import RECORDED, ChainedRecord, Seal, read_record, seal_message

HEAD_ACTION = "audit.head"
BROKEN_ACTION = "audit.broken"
ACKNOWLEDGE_ACTION = "audit.acknowledge"

OWN_MARK = '"action":"audit.'
"""What the canonical JSON of the trail's records about itself has, and no other: a quote within a text is escaped."""

_OWN_MARK = OWN_MARK.encode()

_DETAIL = re.compile(
    r"head=(\d{1,18}):([0-9a-f]{64}) at=(\S{1,64}) noted=(\d{1,18})"
    r" key=([A-Za-z0-9+/]{43}) signature=([A-Za-z0-9+/]{86})"
)


class SignedHead(NamedTuple):
    """The hub's word, signed by `key`, that the trail's record `seal.seq` has the hash `seal.hash`.

    The kind of `seal` is that of the place where it was found: no signature is good in another one.
    """

    seal: Seal
    key: Ed25519PublicKey
    noted: int = 0
    """The record up to which the hub's other database knew the trail when this was signed."""

    @property
    def is_genuine(self) -> bool:
        """Whether `key` signed it."""
        mark = self.seal
        message = seal_message(mark.kind, mark.seq, mark.hash, mark.at)
        return self.key.verify(mark.signature, message)


def head_record(head: SignedHead) -> AuditRecord:
    """Return the record that says it."""
    mark = head.seal
    detail = (
        f"head={mark.seq}:{mark.hash.hex()} at={mark.at} noted={head.noted} key={head.key.to_base64()}"
        f" signature={encode_base64(mark.signature)}"
    )
    return AuditRecord(at=read_timestamp(mark.at), action=HEAD_ACTION, detail=detail)


def read_head(detail: str) -> SignedHead | None:
    """Read what such a record says in its `detail`; None where that is no head."""
    found = _DETAIL.fullmatch(detail)
    if found is None:
        return None
    seq, hash_, at, noted, key, signature = found.groups()
    try:
        signer, signed = Ed25519PublicKey.from_base64(key), decode_base64_lenient(signature)
    except (AuthException, ValueError):
        return None
    return SignedHead(Seal(RECORDED, int(seq), bytes.fromhex(hash_), at, signed), signer, int(noted))


def own_record(chained: ChainedRecord) -> AuditRecord | None:
    """Return a record that the trail keeps about itself; None for all others, and for what cannot be read."""
    return read_record(chained) if _OWN_MARK in chained.text else None
