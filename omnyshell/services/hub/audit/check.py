"""Compares a trail with its own signed end, and with the head noted in the hub's other database.

No I/O but through the given reader. Nothing is repaired: findings are recorded in the trail.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import GENESIS, HEAD, Finding, Seal, SignatureCheck, numbers, seal_message
from omnyshell.services.hub.audit.heads import SignedHead


class TrailEnd(NamedTuple):
    """The end of a trail according to its file."""

    seq: int = 0
    hash: bytes = GENESIS
    """The hash of the newest record, or of the last one that retention removed."""

    head: Seal | None = None
    anchor: Seal | None = None
    at_noted: bytes | None = None
    """The hash of the record that the other database noted; None if the trail lacks it."""

    signs: tuple[str, ...] = ()
    """Files that a hub writes only after its first record; they prove that there was one, if the trail has none."""


@dataclass(slots=True)
class Held:
    """The result of the comparison. The trail continues after record `seq`, whose hash is `hash`."""

    seq: int
    hash: bytes
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: str, seq: int, text: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(kind, seq, text))


def any_of(keys: Iterable[Ed25519PublicKey]) -> SignatureCheck:
    """Return a check that accepts signatures of any of these keys."""
    known = tuple(keys)
    return lambda signature, message: any(key.verify(signature, message) for key in known)


def hold(end: TrailEnd, noted: SignedHead | None, key: Ed25519PublicKey) -> Held:
    """Compare the end of a trail with its signed head, and with the head noted in the other database.

    The trail continues after the last record that is known to have existed, even if that is missing now: its number is
    not used again, and the next record is chained to its hash. So no later signature covers a gap or a forged record.
    """
    held = Held(end.seq, end.hash)
    keys = [key]
    if noted is not None and not noted.is_genuine:
        text = f"what the hub's other database says of the trail up to record {end.seq} is not signed by the hub"
        held.find("unnoted", end.seq, text)
        noted = None
    if noted is not None and noted.key != key:
        keys.append(noted.key)
        text = f"the key that signs the trail was replaced: it was {noted.key.to_base64()}, now it is {key.to_base64()}"
        held.find("key", noted.seal.seq, text)
    marks = [noted.seal] if noted is not None else []
    if end.head is not None and is_signed(end.head, any_of(keys)):
        marks.append(end.head)
    _hold_against_head(held, end, is_genuine=end.head in marks)
    if noted is not None:
        _hold_against_noted(held, end, noted.seal)
    _go_on(held, end, marks)
    return held


def is_signed(mark: Seal, check: SignatureCheck) -> bool:
    """Tell whether the head in the file was signed by the hub."""
    return mark.kind == HEAD and check(mark.signature, seal_message(mark.kind, mark.seq, mark.hash, mark.at))


def leaves(seq: int) -> str:
    """The end of a finding's text which says that the next record, `seq`, is chained to the missing one."""
    return f"; record {seq} does not go on behind it"


def _go_on(held: Held, end: TrailEnd, marks: Iterable[Seal]) -> None:
    """Choose the record to which the next one is chained: the last one that the hub is known to have signed."""
    last = max(marks, key=lambda mark: mark.seq, default=None)
    held.hash = last.hash if last is not None else GENESIS
    if held.seq == end.seq and held.hash != end.hash:
        found = held.findings[-1]
        held.findings[-1] = replace(found, text=found.text + leaves(held.seq + 1))


def _hold_against_head(held: Held, end: TrailEnd, *, is_genuine: bool) -> None:
    head = end.head
    if head is None:
        if end.seq:
            held.find("unsigned", end.seq, f"the signed end of the trail is missing; its last record is {end.seq}")
        elif end.signs:
            told = f"of an earlier time there is {', '.join(end.signs)}"
            held.find("unsigned", 0, f"the trail was emptied or removed: {told}")
        return
    if not is_genuine:
        held.find("unsigned", head.seq, f"the signature of the head at record {head.seq} is wrong")
    elif head.seq > end.seq:
        held.find("truncated", end.seq + 1, f"{numbers(end.seq + 1, head.seq)} removed")
        held.seq = head.seq
    elif head.seq < end.seq:
        held.find("unsigned", head.seq + 1, f"{numbers(head.seq + 1, end.seq)} not signed by the hub")
    elif head.hash != end.hash:
        held.find("altered", end.seq, f"record {end.seq} is not the one that the hub signed")


def _hold_against_noted(held: Held, end: TrailEnd, noted: Seal) -> None:
    if noted.seq > held.seq:
        missing = f"{numbers(end.seq + 1, noted.seq)} removed"
        # Report one gap once: the noted head shows more of it than the file.
        held.findings = [found for found in held.findings if found.kind != "truncated" and found.seq]
        held.find("truncated", end.seq + 1, missing)
        held.seq = noted.seq
    elif noted.seq > end.seq or end.at_noted == noted.hash:
        # The signed head has already shown the missing end.
        return
    elif end.at_noted is not None:
        held.find("altered", noted.seq, f"record {noted.seq} is not the one that was noted: the trail was rewritten")
    else:
        text = f"record {noted.seq}, which was noted, is gone: more was removed than retention removes"
        held.find("removed", noted.seq, text)
