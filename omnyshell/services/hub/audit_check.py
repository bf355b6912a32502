"""Holds a trail against what is known of it: its own signed end, and the head that the hub's other database noted.

No I/O but the reader that is given. Nothing is mended here: what is found is for the trail to say from then on.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from omnyshell.model.audit import AuditRecord
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit_chain import (
    GENESIS,
    ChainedRecord,
    ChainVerifier,
    Finding,
    Seal,
    SignatureCheck,
    numbers,
    seal_message,
)
from omnyshell.services.hub.audit_heads import (
    ACKNOWLEDGE_ACTION,
    BROKEN_ACTION,
    HEAD_ACTION,
    SignedHead,
    own_record,
    read_head,
)

MOST_NAMED = 20
"""Findings that get a record each; how many there are beside them is one more."""

SLICE = 64
"""Records that are looked at between two moments at which others may run."""

MOST_KEPT = 1_000
"""Findings that are kept to be named; beyond it they are counted."""

_REST = re.compile(r"there are (\d{1,18}) findings more, which `omnyshell audit verify` names")


class TrailEnd(NamedTuple):
    """What a trail's file says of where it ends."""

    seq: int = 0
    hash: bytes = GENESIS
    """Of the newest record, or of the last one that retention removed."""

    head: Seal | None = None
    anchor: Seal | None = None
    at_noted: bytes | None = None
    """The hash of the record that the other database noted; None where it is not there."""

    was_used: bool = False
    """Whether the hub has signed records before."""


@dataclass(slots=True)
class Held:
    """What holding a trail against what is known came to; it goes on behind `seq`, whose hash is `hash`."""

    seq: int
    hash: bytes
    findings: list[Finding] = field(default_factory=list)

    def find(self, kind: str, seq: int, text: str) -> None:
        """Note something."""
        self.findings.append(Finding(kind, seq, text))


def any_of(keys: Iterable[Ed25519PublicKey]) -> SignatureCheck:
    """Return a check that takes the signature of any of these keys."""
    known = tuple(keys)
    return lambda signature, message: any(key.verify(signature, message) for key in known)


