"""Goes through a whole trail, for what its end does not show.

No I/O but the reader that is given. Nothing is mended here: what is found is for the trail to say from then on. What
the trail says of itself counts as far as a signature covers it: a record that is whole, and from which an unbroken
chain leads to one that the hub signed. Anything else may have been put there.
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
"""Findings that get a record each; what there is beside them is one more."""

SLICE = 64
"""Records that are looked at between two moments at which others may run."""

MOST_KEPT = 1_000
"""Findings that are kept to be named; beyond it they are counted."""


@dataclass(slots=True)
class Scan:
    """What going through a whole trail found."""

    findings: list[Finding] = field(default_factory=list)
    """What no record of the trail tells yet: `MOST_NAMED` at most, and one that stands for the rest."""

    told: ToldGaps = field(default_factory=ToldGaps)
    """What the trail tells."""


class TrailScan:
    """Takes a trail record by record; `result` says what it found that the trail does not tell yet.

    `noted` is the record up to which the other database knows the trail, `up_to` the last one of the time before this
    hub began, `marks` are hashes by the numbers of records that are known to have been signed.
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
        """The trail's records about itself that no signature covers yet."""

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
        """Return what was found; `end` is the signed end of what was read, as the file says it."""
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
        """Take the verifier's findings; returns whether the last record is whole in itself.

        What stands before a record that does not fit is covered by no signature behind it.
        """
        findings, self._verifier.findings = self._verifier.findings, []
        if findings:
            self._waiting.clear()
        for finding in findings:
            self._keep(finding)
        return not any(finding.kind in NOT_ITSELF for finding in findings)

    def _weigh(self, record: ChainedRecord, own: AuditRecord) -> None:
        """Have what the trail says of itself wait for a signature; a head's covers the record before it."""
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
        """Believe what waits: a signature covers it."""
        for seq, own in self._waiting:
            self._told.heed(seq, own)
            if seq == 1 and own.action == BROKEN_ACTION:
                # It began with saying so.
                self._is_from_the_beginning = False
            head = read_head(own.detail) if own.action == HEAD_ACTION else None
            self._known = max(self._known, head.noted if head is not None else 0)
        self._waiting.clear()

    def _note_time(self, at: str) -> None:
        self._first = min(self._first or at, at)
        self._last = max(self._last, at)

    def _compare(self) -> None:
        """Compare the trail with what else is known of its time."""
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
        # Where the end was not the one that was signed, what follows says that it does not follow.
        return finding.kind == "broken" and self._told.says(leaves(finding.seq))

    def _keep(self, finding: Finding) -> None:
        if len(self._found) < MOST_KEPT:
            self._found[finding.text] = finding
        else:
            self._more += 1
            self._rest.update(finding.text.encode())

    def _summary(self, rest: Iterable[Finding]) -> str:
        """Say how many there are, and which: others, as many, are not told by it."""
        which, count = self._rest.copy(), self._more
        for finding in rest:
            which.update(finding.text.encode())
            count += 1
        digest = which.hexdigest()[:32]
        return f"there are {count} findings more, which `omnyshell audit verify` names (together {digest})"


def scan(
    records: Iterable[ChainedRecord], trail: TrailScan, pause: Callable[[], bool], end: Seal | None = None
) -> Scan | None:
    """Go through a whole trail; `pause` is called now and then and says whether to go on. None where it did not."""
    for number, record in enumerate(records):
        if number % SLICE == 0 and not pause():
            return None
        trail.feed(record)
    return trail.result(end)
