"""The audit trail on disk: files edited by hand, a full disk, a process killed in the middle."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from support.deadline import DEADLINE
from support.stack import until, within

from omnyshell import AuditRecord, OmnyShellException, SystemClock
from omnyshell.services.hub.audit import store as audit_store
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.query import AuditQuery, TrailReport, find_records, verify_trail
from omnyshell.services.hub.audit.sinks import SinkThread, open_sink
from omnyshell.services.hub.audit.store import AuditReader, AuditStore, keep_audit_key, load_audit_key
from omnyshell.services.hub.audit.writer import AuditUnavailableException, AuditWriter
from omnyshell.services.hub.ground.audit_settings import Retention
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


class SettableClock(SystemClock):
    """A wall clock that tests move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


def fill(directory: Path, count: int = 10, clock: SystemClock | None = None) -> AuditStore:
    clock = clock or SystemClock()
    store = AuditStore(directory / AUDIT_FILE, load_audit_key(directory), clock)
    store.append([record(number, clock) for number in range(1, count + 1)])
    return store


def record(number: int, clock: SystemClock) -> AuditRecord:
    return AuditRecord(at=clock.now(), action="session.open", principal="ann", node_id="n1", detail=f"no. {number}")


def verified(directory: Path, known: tuple[int, str] | None = None) -> TrailReport:
    return verify_trail(directory / AUDIT_FILE, load_audit_key(directory).public_key, known)


def edit(directory: Path, *statements: str) -> None:
    db = sqlite3.connect(directory / AUDIT_FILE)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def test_an_untouched_trail_is_whole_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    fill(tmp_path).close()
    fill(tmp_path, 5).close()
    report = verified(tmp_path)
    assert (report.records, report.findings) == (15, ())
    keep_audit_key(tmp_path)
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / AUDIT_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("statements", "kind", "seq"),
    [
        (["UPDATE records SET record = replace(record, 'ann', 'eve') WHERE seq = 4"], "altered", 4),
        (["UPDATE records SET record = 'no json' WHERE seq = 4"], "altered", 4),
        (["UPDATE records SET record = x'ff00ff' WHERE seq = 4"], "altered", 4),
        (["UPDATE records SET hash = x'00' WHERE seq = 4"], "altered", 4),
        (["UPDATE records SET previous = x'00' WHERE seq = 4"], "altered", 4),
        (["DELETE FROM records WHERE seq = 4"], "removed", 4),
        (["DELETE FROM records WHERE seq BETWEEN 4 AND 6"], "removed", 4),
        (["DELETE FROM records WHERE seq = 1"], "removed", 1),
        (["DELETE FROM records WHERE seq > 8"], "truncated", 9),
        (["DELETE FROM records"], "truncated", 1),
        (["DELETE FROM records WHERE seq > 8", "DELETE FROM seals"], "unsigned", 8),
        (["DELETE FROM records", "DELETE FROM seals"], "unsigned", 0),
        (
            [
                "UPDATE records SET seq = 99 WHERE seq = 4",
                "UPDATE records SET seq = 4 WHERE seq = 5",
                "UPDATE records SET seq = 5 WHERE seq = 99",
            ],
            "reordered",
            4,
        ),
        (["UPDATE seals SET seq = 8, hash = (SELECT hash FROM records WHERE seq = 8)"], "unsigned", 8),
        (["INSERT INTO seals SELECT 'anchor', seq, hash, at, signature FROM seals"], "unsigned", 10),
        (["INSERT INTO records SELECT 11, hash, record, hash FROM records WHERE seq = 10"], "reordered", 11),
    ],
)
def test_what_was_changed_by_hand_is_found_and_named(
    tmp_path: Path, statements: list[str], kind: str, seq: int
) -> None:
    fill(tmp_path).close()
    edit(tmp_path, *statements)
    assert (kind, seq) in [(finding.kind, finding.seq) for finding in verified(tmp_path).findings]


def test_a_record_altered_together_with_its_hash_shows_at_the_next_one(tmp_path: Path) -> None:
    import hashlib

    fill(tmp_path).close()
    db = sqlite3.connect(tmp_path / AUDIT_FILE)
    text, previous = db.execute("SELECT record, previous FROM records WHERE seq = 4").fetchone()
    text = text.replace("ann", "eve")
    db.execute(
        "UPDATE records SET record = ?, hash = ? WHERE seq = 4",
        (text, hashlib.sha256(previous + text.encode()).digest()),
    )
    db.commit()
    db.close()
    assert [(finding.kind, finding.seq) for finding in verified(tmp_path).findings] == [("broken", 5)]


