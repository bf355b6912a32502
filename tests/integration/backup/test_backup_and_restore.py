"""A hub is backed up while it works, and restored in another place, where its peers come back."""

import asyncio
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from support.backups import CLOCK, SECRET, QuickPassphrase, archive, back_up, findings, refused, restore, texts
from support.deadline import DEADLINE
from support.stack import Certificates, hub_config, until

from omnyshell import (
    AuditRecord,
    ConfigException,
    OmnyShellHub,
)
from omnyshell.cli.ground.output import FAILURE
from omnyshell.cli.main import run as cli
from omnyshell.security import sealed_stream
from omnyshell.security.identity import OmnyUid
from omnyshell.security.sealed_stream import make_recipient
from omnyshell.security.uid_store import UidStore
from omnyshell.services.hub.audit.store import AuditStore, load_audit_key
from omnyshell.services.hub.audit.witness import AuditWitness
from omnyshell.services.hub.backup import backup
from omnyshell.services.hub.backup.archive import NAMES, SETTINGS, entry
from omnyshell.services.hub.backup.backup import BackupFile
from omnyshell.services.hub.backup.maker import BackupSigner
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE


@pytest.mark.parametrize("part", [0.0, 0.001, 0.2, 0.5, 0.9, 0.99999])
def test_a_backup_that_was_cut_or_changed_anywhere_leaves_nothing(made: Path, tmp_path: Path, part: float) -> None:
    data = (made / "backup").read_bytes()
    at = int(len(data) * part)
    for damaged in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], data + b"x"):
        (tmp_path / "damaged").write_bytes(damaged)
        refused(tmp_path / "damaged", tmp_path, "damaged|no backup|passphrase is wrong")


def test_a_wrong_passphrase_is_told(made: Path, tmp_path: Path) -> None:
    refused(made / "backup", tmp_path, "the passphrase is wrong", QuickPassphrase(b"wrong"))


HOSTILE_NAMES = (
    "../evil",
    "state/../../evil",
    "/etc/evil",
    "state/evil",
    "state/cluster/evil",
    "state/cluster/../evil",
    "config/../evil",
    "state/hub.sqlite3\0",
    "",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_no_hub_has_is_refused(certificates: Certificates, made: Path, tmp_path: Path, name: str) -> None:
    sources = {f"state/{each}": made / "state" / each for each in (STATE_FILE, AUDIT_FILE)}
    files = sources | {name: made / "state" / "audit.key"}
    refused(archive(certificates, tmp_path, files), tmp_path, "files that no hub has")


def test_a_file_that_is_there_twice_or_lacks_its_end_or_is_not_what_is_said_is_refused(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    sources = {f"state/{each}": made / "state" / each for each in (STATE_FILE, AUDIT_FILE)}
    lacking = archive(certificates, tmp_path, {f"state/{AUDIT_FILE}": made / "state" / AUDIT_FILE})
    refused(lacking, tmp_path, "lacks a database")
    twice = tuple(entry(name, path) for name, path in (*sources.items(), *sources.items()))
    refused(archive(certificates, tmp_path, sources, twice), tmp_path, "files that no hub has")
    other = archive(certificates, tmp_path, {}, (), format=2)
    refused(other, tmp_path, "format is not known")


async def test_a_trail_that_was_tampered_with_is_no_better_after_a_restore(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "state", tmp_path / "state")
    (tmp_path / "state" / AUDIT_FILE).unlink()
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "state")) as hub:
        assert hub.audit.gaps
    back_up(certificates, tmp_path / "state", tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    assert findings(tmp_path / "new") != ()


async def test_databases_that_part_between_the_copies_are_copied_again(
    certificates: Certificates, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, open_one, moments = tmp_path / "state", backup._reading, [1]
    shutil.copytree(made / "state", state)
    store, witness = AuditStore(state / AUDIT_FILE, load_audit_key(state), CLOCK), AuditWitness(state / STATE_FILE)

    def reading(path: Path) -> sqlite3.Connection:
        """Have the hub sign heads, and note them, when one of its databases is read and the other is not yet."""
        if path.name == AUDIT_FILE and moments:
            moments.pop()
            for _ in range(3):
                noted, _ = witness.noted(), store.append([AuditRecord(at=CLOCK.now(), action="session.open")])
                store.append_head(noted.seal.seq if noted is not None else 0)
                end = store.signed_end()
                assert end is not None
                witness.note(end)
        return open_one(path)

    monkeypatch.setattr(backup, "_reading", reading)
    back_up(certificates, state, tmp_path / "backup")
    store.close()
    witness.close()
    assert not moments
    restore(tmp_path / "backup", tmp_path / "new")
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "new")) as hub:
        assert hub.audit.check is not None
        await hub.audit.check.wait(DEADLINE)
        assert hub.audit.gaps == []


