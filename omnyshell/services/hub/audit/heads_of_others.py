"""What other hubs have said of where their audit trails end, and whether they still say it (docs/audit.md).

A trail that was cut and went on, or was written anew, can agree with all that is on its machine; it cannot agree with
what others were told before.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import AuthException, ConfigException
from omnyshell.model.schema import write_timestamp
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import ANCHOR, TOLD, Finding, Seal
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.audit.store import AuditReader
from omnyshell.services.hub.ground.state_file import StateFile, blob, number, text

RECENT = 32
"""How many of the newest heads of a hub are kept."""

DAYS = 32
"""Of how many days before those one head each is kept."""

MOST_OUTDATED = 64
"""Heads of a hub that are kept although it says something else now: they prove that."""

MOST_FAULTS = 100
"""Faults of one hub that wait to be acknowledged; more of them are not told."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS heads_of_hubs (
    hub         TEXT NOT NULL,
    key         BLOB NOT NULL,
    seq         INTEGER NOT NULL,
    hash        BLOB NOT NULL,
    at          TEXT NOT NULL,
    signature   BLOB NOT NULL,
    is_outdated INTEGER NOT NULL,
    PRIMARY KEY (hub, key, seq, hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults_of_hubs (
    hub   TEXT NOT NULL,
    text  TEXT NOT NULL,
    at    TEXT NOT NULL,
    PRIMARY KEY (hub, text)
) WITHOUT ROWID;
"""
_QUERY = "SELECT hub, key, seq, hash, at, signature, is_outdated FROM heads_of_hubs ORDER BY hub, is_outdated DESC, seq"
_OUTDATE = "UPDATE heads_of_hubs SET is_outdated = 1 WHERE hub = ? AND key = ? AND seq = ? AND hash = ?"
_FORGET = "DELETE FROM heads_of_hubs WHERE hub = ? AND key = ? AND seq = ? AND hash = ?"


class KeptHead(NamedTuple):
    """A head that a hub has told."""

    hub: str
    head: SignedHead
    is_outdated: bool
    """Whether the hub has said something else since."""

    @property
    def seal(self) -> Seal:
        """What it says."""
        return self.head.seal


class Shown(NamedTuple):
    """What a trail has at some numbers."""

    hashes: Mapping[int, bytes]
    """Of the records that are there; the last one that retention removed counts as such."""

    removed: int
    """Up to which number retention has removed records; 0 if it has not."""


class HeadsOfOthers:
    """The heads of other hubs, in the hub's file. All methods raise `ConfigException` if that cannot be used."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        file.create(_SCHEMA)

    def of(self, hub: str) -> list[KeptHead]:
        """Return what a hub has told, by number, what is outdated first."""
        return [kept for kept in self.all() if kept.hub == hub]

    def all(self) -> list[KeptHead]:
        """Return what all hubs have told."""
        return self._file.read("the head of a hub's audit", _kept, _QUERY)

    def faults(self) -> list[tuple[str, str]]:
        """Return the hubs with faults that nobody has acknowledged, and the faults."""
        return self._file.read("the fault of a hub's audit", _fault, "SELECT hub, text FROM faults_of_hubs ORDER BY at")

    def acknowledge(self) -> None:
        """Have all faults be known: they are told no more."""
        self._file.run("DELETE FROM faults_of_hubs")

    def take(self, hub: str, head: SignedHead) -> list[Finding]:
        """Keep a head that a hub has told; return what is wrong with it. Raises `ValueError` if nobody signed it."""
        if head.seal.kind != TOLD or not head.is_genuine:
            raise ValueError("the head of its audit trail is not signed by the trail's key")
        valid = self._valid(hub)
        outdated = [kept for kept in valid if kept.head.key != head.key or kept.seal.seq > head.seal.seq]
        outdated += [kept for kept in valid if kept not in outdated and _contradicts(kept, head.seal)]
        findings = [_gone_back(hub, outdated[-1], head)] if outdated else []
        with self._file.transaction():
            self._outdate(outdated)
            self._put(hub, head)
            self._thin_out(hub)
        return findings

    def to_ask(self, hub: str, key: Ed25519PublicKey, most: int) -> list[SignedHead]:
        """Return what a hub is to be asked about: the newest heads, and some older ones of all times."""
        known = [kept.head for kept in self._valid(hub) if kept.head.key == key]
        newest, older = known[-most // 2 :], known[: -most // 2]
        step = max(1, -(-len(older) // (most // 2)))
        return older[::step] + newest

    def compare(self, hub: str, asked: Iterable[SignedHead], shown: Shown) -> list[Finding]:
        """Hold what a hub shows of its trail against what it has told before; return what is wrong."""
        wrong = [
            head.seal
            for head in asked
            if shown.hashes.get(head.seal.seq) != head.seal.hash
            and (head.seal.seq > shown.removed or head.seal.seq in shown.hashes)
        ]
        if not wrong:
            return []
        numbers = {mark.seq for mark in wrong}
        with self._file.transaction():
            self._outdate([kept for kept in self._valid(hub) if kept.seal.seq in numbers])
        return [_not_there(hub, wrong, shown)]

    def note(self, hub: str, finding: Finding, now: datetime) -> bool:
        """Keep a fault until it is acknowledged; return whether it is new, and to be told."""
        known = [fault for of, fault in self.faults() if of == hub]
        if finding.text in known or len(known) >= MOST_FAULTS:
            return False
        self._file.run("INSERT INTO faults_of_hubs VALUES (?, ?, ?)", hub, finding.text, write_timestamp(now))
        return True

    def _valid(self, hub: str) -> list[KeptHead]:
        return [kept for kept in self.of(hub) if not kept.is_outdated]

    def _put(self, hub: str, head: SignedHead) -> None:
        mark = head.seal
        row = (hub, head.key.raw, mark.seq, mark.hash, mark.at, mark.signature, 0)
        self._file.run("INSERT OR REPLACE INTO heads_of_hubs VALUES (?, ?, ?, ?, ?, ?, ?)", *row)

    def _outdate(self, outdated: Collection[KeptHead]) -> None:
        for kept in outdated:
            self._run_for(_OUTDATE, kept)

    def _thin_out(self, hub: str) -> None:
        known = self.of(hub)
        outdated = [kept for kept in known if kept.is_outdated]
        surplus = outdated[:-MOST_OUTDATED] + _surplus([kept for kept in known if not kept.is_outdated])
        for kept in surplus:
            self._run_for(_FORGET, kept)

    def _run_for(self, statement: str, kept: KeptHead) -> None:
        self._file.run(statement, kept.hub, kept.head.key.raw, kept.seal.seq, kept.seal.hash)


def shown_of(path: Path, numbers: Iterable[int]) -> Shown:
    """Return what a trail on disk has at some numbers. Raises `ConfigException` if it cannot be read."""
    try:
        with AuditReader(path) as reader:
            anchor = reader.seal(ANCHOR)
            hashes = {seq: hash_ for seq in numbers if (hash_ := reader.hash_of(seq)) is not None}
    except sqlite3.Error as exc:
        raise ConfigException(f"the audit trail is damaged: {exc}") from exc
    if anchor is None:
        return Shown(hashes, 0)
    return Shown({anchor.seq: anchor.hash} | hashes, anchor.seq)


def broken_promises(heads: Iterable[SignedHead], key: Ed25519PublicKey, shown: Shown, says: str) -> list[Finding]:
    """Return where a trail is not what its own hub has signed, by heads that another hub holds.

    Heads that `key` did not sign prove nothing, and are passed over; `says` names who holds them.
    """
    findings = []
    for head in heads:
        mark = head.seal
        there = shown.hashes.get(mark.seq)
        is_known = there is not None or mark.seq > shown.removed
        if head.key == key and mark.kind == TOLD and is_known and there != mark.hash and head.is_genuine:
            kind = "truncated" if there is None else "altered"
            what = "is missing" if there is None else "was another one"
            findings.append(Finding(kind, mark.seq, f"record {mark.seq} {what} at {mark.at}, says {says}"))
    return findings


def _surplus(known: list[KeptHead]) -> list[KeptHead]:
    older = known[:-RECENT]
    first_of_day = {kept.seal.at[:10]: kept for kept in reversed(older)}
    days = sorted(first_of_day)[-DAYS:]
    stay = {first_of_day[day].seal.seq for day in days}
    return [kept for kept in older if kept.seal.seq not in stay]


def _contradicts(kept: KeptHead, mark: Seal) -> bool:
    return kept.seal.seq == mark.seq and kept.seal.hash != mark.hash


def _gone_back(hub: str, before: KeptHead, head: SignedHead) -> Finding:
    was, now = before.seal, head.seal
    of = f"the audit trail of hub '{hub}'"
    if before.head.key != head.key:
        text = f"{of} is signed by another key than it was up to record {was.seq}, at {was.at}"
        return Finding("key", was.seq, text)
    if was.seq > now.seq:
        text = f"{of} ends with record {now.seq}, and had {was.seq} at {was.at}"
        return Finding("truncated", now.seq + 1, f"{text}: it was cut")
    return Finding("altered", was.seq, f"{of} has another record {was.seq} than at {was.at}: it was written anew")


def _not_there(hub: str, wrong: list[Seal], shown: Shown) -> Finding:
    first = wrong[0]
    what = "has another record" if first.seq in shown.hashes else "lacks record"
    kind = "altered" if first.seq in shown.hashes else "truncated"
    text = f"the audit trail of hub '{hub}' {what} {first.seq}, which it had at {first.at}"
    return Finding(kind, first.seq, f"{text}: it was cut or written anew")


def _kept(
    hub: object, key: object, seq: object, hash_: object, at: object, signature: object, is_outdated: object
) -> KeptHead:
    mark = Seal(TOLD, number(seq, 1), blob(hash_), text(at), blob(signature))
    try:
        return KeptHead(text(hub), SignedHead(mark, Ed25519PublicKey(blob(key))), bool(number(is_outdated)))
    except AuthException as exc:
        raise ValueError("no key") from exc


def _fault(hub: object, fault: object) -> tuple[str, str]:
    return text(hub), text(fault)
