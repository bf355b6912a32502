"""What a question to the trail asks for: a moment, and which records."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.clock import FakeClock
from support.in_one_test import in_one_test

from omnyshell.errors import ConfigException
from omnyshell.model.audit import AuditRecord
from omnyshell.services.hub.audit.query import AuditQuery, parse_moment

NOW = FakeClock().now()


@in_one_test(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        (" 1h ", NOW - timedelta(hours=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-01-01T08:00:00Z", datetime(2026, 1, 1, 8, tzinfo=UTC)),
        ("2026-01-01T08:00:00+02:00", datetime(2026, 1, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_span_before_now_or_a_time(text: str, moment: datetime) -> None:
    assert parse_moment(text, "--since", FakeClock()) == moment


@in_one_test("text", ["", "yesterday", "1 h", "5x", "2026-13-01T00:00:00Z", "-1h"])
def test_what_is_no_moment_says_what_is(text: str) -> None:
    with pytest.raises(ConfigException, match="--since"):
        parse_moment(text, "--since", FakeClock())


RECORD = AuditRecord(at=NOW, action="session.open", outcome="ok", principal="ann", node_id="n1")


@in_one_test(
    ("asked", "matches"),
    [
        ({}, True),
        ({"since": NOW}, True),
        ({"since": NOW + timedelta(seconds=1)}, False),
        ({"action": "session.*"}, True),
        ({"action": "session.open"}, True),
        ({"action": "session"}, False),
        ({"action": "SESSION.*"}, False),
        ({"principal": "ann"}, True),
        ({"principal": "an"}, False),
        ({"node": "n1"}, True),
        ({"node": "n2"}, False),
        ({"action": "session.*", "principal": "ann", "node": "n2"}, False),
    ],
)
def test_a_record_matches_where_all_that_is_asked_for_does(asked: dict[str, Any], matches: bool) -> None:
    assert AuditQuery(**asked).matches(RECORD) is matches
