"""Queries a trail on disk, and verifies all of it."""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from omnyshell.clock import Clock
from omnyshell.durations import parse_duration
from omnyshell.errors import ConfigException
from omnyshell.model.audit import AuditRecord
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import (
    ANCHOR,
    HEAD,
    NOT_ITSELF,
    ChainedRecord,
    ChainVerifier,
    Finding,
    Seal,
    read_record,
)
from omnyshell.services.hub.audit.check import hold
from omnyshell.services.hub.audit.heads import BROKEN_ACTION, SignedHead, own_record
from omnyshell.services.hub.audit.store import AuditReader

_LOOKS_LIKE_A_SPAN = re.compile(r"[0-9]+[a-z]")


def parse_moment(text: str, name: str, clock: Clock) -> datetime:
    """Read a duration before now, or an ISO-8601 time. Raises `ConfigException` naming the option."""
    written = text.strip()
    if _LOOKS_LIKE_A_SPAN.fullmatch(written):
        return clock.now() - timedelta(seconds=parse_duration(written, name))
    try:
        return read_timestamp(written)
    except ValueError as exc:
        raise ConfigException(f"{name} '{text}': write a span such as 1h, or a time such as 2026-01-31T08:00") from exc


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A filter of records; empty fields match everything. `action` is a pattern such as `session.*`."""

    since: datetime | None = None
    action: str = ""
    principal: str = ""
    node: str = ""

    def matches(self, record: AuditRecord) -> bool:
        """Tell whether the record matches."""
        return (
            (self.since is None or record.at >= self.since)
            and (not self.action or fnmatchcase(record.action, self.action))
            and (not self.principal or record.principal == self.principal)
            and (not self.node or record.node_id == self.node)
        )


def find_records(reader: AuditReader, query: AuditQuery, after: int = 0) -> Iterator[tuple[ChainedRecord, AuditRecord]]:
    """Yield the matching records, oldest first. Unreadable ones are left out: `verify` reports them."""
    try:
        for chained in reader.records(after):
            record = read_record(chained)
            if record is not None and query.matches(record):
                yield chained, record
    except sqlite3.Error as exc:
        raise ConfigException(f"the audit trail is damaged: {exc}; `omnyshell audit verify` says more") from exc


@dataclass(frozen=True, slots=True)
class TrailReport:
    """The result of a verification; if `findings` is empty, the trail is whole."""

    records: int
    head: Seal | None
    anchor: Seal | None
    findings: tuple[Finding, ...]


class _Walk:
    """Checks the chain of a trail, and collects the gaps that it reports."""

    def __init__(self, anchor: Seal | None, key: Ed25519PublicKey) -> None:
        self.verifier = ChainVerifier(anchor, key.verify)
        self._gaps: dict[str, Finding] = {}

    def feed(self, record: ChainedRecord) -> None:
        """Take the next record."""
        found = len(self.verifier.findings)
        self.verifier.feed(record)
        is_whole = all(finding.kind not in NOT_ITSELF for finding in self.verifier.findings[found:])
        own = own_record(record)
        if own is not None and own.action == BROKEN_ACTION and is_whole:
            text = f"the hub found and recorded, as record {record.seq} at {write_timestamp(own.at)}: {own.detail}"
            self._gaps.setdefault(own.detail, Finding("gap", record.seq, text))

    def findings(self) -> list[Finding]:
        """Return what was found so far."""
        return [*self._gaps.values(), *self.verifier.findings]


def verify_trail(
    path: Path, key: Ed25519PublicKey, known: tuple[int, str] | None = None, noted: SignedHead | None = None
) -> TrailReport:
    """Check every record, the signed end, and the signed beginning where retention removed something.

    `known` is the number and hash (hexadecimal) of a record that were noted elsewhere: the trail must have it. If
    retention has removed it, nothing can be proved, which is a finding too. `noted` is the head in the hub's other
    database, read before the trail. Gaps that the trail reports itself are always findings. Raises `ConfigException` if
    there is no trail.
    """
    head = anchor = None
    walk, seen = _Walk(None, key), None
    try:
        with AuditReader(path) as reader:
            head, anchor = reader.seal(HEAD), reader.seal(ANCHOR)
            walk = _Walk(anchor, key)
            for record in reader.records():
                walk.feed(record)
                if known is not None and record.seq == known[0]:
                    seen = record.hash.hex()
            findings = walk.findings()
            end = reader.end(noted)
        findings += hold(end, noted, key).findings
        if known is not None:
            findings += _compare(known, seen, anchor)
    except sqlite3.Error as exc:
        findings = [*walk.findings(), Finding("damaged", 0, f"the file is damaged: {exc}")]
    return TrailReport(walk.verifier.records, head, anchor, tuple(findings))


def _compare(known: tuple[int, str], seen: str | None, anchor: Seal | None) -> list[Finding]:
    """Compare a record with its noted hash. A removed one is a finding, as a forged trail could begin after it."""
    seq, hash_ = known
    if seen is None and anchor is not None and anchor.seq >= seq:
        if anchor.seq == seq and anchor.hash.hex() == hash_:
            return []
        text = f"record {seq}, which was noted, has been removed by retention or by somebody else: note a newer one"
        return [Finding("unproven", seq, text)]
    if seen == hash_:
        return []
    text = f"record {seq} is not the one that was noted: the trail was rolled back or rewritten"
    return [Finding("altered" if seen else "truncated", seq, text)]
