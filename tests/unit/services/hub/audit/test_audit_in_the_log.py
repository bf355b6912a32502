"""Audit records in the log: each thing that happens is told there once."""

import asyncio
import logging

import pytest
from hypothesis import example, given, strategies as st

from omnyshell.clock import SystemClock
from omnyshell.model.audit import TEXT_FIELDS, canonical_json
from omnyshell.services.hub.audit.log import EXACT, LONGEST_FIELD, TOLD_OTHERWISE, AuditLog, log_record


@pytest.mark.parametrize(
    ("action", "outcome", "is_told"),
    [
        ("session.open", "ok", False),
        ("session.open", "denied", True),
        ("session.kill", "error", True),
        *((action, "error", False) for action in TOLD_OTHERWISE),
    ],
)
def test_what_is_told_in_other_words_is_not_told_again(action, outcome, is_told, caplog):
    caplog.set_level(logging.INFO)
    audit = AuditLog(SystemClock())
    audit.add_sink(log_record)
    audit.record(action, outcome)
    assert bool(caplog.records) is is_told
    assert len(audit) == 1


@given(st.text(), st.text(max_size=LONGEST_FIELD))
@example("\x1b]0;x\x07\r\n", "\x9b\udc80\u2028\U000e0001")
@example("\n" * 5_000, "")
def test_every_field_of_every_record_is_bounded_and_printable(long: str, short: str) -> None:
    audit = AuditLog(SystemClock())
    fields = dict.fromkeys(TEXT_FIELDS[2:], long * 50) | {"detail": short}
    audit.record("session.open", **fields)
    audit.sum_up("session.open", "denied", **fields)
    asyncio.run(audit.commit("session.open", **fields))
    for record in audit:
        texts = [getattr(record, name) for name in TEXT_FIELDS]
        assert all(len(text) <= LONGEST_FIELD + 3 for text in texts)
        assert all(getattr(record, name).isprintable() for name in TEXT_FIELDS if name not in EXACT)
        assert canonical_json(1, record).decode().isprintable()
    assert len(audit) == 3


def test_what_was_there_can_be_read_in_a_record() -> None:
    record = AuditLog(SystemClock()).record("session.open", detail="echo a\n\tb \x1b[2J \udcff \u202e é \\")
    assert record.detail == r"echo a\n\tb \x1b[2J \udcff \u202e é " + "\\"
