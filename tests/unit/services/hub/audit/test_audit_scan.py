"""A trail in the hands of somebody who can write its database, and has not the key: nothing put there is heeded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell import AuditRecord
from omnyshell.model.schema import write_timestamp
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.audit.chain import (
    GENESIS,
    HEAD,
    NOTED,
    RECORDED,
    ChainedRecord,
    Finding,
    Seal,
    chain,
    link,
    read_record,
    seal,
)
from omnyshell.services.hub.audit.check import TrailEnd, any_of, hold, is_signed
from omnyshell.services.hub.audit.heads import SignedHead, head_record, read_head
from omnyshell.services.hub.audit.scan import MOST_NAMED, Scan, TrailScan, scan
from omnyshell.services.hub.audit.signs import NO_SIGNS, Signs

KEY = Ed25519PrivateKey.generate()
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHECK = any_of([KEY.public_key])


def record(action: str, detail: str = "", outcome: str = "ok", at: datetime = AT) -> AuditRecord:
    return AuditRecord(at=at, action=action, outcome=outcome, detail=detail)


@dataclass
class Disk:
    """What a hub has on disk of its trail."""

    rows: list[ChainedRecord] = field(default_factory=list)
    head: Seal | None = None
    noted: SignedHead | None = None

    def copy(self) -> "Disk":
        return replace(self, rows=list(self.rows))


@dataclass
class Hub:
    """Writes a trail as a hub does; begins by looking at what is there, and tells what it finds."""

    disk: Disk
    signs: Signs = NO_SIGNS
    seq: int = 0
    hash: bytes = GENESIS
    gaps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        disk = self.disk
        end = self._end()
        held = hold(end, disk.noted, KEY.public_key)
        self.seq, self.hash = held.seq, held.hash
        marks = {mark.seq: mark.hash for mark in self._marks(end)}
        noted = disk.noted.seal.seq if disk.noted is not None and disk.noted.is_genuine else end.seq
        self._tell(held.findings)
        self.append(record("hub.start"))
        trail = TrailScan(None, CHECK, noted, end.seq, marks, NO_SIGNS if held.findings else self.signs)
        found = scan(list(disk.rows), trail, lambda: True, disk.head)
        assert found is not None
        self.found: Scan = found
        self._tell(found.findings)
        if found.findings or held.findings:
            self.append(*found.told.until(end.seq))
        self.gaps = list(dict.fromkeys((*found.told.not_acknowledged(), *self.gaps)))
        self.sign()

    def _end(self) -> TrailEnd:
        rows, noted = self.disk.rows, self.disk.noted
        last = rows[-1] if rows else ChainedRecord(0, b"", b"", GENESIS)
        at_noted = {row.seq: row.hash for row in rows}.get(noted.seal.seq) if noted is not None else None
        return TrailEnd(last.seq, last.hash, self.disk.head, None, at_noted, self.signs.files)

    def _marks(self, end: TrailEnd) -> list[Seal]:
        noted = self.disk.noted
        marks = [noted.seal] if noted is not None and noted.is_genuine else []
        return [*marks, end.head] if end.head is not None and is_signed(end.head, CHECK) else marks

    def _tell(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.gaps.append(finding.text)
            self.append(AuditRecord(at=AT, action="audit.broken", outcome="error", detail=finding.text))

    def append(self, *records: AuditRecord) -> None:
        for one in records:
            made = chain(self.seq + 1, self.hash, one)
            self.disk.rows.append(made)
            self.seq, self.hash = made.seq, made.hash
        self.disk.head = self._seal(HEAD)

    def sign(self) -> None:
        self.append(head_record(SignedHead(self._seal(RECORDED), KEY.public_key, self.seq)))
        self.disk.noted = SignedHead(self._seal(NOTED), KEY.public_key)

    def _seal(self, kind: str) -> Seal:
        return seal(kind, self.seq, self.hash, write_timestamp(AT), KEY.sign)


def used() -> Disk:
    """A trail with a gap that nobody has acknowledged, one that somebody has, and ordinary records between."""
    hub = Hub(Disk())
    hub.append(*(record("session.open", f"no. {number}") for number in range(5)))
    hub.sign()
    del hub.disk.rows[3]
    hub = Hub(hub.disk)
    hub.append(record("audit.acknowledge"), *(record("session.open", f"no. {number}") for number in range(5)))
    hub.sign()
    del hub.disk.rows[4]
    hub = Hub(hub.disk)
    hub.append(*(record("session.open", f"no. {number}") for number in range(5)))
    hub.sign()
    return hub.disk


USED = used()
OPEN = "record 6 was removed"


def texts(disk: Disk) -> list[str]:
    return [found.detail for row in disk.rows if (found := read_record(row)) and found.action == "audit.broken"]


def test_what_nobody_touched_is_told_once_and_stays() -> None:
    disk = USED.copy()
    for _ in range(3):
        hub = Hub(disk)
        assert hub.gaps == [OPEN]
        assert hub.found.findings == []
    # The older one was said again, behind what was done later.
    assert texts(disk) == ["record 4 was removed", OPEN, "record 4 was removed"]


FORGED = (
    record("audit.acknowledge"),
    record("audit.broken", "there are 999999 findings more, which `omnyshell audit verify` names", "error"),
    record("audit.broken", OPEN, "ok"),
    record("audit.head", "head=1:" + "0" * 64 + " at=x noted=999999999999 key=" + "A" * 43 + " signature=" + "A" * 86),
)
GENUINE = [row for row in USED.rows if row.text.find(b'"action":"audit.') >= 0]


def insert(rows: list[ChainedRecord], place: int, text: bytes) -> None:
    rows.insert(place, ChainedRecord(0, GENESIS, text, b""))


def edit(rows: list[ChainedRecord], place: int, text: bytes) -> None:
    rows[place] = rows[place]._replace(text=text)


def exchange(rows: list[ChainedRecord], place: int, text: bytes) -> None:
    other = len(text) % len(rows)
    rows[place], rows[other] = rows[other], rows[place]


def add(rows: list[ChainedRecord], _place: int, text: bytes) -> None:
    rows.append(ChainedRecord(0, GENESIS, text, b""))


def as_they_are(rows: list[ChainedRecord], _place: int) -> list[ChainedRecord]:
    """Numbered by their place, and nothing else."""
    return [row._replace(seq=seq) for seq, row in enumerate(rows, 1)]


def each_by_itself(rows: list[ChainedRecord], _place: int) -> list[ChainedRecord]:
    """Each is whole, and says its own number; the chain is what it was."""
    return [renumbered(seq, row.previous, row.text) for seq, row in enumerate(rows, 1)]


def chained_anew(rows: list[ChainedRecord], place: int) -> list[ChainedRecord]:
    """All that follow are hashed anew: only the signed end shows it."""
    made: list[ChainedRecord] = list(rows[: max(place, 0)])
    for seq, row in enumerate(rows[len(made) :], len(made) + 1):
        made.append(renumbered(seq, made[-1].hash if made else GENESIS, row.text))
    return made


def renumbered(seq: int, previous: bytes, text: bytes) -> ChainedRecord:
    said = read_record(ChainedRecord(seq, previous, text, b""))
    if said is None:
        return ChainedRecord(seq, previous, text, link(previous, text))
    return chain(seq, previous, said)


Change = Callable[[list[ChainedRecord], int, bytes], None]
Repair = Callable[[list[ChainedRecord], int], list[ChainedRecord]]
TEXTS = [*(chain(1, GENESIS, forged).text for forged in FORGED), *(row.text for row in GENUINE)]


@given(
    st.sampled_from([insert, edit, exchange, add]),
    st.sampled_from([as_they_are, each_by_itself, chained_anew]),
    st.integers(0, len(USED.rows) - 1),
    st.sampled_from(TEXTS),
)
def test_no_row_that_was_put_there_hides_anything(change: Change, repair: Repair, place: int, text: bytes) -> None:
    disk = USED.copy()
    change(disk.rows, place, text)
    disk.rows = repair(disk.rows, place)
    before = list(disk.rows)
    if before == USED.rows:
        return
    hub = Hub(disk)
    assert set(hub.gaps) - {OPEN}
    told = hub.gaps
    for _ in range(2):
        # It converges: the next starts find nothing new, and forget nothing.
        hub = Hub(disk)
        assert hub.found.findings == []
        assert set(hub.gaps) == set(told)


def test_what_retention_would_take_along_is_what_a_signature_covers() -> None:
    disk = USED.copy()
    place = next(index for index, row in enumerate(disk.rows) if OPEN.encode() in row.text)
    edit(disk.rows, place, disk.rows[place].text.replace(OPEN.encode(), b"nothing"))
    hub = Hub(disk)
    again = [gap.detail for gap in hub.found.told.until(hub.seq)]
    assert "nothing" not in again


@in_one_test("at_a_head", [True, False])
@in_one_test("noted", ["kept", "cut too", "removed"])
def test_a_trail_cut_at_what_it_holds_itself_is_found(noted: str, at_a_head: bool) -> None:
    """Each signed head that the trail has is put into the place of the file's own, and of the noted one."""

    said = [
        read_head(found.detail) for row in USED.rows if (found := read_record(row)) and found.action == "audit.head"
    ]
    for head in said[:-1]:
        assert head is not None
        disk = USED.copy()
        disk.rows = [row for row in disk.rows if row.seq <= head.seal.seq]
        if at_a_head:
            disk.head = head.seal._replace(kind=HEAD)
        if noted != "kept":
            disk.noted = SignedHead(head.seal._replace(kind=NOTED), head.key) if noted == "cut too" else None
        assert set(Hub(disk).gaps) - {OPEN}


