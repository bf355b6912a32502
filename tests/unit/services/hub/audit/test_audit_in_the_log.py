"""Audit records in the log: each thing that happens is told there once."""

import logging

import pytest

from omnyshell.clock import SystemClock
from omnyshell.services.hub.audit.log import TOLD_OTHERWISE, AuditLog, log_record


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
