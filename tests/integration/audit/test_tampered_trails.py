"""A hub's audit trail in the hands of somebody who may write its files, with restarts between."""

import asyncio
import json
import shutil
import sqlite3
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.stack import Certificates, access, hub_config, read_page, until

from omnyshell import AuditRecord, AuthorizationException, ConfigException, OmnyShellHub, SystemClock
from omnyshell.model.schema import write_timestamp
from omnyshell.protocol.messages.admin import AuditAcknowledge
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.admin import AdminClient, AdminRequestException
from omnyshell.services.hub.audit import writer as audit_writer
from omnyshell.services.hub.audit.against import Against, hold_against
from omnyshell.services.hub.audit.chain import ANCHOR, GENESIS, HEAD, link, read_record, seal
from omnyshell.services.hub.audit.disk_reserve import RESERVE_FILE
from omnyshell.services.hub.audit.heads import read_head
from omnyshell.services.hub.audit.query import TrailReport, verify_trail
from omnyshell.services.hub.audit.sinks import export_line
from omnyshell.services.hub.audit.store import AuditReader, AuditStore, load_audit_key
from omnyshell.services.hub.audit.witness import AuditWitness, read_noted
from omnyshell.services.hub.audit.writer import AuditWriter
from omnyshell.services.hub.ground.audit_settings import Retention
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE, AUDIT_KEY_FILE as KEY_FILE

RECORDS = 30
BROKEN, WHOLE = "ready\naudit: broken", "ready\n"


def copy(state: Path, to: Path) -> None:
    """Copy a hub's state without what it has reserved on the disk, which it reserves again, and is most of it."""
    shutil.copytree(state, to, ignore=shutil.ignore_patterns(RESERVE_FILE))


def change(directory: Path, *statements: str) -> None:
    db = sqlite3.connect(directory / AUDIT_FILE)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def rewrite(directory: Path, key: Ed25519PrivateKey, *, first: int, keep: int) -> None:
    """Exchange a record, and hash and sign all that follows anew: what whoever has the key can do."""
    db = sqlite3.connect(directory / AUDIT_FILE)
    rows = db.execute("SELECT seq, record, hash FROM records WHERE seq <= ? ORDER BY seq", (keep,)).fetchall()
    previous = rows[first - 2][2] if first > 1 else GENESIS
    for seq, text, _ in rows[first - 1 :]:
        changed = text.replace('"principal":"eve"', '"principal":"bob"').encode()
        hash_ = link(previous, changed)
        db.execute(
            "UPDATE records SET record = ?, previous = ?, hash = ? WHERE seq = ?",
            (changed.decode(), previous, hash_, seq),
        )
        previous = hash_
    db.execute("DELETE FROM records WHERE seq > ?", (keep,))
    mark = seal(HEAD, keep, previous, write_timestamp(datetime.now(UTC)), key.sign)
    db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?, ?)", mark)
    db.commit()
    db.close()


def roll_back(directory: Path, old: Path, *names: str) -> None:
    for name in names:
        for path in directory.glob(f"{name}*"):
            path.unlink()
        for path in old.glob(f"{name}*"):
            shutil.copy2(path, directory / path.name)


def last(directory: Path) -> int:
    db = sqlite3.connect(directory / AUDIT_FILE)
    (seq,) = db.execute("SELECT max(seq) FROM records").fetchone()
    db.close()
    return int(seq)


Attack = Callable[[Path, Path], None]
"""Takes the state directory of a hub that is stopped, and a copy of it of an earlier time."""