def test_what_was_noted_is_no_end_of_the_file() -> None:
    """Records since the last note, which a killed hub has: whoever cuts them has no signature for what is left."""
    disk = USED.copy()
    hub = Hub(disk)
    hub.append(record("session.open", "the last"))
    assert disk.noted is not None
    disk.rows.pop()
    disk.head = disk.noted.seal._replace(kind=HEAD)
    assert set(Hub(disk).gaps) - {OPEN}


def test_many_findings_are_named_and_counted_and_others_as_many_are_told_anew() -> None:
    hub = Hub(Disk())
    hub.append(*(record("session.open", f"no. {number}") for number in range(400)))
    hub.sign()
    disk = hub.disk
    for index in range(10, 110, 2):
        edit(disk.rows, index, disk.rows[index].text.replace(b"no. ", b"yes "))
    first = Hub(disk)
    assert len(first.gaps) == MOST_NAMED + 1
    assert "there are 30 findings more" in first.gaps[-1]
    assert Hub(disk).found.findings == []
    # Fewer than were counted, and not the same ones.
    edit(disk.rows, 300, disk.rows[300].text.replace(b"no. ", b"yes "))
    del disk.rows[60:110]
    assert Hub(disk).found.findings
    assert Hub(disk).found.findings == []


def test_an_edited_record_before_one_that_tells_a_gap_is_found() -> None:
    disk = USED.copy()
    places = [index for index, row in enumerate(disk.rows) if b'"audit.broken"' in row.text]
    for place in places:
        forged = disk.copy()
        row = forged.rows[place - 1]
        forged.rows[place - 1] = renumbered(row.seq, row.previous, row.text.replace(b"2026", b"2027"))
        assert set(Hub(forged).gaps) - {OPEN}


