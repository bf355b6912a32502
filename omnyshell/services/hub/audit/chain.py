"""The audit trail's chain: each record contains the hash of the one before, and the hub signs the end of the chain.

No I/O. `docs/audit.md` describes it for programs that verify a trail without this code.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from omnyshell.model.audit import AuditRecord, canonical_json
from omnyshell.security.length_prefix import length_prefixed, utf8

GENESIS = bytes(32)
"""The previous hash of the first record."""

HEAD = "head"
ANCHOR = "anchor"
NOTED = "noted"
RECORDED = "recorded"
TOLD = "told"
"""Kinds of seals, each valid in one place only: end and beginning in the trail's file, the end in the hub's other
database, the end in a record of the trail, the end that other hubs are told. So no seal can be moved to the place of
another.
"""

_SEAL_TAG = b"omnyshell:audit:v1"

NOT_ITSELF = frozenset({"altered", "reordered"})
"""Kinds of findings about a record itself, which is not what the hub wrote there; other kinds are about records before
it."""

Signer = Callable[[bytes], bytes]
SignatureCheck = Callable[[bytes, bytes], bool]
"""Checks a signature over a message."""


class ChainedRecord(NamedTuple):
    """A record in the chain: `text` is its canonical JSON, with its number."""

    seq: int
    previous: bytes
    text: bytes
    hash: bytes


class Seal(NamedTuple):
    """A signed statement of the hub that record `seq` had this hash.

    An `anchor` names the last record that retention removed; the other kinds name the newest record when they were
    made.
    """

    kind: str
    seq: int
    hash: bytes
    at: str
    signature: bytes


def chain(seq: int, previous: bytes, record: AuditRecord) -> ChainedRecord:
    """Chain a record to the one whose hash is `previous`."""
    text = canonical_json(seq, record)
    return ChainedRecord(seq, previous, text, link(previous, text))


def link(previous: bytes, text: bytes) -> bytes:
    """The hash of a record: SHA-256 over the previous record's hash and the canonical JSON."""
    return hashlib.sha256(previous + text).digest()


def read_record(chained: ChainedRecord) -> AuditRecord | None:
    """Return the record of a link of the chain; None if it cannot be decoded."""
    try:
        return AuditRecord.from_json(msgspec.json.decode(chained.text, type=dict))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None


def seal(kind: str, seq: int, hash_: bytes, at: str, sign: Signer) -> Seal:
    """Sign a position in the chain."""
    return Seal(kind, seq, hash_, at, sign(seal_message(kind, seq, hash_, at)))


def seal_message(kind: str, seq: int, hash_: bytes, at: str) -> bytes:
    """The message that a seal signs."""
    return length_prefixed(_SEAL_TAG, utf8(kind), utf8(str(seq)), hash_, utf8(at))


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of a trail. `seq` is the record at which it shows, or the first one affected."""

    kind: str
    """One of the kinds that `docs/audit.md` lists."""

    seq: int
    text: str


class ChainVerifier:
    """Checks a trail that is fed to it record by record, in the order of their numbers.

    Pass the anchor if retention has removed the beginning. `check.hold` checks that the end is not missing.
    """

    def __init__(self, anchor: Seal | None, check: SignatureCheck) -> None:
        self.findings: list[Finding] = []
        self.records = 0
        self.at = ""
        """The time in the last record."""

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
    """Return the number and the time in a record, as far as they can be read."""
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, ""
    if not isinstance(data, dict):
        return None, ""
    seq, at = data.get("seq"), data.get("at")
    return (seq if type(seq) is int else None), (at if isinstance(at, str) else "")


def numbers(first: int, last: int) -> str:
    """Return the name of a range of records in a finding."""
    return f"record {first} was" if first == last else f"records {first} to {last} were"