def test_the_chain_is_what_the_documentation_says(tmp_path: Path) -> None:
    """Computed with hashlib and json alone, from docs/audit.md."""
    import hashlib

    fill(tmp_path, 3).close()
    previous = bytes(32)
    db = sqlite3.connect(tmp_path / AUDIT_FILE)
    for seq, stored_previous, text, stored in db.execute("SELECT * FROM records ORDER BY seq").fetchall():
        data = json.loads(text)
        assert data["seq"] == seq
        canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert canonical == text
        assert stored_previous == previous
        previous = hashlib.sha256(previous + canonical.encode()).digest()
        assert stored == previous
    db.close()


def test_an_old_copy_of_the_file_is_found_by_what_was_noted(tmp_path: Path) -> None:
    store = fill(tmp_path, 5)
    store.close()
    old = (tmp_path / AUDIT_FILE).read_bytes()
    store = fill(tmp_path, 5)
    noted = store.append([record(11, SystemClock())])[0]
    store.close()
    assert verified(tmp_path, (noted.seq, noted.hash.hex())).findings == ()
    (tmp_path / AUDIT_FILE).write_bytes(old)
    assert verified(tmp_path).findings == ()
    (finding,) = verified(tmp_path, (noted.seq, noted.hash.hex())).findings
    assert (finding.kind, finding.seq) == ("truncated", 11)


def test_a_damaged_file_is_a_finding_not_a_traceback(tmp_path: Path) -> None:
    fill(tmp_path, 500).close()
    path = tmp_path / AUDIT_FILE
    data = bytearray(path.read_bytes())
    data[8192:20480] = os.urandom(12288)
    path.write_bytes(data)
    assert verified(tmp_path).findings != ()


def test_retention_by_age_leaves_a_signed_anchor_and_a_chain_that_verifies(tmp_path: Path) -> None:
    clock = SettableClock()
    store = fill(tmp_path, 10, clock)
    clock.moment += timedelta(days=40)
    store.append([record(number, clock) for number in range(11, 16)])
    (trimmed,) = store.trim(Retention(max_age=timedelta(days=30)))
    (finding,) = verified(tmp_path, (9, "0" * 64)).findings
    assert (finding.kind, finding.seq) == ("unproven", 9)
    assert json.loads(trimmed.text)["detail"] == "records 1 to 10"
    assert store.trim(Retention(max_age=timedelta(days=30))) == []
    store.close()
    report = verified(tmp_path)
    assert (report.records, report.findings) == (6, ())
    assert report.anchor is not None
    assert report.anchor.seq == 10
    edit(tmp_path, "DELETE FROM records WHERE seq = 11")
    assert [(finding.kind, finding.seq) for finding in verified(tmp_path).findings] == [("removed", 11)]


def test_retention_by_size_keeps_the_newest(tmp_path: Path) -> None:
    store = fill(tmp_path, 5000)
    limit = 500_000
    assert store.trim(Retention(max_bytes=limit)) != []
    store.close()
    assert (tmp_path / AUDIT_FILE).stat().st_size <= limit * 1.1
    report = verified(tmp_path)
    assert report.findings == ()
    assert 1000 < report.records < 5000


async def started(directory: Path, **settings: Any) -> tuple[AuditLog, AuditWriter]:
    clock = SystemClock()
    log = AuditLog(clock)
    store = AuditStore(directory / AUDIT_FILE, load_audit_key(directory), clock)
    log.writer = AuditWriter(store, clock, Retention(), **settings)
    return log, log.writer


async def test_what_was_committed_is_on_disk_and_the_rest_follows(tmp_path: Path) -> None:
    log, writer = await started(tmp_path)
    for number in range(2000):
        log.record("session.open", session_id=str(number))
    await within(log.commit("principal.add", principal="root"))
    with AuditReader(tmp_path / AUDIT_FILE) as reader:
        assert [found.action for _, found in find_records(reader, AuditQuery(action="principal.*"))] == [
            "principal.add"
        ]
    await within(writer.aclose())
    assert verified(tmp_path).records == 2001


