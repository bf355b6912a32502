"""The audit's chain without a database: whatever is done to it shows."""

from datetime import UTC, datetime

from hypothesis import given, strategies as st

from omnyshell import AuditRecord
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.audit.chain import ANCHOR, GENESIS, HEAD, ChainedRecord, ChainVerifier, chain, seal
from omnyshell.services.hub.audit.check import TrailEnd, hold

KEY = Ed25519PrivateKey.generate()
AT = "2026-01-02T03:04:05Z"


def trail(count: int = 8) -> list[ChainedRecord]:
    made: list[ChainedRecord] = []
    for number in range(1, count + 1):
        record = AuditRecord(at=datetime(2026, 1, 2, tzinfo=UTC), action="session.open", detail=f"no. {number} é")
        made.append(chain(number, made[-1].hash if made else GENESIS, record))
    return made


WHOLE = trail()
SIGNED = seal(HEAD, WHOLE[-1].seq, WHOLE[-1].hash, AT, KEY.sign)


def findings(records: list[ChainedRecord], start: int = 0) -> list[str]:
    anchor = seal(ANCHOR, start, WHOLE[start - 1].hash, AT, KEY.sign) if start else None
    verifier = ChainVerifier(anchor, KEY.public_key.verify)
    for record in records:
        verifier.feed(record)
    last = records[-1] if records else None
    end = TrailEnd(last.seq, last.hash, SIGNED) if last is not None else TrailEnd(head=SIGNED)
    held = hold(end, None, KEY.public_key)
    return [finding.kind for finding in (*verifier.findings, *held.findings)]


def test_what_nobody_touched_is_whole_also_behind_an_anchor() -> None:
    assert findings(WHOLE) == []
    for start in range(1, len(WHOLE)):
        assert findings(WHOLE[start:], start) == []


@given(st.sets(st.integers(0, 7), min_size=1))
def test_removed_records_always_show(gone: set[int]) -> None:
    assert findings([record for index, record in enumerate(WHOLE) if index not in gone])


@given(st.permutations(range(8)))
def test_records_in_another_order_always_show(order: list[int]) -> None:
    moved = [WHOLE[index]._replace(seq=place + 1) for place, index in enumerate(order)]
    assert bool(findings(moved)) == (order != sorted(order))


@given(st.integers(0, 7), st.sampled_from(["text", "hash", "previous"]), st.data())
def test_a_byte_that_was_changed_always_shows(index: int, name: str, data: st.DataObject) -> None:
    value = bytearray(getattr(WHOLE[index], name))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    changed = list(WHOLE)
    changed[index] = changed[index]._replace(**{name: bytes(value)})
    assert findings(changed)


@given(st.integers(0, 7), st.text(min_size=1))
def test_a_record_exchanged_together_with_all_hashes_behind_it_shows_at_the_signed_end(index: int, text: str) -> None:
    forged = list(WHOLE[:index])
    for number in range(index + 1, len(WHOLE) + 1):
        record = AuditRecord(at=datetime(2026, 1, 3, tzinfo=UTC), action="session.open", principal=text)
        forged.append(chain(number, forged[-1].hash if forged else GENESIS, record))
    assert findings(forged) == ["altered"]
