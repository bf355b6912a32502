"""What other hubs have said of their trails: a cut shows, however the trail goes on, and an honest one never."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.clock import FakeClock

from omnyshell.model.audit import AuditRecord
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.audit.chain import NOTED, TOLD, Finding
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.audit.heads_of_others import (
    DAYS,
    MOST_FAULTS,
    MOST_OUTDATED,
    RECENT,
    HeadsOfOthers,
    broken_promises,
    shown_of,
)
from omnyshell.services.hub.audit.store import AuditStore
from omnyshell.services.hub.ground.audit_settings import Retention
from omnyshell.services.hub.ground.state_file import StateFile

BEGIN = datetime(2026, 1, 2, tzinfo=UTC)


class Clock(FakeClock):
    """One that moves by days."""

    at = BEGIN

    def now(self) -> datetime:
        return self.at


class Trail:
    """The trail of hub `a`, on disk."""

    def __init__(self, path: Path, key: Ed25519PrivateKey | None = None) -> None:
        self.path, self.key = path, key or Ed25519PrivateKey.generate()
        self.clock = Clock()
        self.store = AuditStore(path, self.key, self.clock)

    def goes_on(self, count: int, what: str = "auth.ok") -> SignedHead:
        """Write so many records, and return the end as it is told."""
        self.store.append([AuditRecord(at=BEGIN, action=what, detail=str(number)) for number in range(count)])
        head = self.store.signed_end(TOLD)
        assert head is not None
        return head


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    made = Trail(tmp_path / "audit.sqlite3")
    with closing(made.store):
        yield made


@pytest.fixture
def heads() -> HeadsOfOthers:
    return HeadsOfOthers(StateFile(None))


def compared(heads: HeadsOfOthers, trail: Trail, head: SignedHead) -> list[str]:
    """Tell a head, and let the trail be asked for what was told before; the kinds of what is found."""
    asked = heads.to_ask("a", head.key, 8)
    found = heads.take("a", head)
    if not found:
        found = heads.compare("a", asked, shown_of(trail.path, [each.seal.seq for each in asked]))
    return [finding.kind for finding in found]


def test_a_trail_that_goes_on_or_rests_or_forgets_what_is_old_is_whole(trail: Trail, heads: HeadsOfOthers) -> None:
    for count in (3, 1, 4):
        assert compared(heads, trail, trail.goes_on(count)) == []
    head = trail.store.signed_end(TOLD)
    assert head is not None
    assert compared(heads, trail, head) == []
    trail.clock.at += timedelta(days=9)
    for noted in (3, 6):
        trail.store.trim(Retention(max_age=timedelta(0)), noted)
        assert compared(heads, trail, trail.goes_on(1)) == []


@pytest.mark.parametrize("grows", [0, 1, 20])
def test_a_trail_that_was_cut_shows_however_it_goes_on(
    tmp_path: Path, trail: Trail, heads: HeadsOfOthers, grows: int
) -> None:
    before = trail.goes_on(3)
    assert compared(heads, trail, before) == []
    held = trail.goes_on(2)
    assert compared(heads, trail, held) == []
    cut = Trail(tmp_path / "cut.sqlite3", trail.key)
    with closing(cut.store):
        cut.goes_on(3)
        again = cut.goes_on(grows, "auth.fail") if grows else cut.store.signed_end(TOLD)
        assert again is not None
        assert compared(heads, cut, again) == (["altered"] if grows == 20 else ["truncated"])
        promised = [kept.head for kept in heads.of("a") if kept.is_outdated]
        shown = shown_of(cut.path, [head.seal.seq for head in promised])
        (broken,) = broken_promises(promised, trail.key.public_key, shown, "hub 'b'")
        assert (broken.kind, broken.seq) == ("altered" if grows == 20 else "truncated", held.seal.seq)
        # What it says now is what it is held against from now on; what it had said is kept, as a proof.
        assert compared(heads, cut, cut.goes_on(1)) == []


def test_a_record_that_was_exchanged_and_another_key_are_told(
    tmp_path: Path, trail: Trail, heads: HeadsOfOthers
) -> None:
    assert compared(heads, trail, trail.goes_on(3)) == []
    other = Trail(tmp_path / "other.sqlite3", trail.key)
    with closing(other.store):
        assert compared(heads, other, other.goes_on(3, "auth.fail")) == ["altered"]
    anew = Trail(tmp_path / "anew.sqlite3")
    with closing(anew.store):
        assert compared(heads, anew, anew.goes_on(9)) == ["key"]


def test_what_nobody_signed_or_for_another_place_counts_nowhere(trail: Trail, heads: HeadsOfOthers) -> None:
    head = trail.goes_on(3)
    noted = trail.store.signed_end(NOTED)
    assert noted is not None
    forged = SignedHead(head.seal._replace(seq=9), head.key)
    for wrong in (noted, forged, SignedHead(noted.seal._replace(kind=TOLD), noted.key)):
        with pytest.raises(ValueError, match="not signed"):
            heads.take("a", wrong)
        shown = shown_of(trail.path, [wrong.seal.seq])
        assert broken_promises([wrong._replace(seal=wrong.seal._replace(hash=b"x"))], head.key, shown, "b") == []
    assert heads.all() == []


def test_what_is_kept_of_a_hub_is_bounded(tmp_path: Path, heads: HeadsOfOthers) -> None:
    key = Ed25519PrivateKey.generate()
    trail = Trail(tmp_path / "audit.sqlite3", key)
    with closing(trail.store):
        for _ in range(3 * (RECENT + DAYS)):
            trail.clock.at += timedelta(hours=7)
            assert compared(heads, trail, trail.goes_on(1)) == []
        assert len(heads.of("a")) == RECENT + DAYS
        assert len(heads.to_ask("a", key.public_key, 16)) <= 16
    anew = Trail(tmp_path / "anew.sqlite3", key)
    with closing(anew.store):
        heads.take("a", anew.goes_on(1))
        assert sum(kept.is_outdated for kept in heads.of("a")) <= MOST_OUTDATED
        assert compared(heads, anew, anew.goes_on(1)) == []
    for number in range(MOST_FAULTS + 1):
        is_new = heads.note("a", Finding("truncated", number, str(number)), BEGIN)
        assert is_new == (number < MOST_FAULTS)
    heads.acknowledge()
    assert heads.faults() == []