async def test_a_hub_that_runs_audits_who_made_a_backup_and_where(certificates: Certificates, tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with OmnyShellHub(hub_config(certificates, state_dir=state)) as hub:
        await asyncio.to_thread(back_up, certificates, state, tmp_path / "backup", by="ann (uid 7)")
        await until(lambda: any(record.action == "hub.backup" for record in hub.audit))
    (told,) = [text for text in texts(state) if '"hub.backup"' in text]
    assert f"{tmp_path}/backup" in told
    assert "encrypted to a passphrase, by ann (uid 7)" in told


def test_another_hubs_backup_is_refused_where_a_hub_is_expected(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    maker = BackupSigner(certificates.cert, certificates.key).maker
    other = f"hub_{'A' * 43}"
    refused(made / "backup", tmp_path, f"made by {maker.uid}, and not by {other}", expected=other)
    restore(made / "backup", tmp_path / "new", expected=maker.uid)


def test_who_knows_how_to_encrypt_a_backup_cannot_sign_it(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    files = {f"state/{each}": made / "state" / each for each in (STATE_FILE, AUDIT_FILE)}
    signature = BackupSigner(certificates.cert, certificates.key).sign(b"another manifest")
    refused(archive(certificates, tmp_path, files, sign=lambda _: signature), tmp_path, "not signed by the hub")


def test_without_the_hubs_key_there_is_no_backup(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigException, match="signed with the hub's key"):
        backup.back_up(made / "state", {}, BackupFile(tmp_path / "backup", SECRET), CLOCK)


async def test_by_hand_with_a_running_hub(
    certificates: Certificates, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        code = cli([*words, "--state-dir", str(tmp_path / "new" if "restore" in words else state)])
        out, err = capsys.readouterr()
        return code, out + err

    state, target = tmp_path / "state", str(tmp_path / "backup")
    (tmp_path / "hub.toml").write_text(f'cert = "{certificates.cert}"\nkey = "{certificates.key}"\n')
    _, key = run("hub", "backup", "--make-key", str(tmp_path / "private"))
    public = key.splitlines()[0]
    to = ("--to", public, "--hub-config", str(tmp_path / "hub.toml"))
    private = ("--key", str(tmp_path / "private"))
    async with OmnyShellHub(hub_config(certificates, state_dir=state)):
        made = await asyncio.to_thread(run, "hub", "backup", target, *to)
        assert made[0] == 0, made[1]
        assert "config/hub.toml" in made[1]
        uid = BackupSigner(certificates.cert, certificates.key).maker.uid
        assert f"signed by {uid}" in made[1]
    for words, why in (
        ((), "encrypted to a key"),
        ((*private, "--hub", f"hub_{'A' * 43}"), f"made by {uid}"),
    ):
        code, said = run("hub", "restore", target, *words)
        assert code == FAILURE
        assert why in said
    assert not (tmp_path / "new").exists()
    restored = run("hub", "restore", target, *private, "--out", str(tmp_path / "out"), "--hub", uid)
    assert restored[0] == 0, restored[1]
    assert f"made by {uid}" in restored[1]
    assert "look over the paths in hub.toml" in restored[1]
    assert (tmp_path / "out" / "hub.toml").read_text() == (tmp_path / "hub.toml").read_text()
    again = run("hub", "restore", target, *private, "--force")
    (kept,) = tmp_path.glob("new.before-*")
    assert f"the files that were there are in {kept}" in again[1]
    verified = run("audit", "verify")
    assert verified[0] == 0, verified[1]


def test_a_hub_that_is_another_by_now_is_told_so(
    certificates: Certificates, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made / "state", tmp_path / "state")
    uids = UidStore.for_hub(tmp_path / "state", CLOCK)
    before = OmnyUid(f"hub_{'A' * 43}")
    public = make_recipient(tmp_path / "private")
    words = ["hub", "backup", "--to", public, "--cert", str(certificates.cert), "--key", str(certificates.key)]
    words += ["--state-dir", str(tmp_path / "state")]
    assert cli([*words, str(tmp_path / "one")]) == 0
    assert "when it started last" not in capsys.readouterr().err
    uids.resolve(before)
    assert cli([*words, str(tmp_path / "other")]) == 0
    assert f"the hub was {before} when it started last" in capsys.readouterr().err


async def test_a_passphrase_from_a_file_is_in_nothing_that_is_said(
    certificates: Certificates,
    made: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sealed_stream, "_SCRYPT_COST", 2)
    (tmp_path / "passphrase").write_bytes(b"correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    pair = ("--cert", str(certificates.cert), "--key", str(certificates.key))
    given = ("--passphrase-file", str(tmp_path / "passphrase"))
    assert cli(["hub", "backup", str(tmp_path / "backup"), *pair, *given, "--state-dir", str(made / "state")]) == 0
    to = ("--state-dir", str(tmp_path / "new"), "--out", str(tmp_path / "out"))
    assert cli(["hub", "restore", str(tmp_path / "backup"), *given, *to]) == 0
    said = "".join(capsys.readouterr())
    assert "correct horse" not in said
    # There is no hub.toml in it to look over.
    assert f"certificates are in {tmp_path / 'out'}\n" in said


def test_no_option_takes_a_passphrase_and_every_file_of_a_hub_has_a_plain_name() -> None:
    from omnyshell.services.hub.backup.options import BACKUP_OPTIONS, RESTORE_OPTIONS
    from omnyshell.services.hub.options import OPTIONS

    secret = [option.name for option in (*BACKUP_OPTIONS, *RESTORE_OPTIONS) if "passphrase" in option.name]
    assert set(secret) == {"--passphrase-file"}
    plain = re.compile(r"(state/(cluster/)?|config/)[a-z][a-z0-9_.-]*")
    assert all(plain.fullmatch(name) and ".." not in name for name in NAMES)
    assert {option.key for option in OPTIONS if option.kind == "file"} == set(SETTINGS)