def refuse(writer: AuditWriter, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make the disk full, as SQLite says it; returns what frees it."""
    store = writer._store
    limit = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {limit}")
    return lambda: store._db.execute("PRAGMA max_page_count = 1000000") and None


async def commit_many(log: AuditLog) -> None:
    for _ in range(100):
        await within(log.commit("principal.add", detail="y" * 900))


async def test_a_full_disk_refuses_administration_and_loses_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, writer = await started(tmp_path)
    free = refuse(writer, monkeypatch)
    for number in range(500):
        log.record("session.open", detail="x" * 200, session_id=str(number))
    with pytest.raises(AuditUnavailableException):
        await commit_many(log)
    refused_at = len(log)
    assert writer.is_failing
    free()
    await within(log.commit("principal.remove"))
    assert not writer.is_failing
    await within(writer.aclose())
    report = verified(tmp_path)
    assert report.findings == ()
    # What was recorded, the removal, and the word that the disk was full.
    assert report.records == refused_at + 2


async def test_what_a_full_disk_refuses_leaves_the_order_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, writer = await started(tmp_path)
    append = writer._store.append
    monkeypatch.setattr(writer._store, "append", Mock(side_effect=OSError("full")))
    for number in range(3):
        log.record("session.open", session_id=str(number))
        with pytest.raises(AuditUnavailableException):
            await within(log.commit("principal.add"))
    monkeypatch.setattr(writer._store, "append", append)
    await within(log.commit("principal.remove"))
    await within(writer.aclose())
    with AuditReader(tmp_path / AUDIT_FILE) as reader:
        found = [record.session_id or record.action for _, record in find_records(reader, AuditQuery())]
    assert found == ["0", "1", "2", "principal.remove", "audit.resumed"]


async def test_records_that_find_the_queue_full_are_counted_in_the_trail(tmp_path: Path) -> None:
    log, writer = await started(tmp_path, limit=10)
    for number in range(100):
        log.record("session.open", session_id=str(number))
    assert writer.lost == 90
    await until(lambda: writer.depth == 0)
    await within(log.commit("principal.add"))
    await within(writer.aclose())
    with AuditReader(tmp_path / AUDIT_FILE) as reader:
        (lost,) = [found for _, found in find_records(reader, AuditQuery(action="audit.lost"))]
    assert lost.detail == "90 records"


async def test_sinks_get_what_is_committed_and_follow_a_rotated_file(tmp_path: Path) -> None:
    target = tmp_path / "audit.jsonl"
    log, writer = await started(tmp_path, sinks=[SinkThread(open_sink(f"file:{target}"), "file")])
    await within(log.commit("principal.add", principal="a\x1b[31m"))
    await until(target.exists)
    target.rename(tmp_path / "old.jsonl")
    await within(log.commit("principal.remove"))
    await within(writer.aclose())
    (first,) = (tmp_path / "old.jsonl").read_text().splitlines()
    (second,) = target.read_text().splitlines()
    assert json.loads(first)["principal"] == "a\x1b[31m"
    assert "\x1b" not in first
    assert json.loads(second)["previous"] == json.loads(first)["hash"]
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "file:", "syslog:host:99999", "mail:me", "syslog::514"])
def test_a_sink_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(OmnyShellException, match="audit sink"):
        open_sink(text)


async def test_stray_code_points_do_not_stop_the_writer(tmp_path: Path) -> None:
    log, writer = await started(tmp_path)
    await within(log.commit("auth.fail", "denied", principal="\ud800x", detail="d" * 5000))
    await within(writer.aclose())
    assert verified(tmp_path).findings == ()


KILLED = """
import asyncio, sys
from pathlib import Path
from omnyshell import SystemClock
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.store import *
from omnyshell.services.hub.audit.writer import AuditWriter

async def main():
    directory = Path(sys.argv[1])
    clock = SystemClock()
    log = AuditLog(clock)
    log.writer = AuditWriter(AuditStore(directory / AUDIT_FILE, load_audit_key(directory), clock), clock, Retention())
    number = 0
    while True:
        for _ in range(200):
            log.record("session.open", session_id=str(number))
            number += 1
        await log.commit("principal.add", detail=str(number))
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("round_", range(3))
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path, round_: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = ""
    for line in process.stdout:
        acknowledged = line.strip()
        if int(acknowledged) >= 2000 * (round_ + 1):
            break
    process.send_signal(signal.SIGKILL)
    acknowledged = ([acknowledged, *process.stdout.read().split()])[-1]
    process.wait(DEADLINE)
    process.stdout.close()
    report = verified(tmp_path)
    assert report.findings == ()
    with AuditReader(tmp_path / AUDIT_FILE) as reader:
        committed = [found.detail for _, found in find_records(reader, AuditQuery(action="principal.add"))]
        opened = sum(1 for _ in find_records(reader, AuditQuery(action="session.open")))
    assert acknowledged in committed
    assert opened >= int(acknowledged)


def test_a_trail_has_a_default_size_and_none_where_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_store, "DEFAULT_SIZE", 500_000)
    store = fill(tmp_path, 5000)
    assert store.trim(Retention(max_bytes=0)) == []
    assert store.trim(Retention()) != []
    store.close()
    assert (tmp_path / AUDIT_FILE).stat().st_size <= 550_000
    assert verified(tmp_path).findings == ()


def test_a_larger_trail_of_0_1_0_is_kept_until_a_size_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 5000).close()
    edit(tmp_path, "PRAGMA user_version = 0")
    monkeypatch.setattr(audit_store, "DEFAULT_SIZE", 500_000)
    for _ in range(2):
        store = fill(tmp_path, 1)
        assert store.trim(Retention()) == []
        store.close()
    store = fill(tmp_path, 1)
    assert store.trim(Retention(max_bytes=400_000)) != []
    store.close()
    store = fill(tmp_path, 5000)
    # From then on it is one like others.
    assert store.trim(Retention()) != []
    store.close()
