"""What goes wrong in the threads that work for the audit: it is told, and they go on."""

import shutil
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from support.deadline import DEADLINE

from omnyshell import AuditRecord, ConfigException, SystemClock, TokenAuthenticator
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.audit import sinks as audit_sinks, writer as audit_writer
from omnyshell.services.hub.audit.chain import GENESIS, ChainedRecord, chain
from omnyshell.services.hub.audit.disk_reserve import DiskReserve
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.audit.scan import Scan, TrailScan
from omnyshell.services.hub.audit.sinks import SinkThread
from omnyshell.services.hub.audit.store import FIRST_KEY_FILE, AuditStore, load_audit_key
from omnyshell.services.hub.audit.trail import TrailCheck, open_trail
from omnyshell.services.hub.audit.writer import AuditUnavailableException, AuditWriter
from omnyshell.services.hub.ground.audit_settings import Retention
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE

CLOCK = SystemClock()


def record(action: str) -> AuditRecord:
    return AuditRecord(at=CLOCK.now(), action=action)


class FullDisk(DiskReserve):
    """The reserve of a disk that is full but for it; `has_room` frees that disk."""

    def __init__(self) -> None:
        self.has_room = False

    is_short = True  # type: ignore[assignment]

    def refill(self) -> bool:
        return self.has_room

    def release(self) -> bool:
        return True

    def release_all(self) -> None:
        pass


async def test_a_disk_that_is_full_but_for_its_reserve_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit_writer, "RETRY", 0.01)
    reserve = FullDisk()
    store = AuditStore(tmp_path / AUDIT_FILE, load_audit_key(tmp_path), CLOCK)
    writer = AuditWriter(store, CLOCK, Retention(), reserve=reserve)
    try:
        assert not writer.is_failing
        await writer.commit(record("principal.revoke"))
        # The record took of the reserve: from now on the rest is for such records alone.
        with pytest.raises(AuditUnavailableException):
            await writer.commit(record("principal.add"))
        assert writer.is_failing
        assert "the disk is full but for what revoking, ending and stopping need" in caplog.text
        await writer.commit(record("lock.add"))
        assert writer.is_failing
        reserve.has_room = True
        await writer.commit(record("principal.add"))
        assert not writer.is_failing
    finally:
        await writer.aclose()


class Sink:
    """Fails once, as no sink should."""

    def __init__(self) -> None:
        self.has_failed = False
        self.taken: list[bytes] = []
        self.took = threading.Event()

    def write(self, lines: Sequence[bytes]) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise ValueError("no such thing as an OSError")
        self.taken += lines
        self.took.set()

    def close(self) -> None:
        pass


def test_a_sink_that_fails_in_whatever_way_gets_its_records_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audit_sinks, "SINK_RETRY", 0.01)
    sink = Sink()
    thread = SinkThread(sink, "SINK")
    thread.put([chain(1, GENESIS, record("hub.start"))])
    assert sink.took.wait(DEADLINE)
    thread.close()
    assert len(sink.taken) == 1
    assert "AUDIT SINK SINK FAILS, records wait: no such thing as an OSError" in caplog.text


class Unreadable(TrailScan):
    """Fails where a record is taken, and perhaps where the result is asked for."""

    def __init__(self, *, has_result: bool) -> None:
        super().__init__(None, Ed25519PrivateKey.generate().public_key.verify, 0, 0, {})
        self._has_result = has_result

    def feed(self, record: ChainedRecord) -> None:
        raise RuntimeError(f"record {record.seq} is beyond me")

    def result(self, *_: object) -> Scan:
        if self._has_result:
            return super().result()
        raise RuntimeError("nor can I say anything")


@pytest.mark.parametrize("has_result", [True, False])
async def test_a_trail_that_cannot_be_gone_through_for_whatever_reason_is_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, has_result: bool
) -> None:
    store = AuditStore(tmp_path / AUDIT_FILE, load_audit_key(tmp_path), CLOCK)
    store.append([record("hub.start")])
    store.close()
    audit = AuditLog(CLOCK)
    audit.check = TrailCheck(audit, tmp_path / AUDIT_FILE, Unreadable(has_result=has_result), 1, is_broken=False)
    await audit.check.wait(DEADLINE)
    assert audit.condition == "broken, 1 not acknowledged"
    assert ("record 1 is beyond me" in audit.gaps[0]) == has_result
    assert [one.action for one in audit] == ["audit.broken"]
    assert "THE AUDIT TRAIL IS BROKEN" in caplog.text
    # Whoever stops the hub is not held up by it.
    await audit.aclose()


async def test_ending_a_check_raises_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = AuditLog(CLOCK)
    check = TrailCheck(audit, tmp_path / AUDIT_FILE, Unreadable(has_result=True), 0, is_broken=False)
    monkeypatch.setattr(check, "_tell", lambda _found: 1 / 0)
    await check.wait(DEADLINE)
    await check.aclose()
    assert check.is_done
    with suppress(ZeroDivisionError):
        # What it was is there for whoever looks.
        await check._task


async def life(directory: Path, *sinks: str) -> tuple[str, list[str]]:
    """Open a trail as a hub does at its start, and close it; returns what is said of it."""
    audit = AuditLog(CLOCK)
    config = HubConfig(
        cert=directory, key=directory, authenticator=TokenAuthenticator([]), state_dir=directory, audit_sinks=sinks
    )
    await open_trail(audit, config)
    assert audit.check is not None
    await audit.check.wait(DEADLINE)
    condition, gaps = audit.condition, audit.gaps
    await audit.aclose()
    return condition, gaps


async def test_a_first_start_that_got_nowhere_leaves_no_sign_of_a_trail(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ConfigException, match="an audit sink is"):
            await life(tmp_path, "nowhere")
    assert (tmp_path / FIRST_KEY_FILE).exists()
    assert await life(tmp_path) == ("", [])
    assert not (tmp_path / FIRST_KEY_FILE).exists()
    assert await life(tmp_path) == ("", [])


@pytest.mark.parametrize("name", ["hub.sqlite3", "sessions.key", "uid-hub.json", "audit.key"])
async def test_whatever_a_hub_wrote_before_says_that_there_was_a_trail(tmp_path: Path, name: str) -> None:
    await life(tmp_path)
    kept = (tmp_path / name).read_bytes() if (tmp_path / name).exists() else b"{}"
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / name).write_bytes(kept)
    (tmp_path / name).chmod(0o600)
    _, gaps = await life(tmp_path)
    assert gaps
    assert (await life(tmp_path))[1] == gaps


async def test_a_state_file_that_a_killed_hub_left_half_done_is_taken(tmp_path: Path) -> None:
    await life(tmp_path)
    database = sqlite3.connect(tmp_path / STATE_FILE, isolation_level=None)
    database.executescript("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 2; CREATE TABLE t (x BLOB); BEGIN")
    database.executemany("INSERT INTO t VALUES (randomblob(4096))", [()] * 50)
    killed = tmp_path / "killed"
    killed.mkdir(mode=0o700)
    for path in tmp_path.glob("*.*"):
        shutil.copy2(path, killed / path.name)
    database.close()
    assert (killed / f"{STATE_FILE}-journal").stat().st_size
    assert await life(killed) == ("", [])
