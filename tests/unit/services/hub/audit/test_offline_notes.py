"""Commands of the hub's machine leave notes in its database, and the hub audits each."""

import logging
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clock import FakeClock

from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.offline_notes import SCHEMA, OfflineNotes, note
from omnyshell.services.hub.audit.writer import AuditWriter
from omnyshell.services.hub.ground.database import open_database


def leave(path: Path, detail: str) -> None:
    with closing(open_database(path, SCHEMA)) as database:
        note(database, "hub.backup", detail)


def told(audit: AuditLog) -> list[str]:
    return [record.detail for record in audit if record.action == "hub.backup"]


def with_writer(**state: Any) -> AuditLog:
    """A log whose records wait for the disk as `state` says."""
    audit = AuditLog(FakeClock())
    writer = SimpleNamespace(submit=lambda _record: None, **({"depth": 0, "is_failing": False} | state))
    audit.writer = cast("AuditWriter", writer)
    return audit


def test_each_is_told_once_while_the_hub_runs_and_by_no_later_one(tmp_path: Path) -> None:
    path, audit = tmp_path / "hub.sqlite3", with_writer()
    leave(path, "first")
    notes = OfflineNotes(path, audit)
    for detail in ("second", "third"):
        notes.tell()
        notes.tell()
        leave(path, detail)
        notes.tell()
    assert told(audit) == ["first", "second", "third"]
    notes.close()
    notes = OfflineNotes(path, later := with_writer())
    notes.tell()
    notes.close()
    assert told(later) == []


@pytest.mark.parametrize("state", [{"depth": 1}, {"is_failing": True}])
def test_what_did_not_get_to_the_disk_is_told_again_by_the_next_hub(tmp_path: Path, state: dict[str, Any]) -> None:
    path, audit = tmp_path / "hub.sqlite3", with_writer(**state)
    leave(path, "first")
    notes = OfflineNotes(path, audit)
    for _ in range(3):
        notes.tell()
    assert told(audit) == ["first"]
    notes.close()
    notes = OfflineNotes(path, later := with_writer())
    notes.tell()
    notes.close()
    assert told(later) == ["first"]


def test_a_database_that_cannot_be_read_is_told_in_the_log_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes = OfflineNotes(tmp_path / "hub.sqlite3", with_writer())
    with closing(open_database(tmp_path / "hub.sqlite3", SCHEMA)) as database:
        database.execute("DROP TABLE offline_notes")
    with caplog.at_level(logging.INFO):
        notes.tell()
        notes.tell()
    notes.close()
    assert [record.message for record in caplog.records if "cannot be audited: no such table" in record.message]
    assert len(caplog.records) == 1
