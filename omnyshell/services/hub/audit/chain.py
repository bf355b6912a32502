"""The audit trail's chain: each record carries the hash of the one before, and the hub signs where the chain ends.

No I/O. `docs/audit.md` describes the same for whoever verifies a trail without this code.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from omnyshell.model.audit import AuditRecord, canonical_json
from omnyshell.security.length_prefix import length_prefixed, utf8

GENESIS = bytes(32)
"""What stands before the first record."""

HEAD = "head"
ANCHOR = "anchor"
NOTED = "noted"
RECORDED = "recorded"
"""Kinds of seals. Each is good in its place alone: the end and the beginning in the trail's file, the end in the hub's
other database, the end in a record of the trail. So whoever finds one cannot put it into the place of another.
"""

_SEAL_TAG = b"omnyshell:audit:v1"

NOT_ITSELF = frozenset({"altered", "reordered"})
"""Findings that say of a record that it is not what the hub wrote there; others are about what stands before it."""

Signer = Callable[[bytes], bytes]
SignatureCheck = Callable[[bytes, bytes], bool]
"""Takes a signature and the message it should be over."""


class ChainedRecord(NamedTuple):
    """A record in its place: `text` is its canonical JSON, which holds its number too."""

    seq: int
    previous: bytes
    text: bytes
    hash: bytes


class Seal(NamedTuple):
    """The hub's signed word that the record `seq` had this hash.

    The `anchor` is the last record that retention removed, all others are the newest one of their time.
    """

    kind: str
    seq: int
    hash: bytes
    at: str
    signature: bytes


def chain(seq: int, previous: bytes, record: AuditRecord) -> ChainedRecord:
    """Put a record behind the one whose hash is `previous`."""
    text = canonical_json(seq, record)
    return ChainedRecord(seq, previous, text, link(previous, text))


def link(previous: bytes, text: bytes) -> bytes:
    """The hash of a record: SHA-256 over the previous record's hash and the canonical JSON."""
    return hashlib.sha256(previous + text).digest()


def read_record(chained: ChainedRecord) -> AuditRecord | None:
    """Return what a link of the chain records; None where it is none any more."""
    try:
        return AuditRecord.from_json(msgspec.json.decode(chained.text, type=dict))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None


def seal(kind: str, seq: int, hash_: bytes, at: str, sign: Signer) -> Seal:
    """Sign a place of the chain."""
    return Seal(kind, seq, hash_, at, sign(seal_message(kind, seq, hash_, at)))


def seal_message(kind: str, seq: int, hash_: bytes, at: str) -> bytes:
    """What a seal's signature is over."""
    return length_prefixed(_SEAL_TAG, utf8(kind), utf8(str(seq)), hash_, utf8(at))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a trail. `seq` is the record that it shows at, or the first one it concerns."""

    kind: str
    """One of the kinds that `docs/audit.md` lists."""

    seq: int
    text: str


class ChainVerifier:
    """Checks a trail, fed record by record in the order of their numbers.

    Give the anchor where retention has removed the beginning. Whether the end is there, `check.hold` tells.
    """

    def __init__(self, anchor: Seal | None, check: SignatureCheck) -> None:
        self.findings: list[Finding] = []
        self.records = 0
        self.at = ""
        """The time that the last record says."""

        self._check = check
        self._expected = 1
        self._previous: bytes | None = GENESIS
        self._last_hash = GENESIS
        if anchor is not None and self._is_genuine(anchor, ANCHOR):
            self._expected, self._previous = anchor.seq + 1, anchor.hash
            self._last_hash = anchor.hash

    def feed(self, record: ChainedRecord) -> None:
        """Take the next record."""
        self.records += 1
        if record.seq > self._expected:
            self._find("removed", self._expected, f"{numbers(self._expected, record.seq - 1)} removed")
            self._previous = None
        self._check_record(record)
        self._expected = record.seq + 1
        self._previous = self._last_hash = record.hash

    def _check_record(self, record: ChainedRecord) -> None:
        said, self.at = _read(record.text)
        if said is None:
            self._find("altered", record.seq, f"record {record.seq} altered: it is no record any more")
        elif said != record.seq:
            self._find("reordered", record.seq, f"record {said} stands in the place of record {record.seq}")
        elif link(record.previous, record.text) != record.hash:
            self._find("altered", record.seq, f"record {record.seq} altered")
        elif self._previous is not None and record.previous != self._previous:
            text = f"record {record.seq} does not follow the one before it, which was altered or exchanged"
            self._find("broken", record.seq, text)

    def _is_genuine(self, mark: Seal, kind: str) -> bool:
        message = seal_message(mark.kind, mark.seq, mark.hash, mark.at)
        if mark.kind == kind and self._check(mark.signature, message):
            return True
        self._find("unsigned", mark.seq, f"the signature of the {kind} at record {mark.seq} is wrong")
        return False

    def _find(self, kind: str, seq: int, text: str) -> None:
        self.findings.append(Finding(kind, seq, text))


def _read(text: bytes) -> tuple[int | None, str]:
    """Return the number and the time that a record says, as far as it says any."""
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, ""
    if not isinstance(data, dict):
        return None, ""
    seq, at = data.get("seq"), data.get("at")
    return (seq if type(seq) is int else None), (at if isinstance(at, str) else "")


def numbers(first: int, last: int) -> str:
    """Return how records are named in a finding."""
    return f"record {first} was" if first == last else f"records {first} to {last} were"
