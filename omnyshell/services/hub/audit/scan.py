"""Checks a whole trail, for faults that its end does not show.

No I/O but through the given reader. Nothing is repaired: findings are recorded in the trail. The trail's records about
itself count only if a signature covers them: if they are whole, and an unbroken chain leads from them to a signed
record. Others may be forged.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit.chain import (
    NOT_ITSELF,
    ChainedRecord,
    ChainVerifier,
    Finding,
    Seal,
    SignatureCheck,
    seal_message,
)
from omnyshell.services.hub.audit.check import is_signed, leaves
from omnyshell.services.hub.audit.gaps import GAP_ACTIONS, ToldGaps
from omnyshell.services.hub.audit.heads import BROKEN_ACTION, HEAD_ACTION, own_record, read_head
from omnyshell.services.hub.audit.signs import NO_SIGNS, Signs

MOST_NAMED = 20
"""Findings that get a record each; one more record sums up the rest."""

SLICE = 64
"""Records that are checked between two pauses."""

MOST_KEPT = 1_000
"""Findings that are kept; more are only counted."""


@dataclass(slots=True)
class Scan:
    """The result of a scan."""

    findings: list[Finding] = field(default_factory=list)
    """Findings that no record of the trail reports yet: at most `MOST_NAMED`, and one that sums up the rest."""

    told: ToldGaps = field(default_factory=ToldGaps)
    """The gaps that the trail reports."""


class TrailScan:
    """Checks a trail record by record; `result` returns the findings that the trail does not report yet.

    `noted` is the last record that the other database knows, `up_to` the last one from before this hub started, `marks`
    are hashes of records that are known to have been signed, by number.
    """

    def __init__(
        self,
        anchor: Seal | None,
        check: SignatureCheck,
        noted: int,
        up_to: int,
        marks: Mapping[int, bytes],
        signs: Signs = NO_SIGNS,
    ) -> None:
        self._verifier = ChainVerifier(anchor, check)
        self._check = check
        self._noted = noted
        self._up_to = up_to
        self._marks = marks
        self._signs = signs
        self._is_from_the_beginning = anchor is None
        self._first, self._last = "", ""
        self._known = 0
        self._told = ToldGaps()
        self._waiting: list[tuple[int, AuditRecord]] = []
        """Records of the trail about itself that no signature covers yet."""

        self._end = b""
        self._found: dict[str, Finding] = {}
        self._more, self._rest = 0, hashlib.sha256()
        self._collect()

    def feed(self, record: ChainedRecord) -> None:
        """Take the next record."""
        self._verifier.feed(record)
        is_whole = self._collect()
        if record.seq <= self._up_to:
            self._note_time(self._verifier.at)
        own = own_record(record)
        if own is not None and is_whole:
            self._weigh(record, own)
        self._end = record.hash
        if self._marks.get(record.seq) == record.hash:
            self._heed()

    def result(self, end: Seal | None = None) -> Scan:
        """Return the result; `end` is the signed end of the records read, according to the file."""
        if end is not None and end.hash == self._end and is_signed(end, self._check):
            self._heed()
        self._compare()
        untold = [finding for finding in self._found.values() if not self._is_told(finding)]
        if not untold and not self._more:
            return Scan([], self._told)
        if self._summary(untold) in self._told:
            return Scan([], self._told)
        named, rest = untold[:MOST_NAMED], untold[MOST_NAMED:]
        if rest or self._more:
            named.append(Finding("altered", 0, self._summary(rest)))
        return Scan(named, self._told)

    def _collect(self) -> bool:
        """Collect the verifier's findings; return whether the last record itself is whole.

        After a break in the chain, later signatures do not cover the records before it.
        """
        findings, self._verifier.findings = self._verifier.findings, []
        if findings:
            self._waiting.clear()
        for finding in findings:
            self._keep(finding)
        return not any(finding.kind in NOT_ITSELF for finding in findings)

    def _weigh(self, record: ChainedRecord, own: AuditRecord) -> None:
        """Keep a record about the trail until a signature covers it.

        A head's signature covers the record before the head.
        """
        if own.action in GAP_ACTIONS:
            self._waiting.append((record.seq, own))
        head = read_head(own.detail) if own.action == HEAD_ACTION else None
        if head is None:
            return
        mark = head.seal
        is_next = mark.seq == record.seq - 1 and mark.hash == record.previous == self._end
        if (
            self._waiting
            and is_next
            and self._check(mark.signature, seal_message(mark.kind, mark.seq, mark.hash, mark.at))
        ):
            self._heed()
        if record.seq <= self._up_to and head.noted > self._noted:
            self._waiting.append((record.seq, own))

    def _heed(self) -> None:
        """Accept the waiting records: a signature covers them."""
        for seq, own in self._waiting:
            self._told.heed(seq, own)
            if seq == 1 and own.action == BROKEN_ACTION:
                # The trail's first record reports the missing beginning.
                self._is_from_the_beginning = False
            head = read_head(own.detail) if own.action == HEAD_ACTION else None
            self._known = max(self._known, head.noted if head is not None else 0)
        self._waiting.clear()

    def _note_time(self, at: str) -> None:
        self._first = min(self._first or at, at)
        self._last = max(self._last, at)

    def _compare(self) -> None:
        """Compare the trail with other evidence of the time that it covers."""
        if self._known > self._noted:
            text = "the hub's other database knows less of the trail than it did: it was removed or rolled back"
            self._keep(Finding("unnoted", self._known, f"{text} (records up to {self._known} were noted)"))
        if self._is_from_the_beginning and self._signs.of_before(self._first):
            text = f"the trail begins at {self._first}, and the hub's other database knows of {self._signs.first}"
            self._keep(Finding("removed", 0, f"{text}: there was one before"))
        if self._signs.of_after(self._last):
            text = f"the trail ended at {self._last}, and the hub's other database knows of {self._signs.last}"
            self._keep(Finding("truncated", self._up_to + 1, f"{text}: there was more of it"))

    def _is_told(self, finding: Finding) -> bool:
        if finding.text in self._told:
            return True
        # After an end that was not the signed one, the next record is reported as not chained to it; that is known
        # already.
        return finding.kind == "broken" and self._told.says(leaves(finding.seq))

    def _keep(self, finding: Finding) -> None:
        if len(self._found) < MOST_KEPT:
            self._found[finding.text] = finding
        else:
            self._more += 1
            self._rest.update(finding.text.encode())

    def _summary(self, rest: Iterable[Finding]) -> str:
        """Describe the rest of the findings by number and hash.

        By number alone, other findings could pass as reported.
        """
        which, count = self._rest.copy(), self._more
        for finding in rest:
            which.update(finding.text.encode())
            count += 1
        digest = which.hexdigest()[:32]
        return f"there are {count} findings more, which `omnyshell audit verify` names (together {digest})"


def scan(
    records: Iterable[ChainedRecord], trail: TrailScan, pause: Callable[[], bool], end: Seal | None = None
) -> Scan | None:
    """Check a whole trail.

    `pause` is called every `SLICE` records, and returns whether to go on; if not, the result is None.
    """
    for number, record in enumerate(records):
        if number % SLICE == 0 and not pause():
            return None
        trail.feed(record)
    return trail.result(end)
