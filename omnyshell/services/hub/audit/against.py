"""Compares a trail with records that left the machine: an export, or the file of a sink or of syslog."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from omnyshell.errors import ConfigException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import ANCHOR, TOLD, Finding, Seal, numbers
from omnyshell.services.hub.audit.heads import HEAD_ACTION, SignedHead, read_head
from omnyshell.services.hub.audit.store import AuditReader

HASH_DIGITS = 64


@dataclass(slots=True)
class Against:
    """The result of a comparison: `records` were in the file, and `trimmed` of them were removed by retention since."""

    records: int = 0
    heads: int = 0
    trimmed: int = 0
    findings: list[Finding] = field(default_factory=list)


class _Runs:
    """Merges findings about consecutive records into one."""

    def __init__(self, findings: list[Finding], name: str) -> None:
        self._findings = findings
        self._name = name
        self._kind, self._first, self._last = "", 0, 0

    def add(self, kind: str, seq: int) -> None:
        """Add a finding about a record."""
        if kind != self._kind or seq not in (self._last, self._last + 1):
            self.end()
            self._kind, self._first = kind, seq
        self._last = seq

    def end(self) -> None:
        """Report the run of findings that was collected."""
        if self._kind:
            what = "removed from the trail" if self._kind == "truncated" else "other ones when they left the hub"
            text = f"{numbers(self._first, self._last)} {what}, says {self._name}"
            self._findings.append(Finding(self._kind, self._first, text))
        self._kind = ""


def hold_against(path: Path, lines: Iterable[bytes], name: str, key: Ed25519PublicKey) -> Against:
    """Compare each record of a file with the trail, and check the heads among them by `key`.

    Lines without a record are skipped, and so is text before a record, as syslog writes it. Raises `ConfigException` if
    no line has a record, or the trail cannot be read.
    """
    result = Against()
    runs = _Runs(result.findings, name)
    try:
        with AuditReader(path) as reader:
            anchor = reader.seal(ANCHOR)
            for record in _records(lines):
                _compare(result, runs, reader, anchor, record)
                _check_head(result, record, name, key)
                _check_told(result, record, name, key)
    except sqlite3.Error as exc:
        raise ConfigException(f"the audit trail is damaged: {exc}") from exc
    runs.end()
    if not result.records:
        raise ConfigException(f"{name} has no record of an audit trail: give an export, or what a sink wrote")
    if result.trimmed == result.records and not result.findings:
        text = f"retention has removed all that {name} has: it proves nothing any more; take a newer one"
        result.findings.append(Finding("unproven", 0, text))
    return result


def _compare(result: Against, runs: _Runs, reader: AuditReader, anchor: Seal | None, record: Mapping[str, Any]) -> None:
    seq, hash_ = record["seq"], bytes.fromhex(record["hash"])
    result.records += 1
    there = reader.hash_of(seq)
    if there is None and anchor is not None and seq <= anchor.seq:
        if seq < anchor.seq:
            result.trimmed += 1
            return
        there = anchor.hash
    if there is None:
        runs.add("truncated", seq)
    elif there != hash_:
        runs.add("altered", seq)


def _check_head(result: Against, record: Mapping[str, Any], name: str, key: Ed25519PublicKey) -> None:
    if record.get("action") != HEAD_ACTION:
        return
    head = read_head(str(record.get("detail")))
    result.heads += 1
    if head is None or not SignedHead(head.seal, key).is_genuine:
        text = f"the head that record {record['seq']} of {name} holds is not signed by the hub's key"
        result.findings.append(Finding("unsigned", record["seq"], text))


def _check_told(result: Against, record: Mapping[str, Any], name: str, key: Ed25519PublicKey) -> None:
    """Check a head that another hub was told: it proves something where this hub signed it."""
    if "of" not in record or "signature" not in record:
        return
    result.heads += 1
    try:
        signed = bytes.fromhex(record["signature"])
        mark = Seal(TOLD, record["seq"], bytes.fromhex(record["hash"]), str(record.get("at")), signed)
        is_genuine = SignedHead(mark, key).is_genuine
    except (TypeError, ValueError):
        is_genuine = False
    if not is_genuine:
        text = f"the head of record {record['seq']} in {name} is not signed by the hub's key"
        result.findings.append(Finding("unsigned", record["seq"], text))


def _records(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        begin = line.find(b"{")
        while begin >= 0:
            record = _record(line[begin:].strip())
            if record is not None:
                yield record
                break
            begin = line.find(b"{", begin + 1)


def _record(text: bytes) -> Mapping[str, Any] | None:
    try:
        data = msgspec.json.decode(text, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    seq, hash_ = data.get("seq"), data.get("hash")
    is_one = type(seq) is int and 0 < seq < 2**63 and isinstance(hash_, str) and _is_hash(hash_)
    return data if is_one else None


def _is_hash(text: str) -> bool:
    return len(text) == HASH_DIGITS and set(text) <= set("0123456789abcdef")