def hold(end: TrailEnd, noted: SignedHead | None, key: Ed25519PublicKey) -> Held:
    """Compare the end of a trail with its signed head, and with the one that was noted elsewhere.

    The trail goes on behind the last record that is known to have been, also where that one is gone: its number is not
    given twice, and the next record is chained to its hash. So no later signature covers what is missing.
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
    _hold_against_head(held, end, any_of(keys))
    if noted is not None:
        _hold_against_noted(held, end, noted.seal)
    return held


def _hold_against_head(held: Held, end: TrailEnd, check: SignatureCheck) -> None:
    head = end.head
    if head is None:
        if end.seq:
            held.find("unsigned", end.seq, f"the signed end of the trail is missing; its last record is {end.seq}")
        elif end.was_used:
            held.find("unsigned", 0, "the trail was emptied or removed")
        return
    if not check(head.signature, seal_message(head.kind, head.seq, head.hash, head.at)):
        held.find("unsigned", head.seq, f"the signature of the head at record {head.seq} is wrong")
    elif head.seq > end.seq:
        held.find("truncated", end.seq + 1, f"{numbers(end.seq + 1, head.seq)} removed")
        held.seq, held.hash = head.seq, head.hash
    elif head.seq < end.seq:
        held.find("unsigned", head.seq + 1, f"{numbers(head.seq + 1, end.seq)} not signed by the hub")
    elif head.hash != end.hash:
        held.find("altered", end.seq, f"record {end.seq} is not the one that the hub signed")
        held.hash = head.hash


def _hold_against_noted(held: Held, end: TrailEnd, noted: Seal) -> None:
    if noted.seq > held.seq:
        missing = f"{numbers(end.seq + 1, noted.seq)} removed"
        # One gap, one finding: what the file says of it itself is less than what was noted.
        held.findings = [found for found in held.findings if found.kind != "truncated" and found.seq]
        held.find("truncated", end.seq + 1, missing)
        held.seq, held.hash = noted.seq, noted.hash
    elif noted.seq > end.seq or end.at_noted == noted.hash:
        # Behind the end that is there, the signed head has told already.
        return
    elif end.at_noted is not None:
        held.find("altered", noted.seq, f"record {noted.seq} is not the one that was noted: the trail was rewritten")
        if noted.seq == held.seq:
            held.hash = noted.hash
    else:
        text = f"record {noted.seq}, which was noted, is gone: more was removed than retention removes"
        held.find("removed", noted.seq, text)


@dataclass(slots=True)
class Scan:
    """What going through a whole trail found."""

    findings: list[Finding] = field(default_factory=list)
    """What no record of the trail tells yet: `MOST_NAMED` at most, and one that counts the rest."""

    gaps: list[str] = field(default_factory=list)
    """What the trail tells, and no admin has acknowledged."""


class TrailScan:
    """Goes through a trail record by record; `result` says what it found that the trail does not tell yet.

    `noted` is the record up to which the other database knows the trail, `up_to` the last one of the time before this
    hub began.
    """

    def __init__(self, anchor: Seal | None, check: SignatureCheck, noted: int, up_to: int) -> None:
        self._verifier = ChainVerifier(anchor, check)
        self._noted = noted
        self._up_to = up_to
        self._known = 0
        self._told: set[str] = set()
        self._gaps: list[str] = []
        self._found: dict[str, Finding] = {}
        self._more = 0
        self._counted = 0
        """Findings that the trail tells by their number alone."""

        self._collect("")

    def feed(self, record: ChainedRecord) -> None:
        """Take the next record."""
        self._verifier.feed(record)
        own = own_record(record)
        if self._verifier.findings:
            self._collect(own.action if own is not None else "")
        if own is not None:
            self._heed(record.seq, own)

    def result(self) -> Scan:
        """Return what was found."""
        if self._known > self._noted:
            text = "the hub's other database knows less of the trail than it did: it was removed or rolled back"
            self._keep(Finding("unnoted", self._known, f"{text} (records up to {self._known} were noted)"))
        untold = [finding for text, finding in self._found.items() if text not in self._told]
        count = len(untold) + self._more
        if count <= self._counted:
            return Scan([], self._gaps)
        named = untold[:MOST_NAMED]
        if count > len(named):
            rest = f"there are {count - len(named)} findings more, which `omnyshell audit verify` names"
            named.append(Finding("altered", 0, rest))
        return Scan(named, self._gaps)

    def _heed(self, seq: int, own: AuditRecord) -> None:
        if own.action == BROKEN_ACTION:
            self._told.add(own.detail)
            rest = _REST.fullmatch(own.detail)
            self._counted = max(self._counted, int(rest[1]) if rest is not None else 0)
            if own.outcome == "error":
                self._gaps.append(own.detail)
        elif own.action == ACKNOWLEDGE_ACTION:
            self._gaps.clear()
        elif own.action == HEAD_ACTION and seq <= self._up_to:
            head = read_head(own.detail)
            self._known = max(self._known, head.noted if head is not None else 0)

    def _collect(self, action: str) -> None:
        """Take the verifier's findings. What a record follows that says so itself is told by that record."""
        findings, self._verifier.findings = self._verifier.findings, []
        for finding in findings:
            if not (finding.kind == "broken" and action == BROKEN_ACTION):
                self._keep(finding)

    def _keep(self, finding: Finding) -> None:
        if len(self._found) < MOST_KEPT:
            self._found[finding.text] = finding
        else:
            self._more += 1


def scan(records: Iterable[ChainedRecord], trail: TrailScan, pause: Callable[[], bool]) -> Scan | None:
    """Go through a whole trail; `pause` is called now and then and says whether to go on. None where it did not."""
    for number, record in enumerate(records):
        if number % SLICE == 0 and not pause():
            return None
        trail.feed(record)
    return trail.result()