ATTACKS: dict[str, Attack] = {
    "the newest records deleted": lambda d, _: change(d, f"DELETE FROM records WHERE seq > {last(d) - 5}"),
    "the newest record deleted": lambda d, _: change(d, f"DELETE FROM records WHERE seq = {last(d)}"),
    "the newest deleted, with the seals": lambda d, _: change(
        d, f"DELETE FROM records WHERE seq > {last(d) - 5}", "DELETE FROM seals"
    ),
    "the newest deleted, the end signed anew": lambda d, _: rewrite(d, load_audit_key(d), first=20, keep=last(d) - 9),
    "some in the middle deleted": lambda d, _: change(d, "DELETE FROM records WHERE seq BETWEEN 10 AND 12"),
    "the first deleted": lambda d, _: change(d, "DELETE FROM records WHERE seq = 1"),
    "one edited": lambda d, _: change(d, "UPDATE records SET record = replace(record, 'eve', 'bob') WHERE seq = 12"),
    "all edited": lambda d, _: change(d, "UPDATE records SET record = replace(record, 'eve', 'bob')"),
    "one edited, all signed anew": lambda d, _: rewrite(d, load_audit_key(d), first=12, keep=last(d)),
    "no record any more": lambda d, _: change(d, "UPDATE records SET record = x'00' WHERE seq = 12"),
    "two exchanged": lambda d, _: change(
        d,
        "UPDATE records SET seq = -1 WHERE seq = 5",
        "UPDATE records SET seq = 5 WHERE seq = 6",
        "UPDATE records SET seq = 6 WHERE seq = -1",
    ),
    "one added without the key": lambda d, _: change(
        d, "INSERT INTO records SELECT max(seq) + 1, hash, record, hash FROM records"
    ),
    "the file rolled back": lambda d, old: roll_back(d, old, AUDIT_FILE),
    "the file and its key rolled back": lambda d, old: roll_back(d, old, AUDIT_FILE, KEY_FILE),
    "emptied": lambda d, _: change(d, "DELETE FROM records"),
    "emptied, with the seals": lambda d, _: change(d, "DELETE FROM records", "DELETE FROM seals"),
    "the file removed": lambda d, _: roll_back(d, d / "nothing", AUDIT_FILE),
    "the file and its key removed": lambda d, _: roll_back(d, d / "nothing", AUDIT_FILE, KEY_FILE),
    "the file, its key and what was noted removed": lambda d, _: forgotten(d),
    "the file, its key and the other database removed": lambda d, _: roll_back(
        d, d / "nothing", AUDIT_FILE, KEY_FILE, STATE_FILE
    ),
    "cut at one of its own heads, what was noted too": lambda d, _: cut_at_own_head(d),
    "the key removed": lambda d, _: (d / KEY_FILE).unlink(),
    "the key exchanged, all signed anew": lambda d, _: with_another_key(d),
    "the file and the other database removed": lambda d, _: roll_back(d, d / "nothing", AUDIT_FILE, STATE_FILE),
    "the other database removed": lambda d, _: roll_back(d, d / "nothing", STATE_FILE),
    "the other database rolled back": lambda d, old: roll_back(d, old, STATE_FILE),
    "what was noted removed": lambda d, _: without_note(d, "DELETE FROM audit_head"),
    "what was noted forged": lambda d, _: without_note(d, "UPDATE audit_head SET seq = 3, hash = x'00'"),
    "what was noted made no head": lambda d, _: without_note(d, "UPDATE audit_head SET seq = 'x', key = 'y'"),
}


def with_another_key(directory: Path) -> None:
    (directory / KEY_FILE).unlink()
    Ed25519PrivateKey.generate().save(directory / KEY_FILE)
    rewrite(directory, load_audit_key(directory), first=12, keep=last(directory))


def forgotten(directory: Path) -> None:
    roll_back(directory, directory / "nothing", AUDIT_FILE, KEY_FILE)
    without_note(directory, "DELETE FROM audit_head")


def cut_at_own_head(directory: Path) -> None:
    """Put the first head that the trail holds into the place of the file's own, and of the one that was noted."""
    with AuditReader(directory / AUDIT_FILE) as reader:
        found = [read_record(record) for record in reader.records()]
        head = next(head for own in found if own is not None and (head := read_head(own.detail)) is not None)
    mark = head.seal
    db = sqlite3.connect(directory / AUDIT_FILE)
    db.execute("DELETE FROM records WHERE seq > ?", (mark.seq,))
    db.execute("INSERT OR REPLACE INTO seals VALUES (?, ?, ?, ?, ?)", mark._replace(kind=HEAD))
    db.commit()
    db.close()
    db = sqlite3.connect(directory / STATE_FILE)
    row = (mark.seq, mark.hash, mark.at, mark.signature, head.key.raw)
    db.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?, ?, ?)", row)
    db.commit()
    db.close()