HOUR = timedelta(hours=1)


@in_one_test(
    ("first", "last", "is_told"),
    [
        (AT, AT, False),
        (AT - HOUR, AT, True),
        (AT, AT + HOUR, True),
        (AT + timedelta(minutes=1), AT - timedelta(minutes=1), False),
    ],
)
def test_what_was_done_outside_the_time_of_a_trail_says_that_there_was_more(
    first: datetime, last: datetime, is_told: bool
) -> None:
    hub = Hub(Disk())
    hub.append(record("session.open"))
    signs = Signs(("hub.sqlite3",), write_timestamp(first), write_timestamp(last))
    hub = Hub(hub.disk, signs)
    assert bool(hub.gaps) == is_told
    told = hub.gaps
    hub.append(record("session.open", at=AT + HOUR))
    hub = Hub(hub.disk, signs)
    assert hub.gaps == told
    assert hub.found.findings == []


def test_no_trail_where_there_are_signs_of_one_is_told_once() -> None:
    signs = Signs(("hub.sqlite3",), write_timestamp(AT - HOUR), write_timestamp(AT - HOUR))
    hub = Hub(Disk(), signs)
    assert hub.gaps == ["the trail was emptied or removed: of an earlier time there is hub.sqlite3"]
    assert Hub(hub.disk, signs).found.findings == []
