"""Signed heads: the hub's statements about the end of its trail, in the trail and in the other database.

No I/O. A head in the trail is a record like others, so every sink delivers it off the machine.
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
"""Found only in the canonical JSON of the trail's records about itself: in a text the quotes would be escaped."""

_OWN_MARK = OWN_MARK.encode()

_DETAIL = re.compile(
    r"head=(\d{1,18}):([0-9a-f]{64}) at=(\S{1,64}) noted=(\d{1,18})"
    r" key=([A-Za-z0-9+/]{43}) signature=([A-Za-z0-9+/]{86})"
)


class SignedHead(NamedTuple):
    """A statement, signed by `key`, that the trail's record `seal.seq` has the hash `seal.hash`.

    The kind of `seal` is that of the place where it was found; its signature is not valid in another place.
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
    """Return the audit record that contains a head."""
    mark = head.seal
    detail = (
        f"head={mark.seq}:{mark.hash.hex()} at={mark.at} noted={head.noted} key={head.key.to_base64()}"
        f" signature={encode_base64(mark.signature)}"
    )
    return AuditRecord(at=read_timestamp(mark.at), action=HEAD_ACTION, detail=detail)


def read_head(detail: str) -> SignedHead | None:
    """Read the head in the `detail` of such a record; None if that is no head."""
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
    """Return a record if it is the trail's about itself; None for other and unreadable records."""
    return read_record(chained) if _OWN_MARK in chained.text else None