def without_note(directory: Path, statement: str) -> None:
    db = sqlite3.connect(directory / STATE_FILE)
    db.execute(statement)
    db.commit()
    db.close()


async def run(certificates: Certificates, directory: Path, count: int = 0) -> tuple[str, list[str]]:
    """Have a hub run for a moment and write some records; returns its readiness, and the gaps that it names."""
    async with OmnyShellHub(hub_config(certificates, state_dir=directory)) as hub:
        assert hub.audit.check is not None
        await hub.audit.check.wait(DEADLINE)
        for number in range(count):
            hub.audit.record("session.open", principal="eve", detail=f"no. {number}")
        return await ready(certificates, hub), list(hub.audit.gaps)


async def ready(certificates: Certificates, hub: OmnyShellHub) -> str:
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=tls)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
    page = await read_page(reader)
    writer.close()
    return page


def verified(directory: Path) -> TrailReport:
    noted = read_noted(directory / STATE_FILE)
    return verify_trail(directory / AUDIT_FILE, load_audit_key(directory).public_key, None, noted)


@pytest.fixture(scope="module")
def used(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of a hub that ran twice, and a copy of them as they were between."""
    directory = tmp_path_factory.mktemp("used")
    state, old = directory / "state", directory / "old"
    assert asyncio.run(run(certificates, state, RECORDS)) == (WHOLE, [])
    copy(state, old)
    assert asyncio.run(run(certificates, state, RECORDS)) == (WHOLE, [])
    assert verified(state).findings == ()
    return state, old


def recorded(directory: Path) -> list[str]:
    db = sqlite3.connect(directory / AUDIT_FILE)
    db.text_factory = bytes
    rows = [
        text
        for (text,) in db.execute("SELECT record FROM records WHERE instr(record, '\"audit.broken\"') ORDER BY seq")
    ]
    db.close()
    return [json.loads(text)["detail"] for text in rows]


@pytest.fixture
def attacked(used: tuple[Path, Path], tmp_path: Path) -> Callable[[str], Path]:
    """Takes an attack's name; returns the directory where it was done."""

    def attack(name: str) -> Path:
        state, old = tmp_path / "state", tmp_path / "old"
        copy(used[0], state)
        copy(used[1], old)
        ATTACKS[name](state, old)
        return state

    return attack


@pytest.mark.parametrize("name", ATTACKS)
async def test_what_was_done_to_the_files_is_told_for_ever(
    certificates: Certificates, attacked: Callable[[str], Path], name: str
) -> None:
    state = attacked(name)
    readiness, gaps = await run(certificates, state, RECORDS)
    assert readiness.startswith(BROKEN)
    assert gaps
    for _ in range(2):
        # However often it starts, and however much it writes: told once each, and named.
        assert await run(certificates, state, RECORDS) == (readiness, gaps)
    assert sorted(recorded(state)) == sorted(gaps)
    assert "gap" in {finding.kind for finding in verified(state).findings}


async def test_a_file_that_is_no_database_any_more_keeps_the_hub_from_starting_and_says_what_to_do(
    certificates: Certificates, used: tuple[Path, Path], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    copy(used[0], state)
    (state / AUDIT_FILE).write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(ConfigException, match="move it away"):
        await run(certificates, state)
    (state / AUDIT_FILE).unlink()
    readiness, gaps = await run(certificates, state)
    assert readiness.startswith(BROKEN)
    assert len(gaps) == 1


async def acknowledge(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with AdminClient(access(certificates, hub.port, "admin")) as admin:
        await admin.do(AuditAcknowledge(request_id=""))


async def test_an_admin_acknowledges_and_the_gap_stays_named(
    certificates: Certificates, attacked: Callable[[str], Path]
) -> None:
    state = attacked("the file rolled back")
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        (gap,) = hub.audit.gaps
        await acknowledge(certificates, hub)
        assert await ready(certificates, hub) == WHOLE
        with pytest.raises(AdminRequestException, match="nothing is wrong"):
            await acknowledge(certificates, hub)
    assert await run(certificates, state) == (WHOLE, [])
    assert gap in " ".join(finding.text for finding in verified(state).findings)
    change(state, "DELETE FROM records WHERE seq = 3")
    # What happens after that is told anew.
    assert (await run(certificates, state))[1] == ["record 3 was removed"]


async def test_only_admins_acknowledge(certificates: Certificates, attacked: Callable[[str], Path]) -> None:
    state = attacked("one edited")
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        with pytest.raises(AuthorizationException):
            async with AdminClient(access(certificates, hub.port, "dev")) as client:
                await client.do(AuditAcknowledge(request_id=""))
        assert hub.audit.gaps


@pytest.mark.parametrize("is_acknowledged", [False, True])
async def test_what_retention_removes_takes_no_gap_along(
    certificates: Certificates,
    attacked: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    is_acknowledged: bool,
) -> None:
    state = attacked("some in the middle deleted")
    monkeypatch.setattr(audit_writer, "CHORES_PERIOD", 0.05)
    before = last(state) + RECORDS
    config = hub_config(certificates, state_dir=state, audit_retention=Retention(max_age=timedelta(seconds=-5)))
    async with OmnyShellHub(config) as hub:
        (gap,) = hub.audit.gaps
        if is_acknowledged:
            await acknowledge(certificates, hub)
        for _ in range(RECORDS):
            hub.audit.record("session.open")
        await until(lambda: trimmed_until(state) > before)
    report = verified(state)
    # Nothing of it is left but that it was.
    assert {finding.kind for finding in report.findings} == {"gap"}
    assert gap in report.findings[0].text
    assert recorded(state) == [gap]
    readiness, gaps = await run(certificates, state)
    assert gaps == ([] if is_acknowledged else [gap])
    assert (readiness == WHOLE) == is_acknowledged


async def test_retention_of_a_running_hub_is_no_gap(certificates: Certificates, tmp_path: Path) -> None:
    retention = Retention(max_age=timedelta(seconds=-5))
    for _ in range(3):
        async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path, audit_retention=retention)) as hub:
            hub.audit.record("session.open")
            await until(lambda: trimmed_until(tmp_path) > 0)
            assert not hub.audit.gaps
    report = verified(tmp_path)
    assert report.findings == ()
    assert report.anchor is not None


def trimmed_until(directory: Path) -> int:
    with AuditReader(directory / AUDIT_FILE) as reader:
        anchor = reader.seal(ANCHOR)
    return anchor.seq if anchor is not None else 0


async def test_a_hub_that_was_killed_finds_nothing_wrong(certificates: Certificates, tmp_path: Path) -> None:
    running, killed = tmp_path / "running", tmp_path / "killed"
    async with OmnyShellHub(hub_config(certificates, state_dir=running)) as hub:
        await until(lambda: read_noted(running / STATE_FILE) is not None)
        for _ in range(500):
            hub.audit.record("session.open", principal="eve")
        await hub.audit.commit("principal.add")
        copy(running, killed)
    assert await run(certificates, killed) == (WHOLE, [])


async def test_a_trail_of_0_1_0_is_taken_over_without_a_word(certificates: Certificates, tmp_path: Path) -> None:
    store = AuditStore(tmp_path / AUDIT_FILE, load_audit_key(tmp_path), SystemClock())
    store.append([AuditRecord(at=datetime.now(UTC), action="hub.start")] * 50)
    store.close()
    assert await run(certificates, tmp_path) == (WHOLE, [])
    assert read_noted(tmp_path / STATE_FILE) is not None


async def test_all_rolled_back_together_is_found_by_what_left_the_machine_alone(
    certificates: Certificates, used: tuple[Path, Path], tmp_path: Path
) -> None:
    state, old = tmp_path / "state", tmp_path / "old"
    copy(used[0], state)
    copy(used[1], old)
    with AuditReader(state / AUDIT_FILE) as reader:
        exported = [export_line(record) for record in reader.records()]
    roll_back(state, old, AUDIT_FILE, KEY_FILE, STATE_FILE)
    assert await run(certificates, state) == (WHOLE, [])
    assert verified(state).findings == ()
    kinds = {finding.kind for finding in against(state, exported).findings}
    assert kinds == {"altered", "truncated"}


def against(state: Path, lines: Sequence[bytes]) -> Against:
    return hold_against(state / AUDIT_FILE, lines, "FILE", load_audit_key(state).public_key)


@pytest.mark.parametrize(
    "name", ["one edited, all signed anew", "the newest records deleted", "emptied, with the seals"]
)
async def test_records_that_left_the_machine_show_what_was_done(
    certificates: Certificates, used: tuple[Path, Path], attacked: Callable[[str], Path], name: str
) -> None:
    with AuditReader(used[0] / AUDIT_FILE) as reader:
        exported = [export_line(record) for record in reader.records()]
    heads = [b"<86>Nov 29 08:00:00 hub omnyshell-audit: " + line for line in exported if b"audit.head" in line]
    assert heads
    for lines in (exported, heads, [b"", b"{", b"{}", b"junk {", *exported, b'{"seq": true}']):
        assert against(used[0], lines).findings == []
    state = attacked(name)
    await run(certificates, state)
    for lines in (exported, heads):
        assert against(state, lines).findings


def test_a_file_without_records_and_one_that_retention_outlived_prove_nothing(used: tuple[Path, Path]) -> None:
    for lines in ([], [b"nothing"], [b"{}"], [b'{"seq": 1, "hash": "xyz"}']):
        with pytest.raises(ConfigException, match="no record"):
            against(used[0], lines)


def test_a_head_of_another_hub_is_not_taken_for_one_of_this(used: tuple[Path, Path], tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    with AuditReader(used[0] / AUDIT_FILE) as reader:
        line = next(export_line(record) for record in reader.records() if b"audit.head" in record.text)
    (finding,) = hold_against(used[0] / AUDIT_FILE, [line], "FILE", key.public_key).findings
    assert finding.kind == "unsigned"


async def test_every_sink_carries_the_signed_end(certificates: Certificates, tmp_path: Path) -> None:
    target = tmp_path / "audit.jsonl"
    state = tmp_path / "state"
    config = hub_config(certificates, state_dir=state, audit_sinks=(f"file:{target}",))
    async with OmnyShellHub(config) as hub:
        hub.audit.record("session.open")
        await until(lambda: target.exists() and b"audit.head" in target.read_bytes())
    lines = target.read_bytes().splitlines()
    assert json.loads(lines[-1])["action"] == "audit.head"
    head = read_head(json.loads(lines[-1])["detail"])
    assert head is not None
    assert head.is_genuine
    assert head.seal.hash.hex() == json.loads(lines[-2])["hash"] == json.loads(lines[-1])["previous"]
    assert against(state, lines).findings == []


async def test_a_head_is_written_each_minute_in_which_anything_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_writer, "CHORES_PERIOD", 0.05)
    clock = SystemClock()
    store = AuditStore(tmp_path / AUDIT_FILE, load_audit_key(tmp_path), clock)
    writer = AuditWriter(store, clock, Retention(), witness=AuditWitness(tmp_path / STATE_FILE))
    for count in (1, 2, 3):
        await writer.commit(AuditRecord(at=clock.now(), action="session.open"))
        if count == 1:
            writer.begin_chores()
        await until(lambda count=count: heads(tmp_path) == count)
    noted = last(tmp_path)
    await asyncio.sleep(0.3)
    # Nothing was written since, and so nothing is signed.
    assert heads(tmp_path) == 3
    await writer.aclose()
    head = read_noted(tmp_path / STATE_FILE)
    assert head is not None
    assert (head.seal.seq, head.is_genuine) == (noted, True)


def heads(directory: Path) -> int:
    with AuditReader(directory / AUDIT_FILE) as reader:
        return sum(b"audit.head" in record.text for record in reader.records())
