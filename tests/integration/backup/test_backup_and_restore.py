"""A hub is backed up while it works, and restored in another place, where its peers come back."""

import asyncio
import hashlib
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.hub_process import OMNYSHELL, HubProcess
from support.stack import Certificates, access, connected_client, hub_config, running_node, until, within

from omnyshell import (
    AuditRecord,
    ClientConfig,
    ConfigException,
    HubAccess,
    HubAddress,
    NodeConfig,
    OmnyShellClient,
    OmnyShellHub,
    OmnyShellNode,
    PrincipalId,
    SystemClock,
)
from omnyshell.cli.output import FAILURE
from omnyshell.protocol.messages.admin import KeyAdd, NodeLabelsSet, PrincipalAdd
from omnyshell.security.credentials import PublicKeyCredentialProvider
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.security.sealed_stream import Passphrase, SealingStream
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.hub import audit_writer, backup
from omnyshell.services.hub.audit_query import verify_trail
from omnyshell.services.hub.audit_store import AUDIT_FILE, AuditReader, AuditStore, load_audit_key
from omnyshell.services.hub.audit_witness import AuditWitness, read_noted
from omnyshell.services.hub.backup_archive import NAMES, SETTINGS, Manifest, entry, write_archive
from omnyshell.services.hub.restore import restore
from omnyshell.services.hub.store import STATE_FILE


class QuickPassphrase(Passphrase):
    """One that costs nothing to try."""

    def key_for(self, random: bytes) -> bytes:
        return hashlib.sha256(random + self._passphrase).digest()


SECRET = QuickPassphrase(b"correct horse")
CLOCK = SystemClock()


def by_key(certificates: Certificates, port: int, name: str, key: Ed25519PrivateKey) -> HubAccess:
    provider = PublicKeyCredentialProvider(PrincipalId(name), key)
    return HubAccess(address=HubAddress("127.0.0.1", port), credentials=provider, ca=certificates.ca)


async def enrol(admin: AdminClient, name: str, role: str, key: Ed25519PrivateKey) -> None:
    await admin.do(PrincipalAdd(request_id="", principal=name, roles=(role,)))
    await admin.do(KeyAdd(request_id="", principal=name, public_key=key.public_key.to_base64()))


@asynccontextmanager
async def node_by_key(access_: HubAccess, state: Path, name: str) -> AsyncIterator[OmnyShellNode]:
    node = OmnyShellNode(NodeConfig(node_id=name, access=access_, state_dir=state))
    running = asyncio.create_task(node.run())
    try:
        await within(node.registered.wait())
        yield node
    finally:
        node.stop()
        await within(running)


def settings_of(certificates: Certificates) -> dict[str, Path]:
    return {"cert": certificates.cert, "key": certificates.key}


def back_up(certificates: Certificates, state: Path, target: Path, **changes: Any) -> Manifest:
    arguments: dict[str, Any] = {"replace": False, **changes}
    return backup.back_up(state, settings_of(certificates), target, SECRET, CLOCK, **arguments)


def findings(state: Path) -> tuple[Any, ...]:
    noted = read_noted(state / STATE_FILE)
    return verify_trail(state / AUDIT_FILE, load_audit_key(state).public_key, None, noted).findings


async def work(certificates: Certificates, hub: OmnyShellHub, admin: AdminClient, state: Path) -> None:
    """Log in, register and change things without end."""
    number = 0
    while True:
        number += 1
        await admin.do(PrincipalAdd(request_id="", principal=f"p{number}", roles=("developer",)))
        await admin.do(NodeLabelsSet(request_id="", node_id=f"node{number}", labels={"n": str(number)}))
        async with (
            running_node(certificates, hub.port, state / "nodes", f"busy{number % 9}"),
            connected_client(certificates, hub.port, "dev"),
        ):
            pass


async def test_a_backup_made_under_load_is_restored_elsewhere_and_its_peers_return(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Heads are signed all the time, between the copies of the two databases too.
    monkeypatch.setattr(audit_writer, "CHORES_PERIOD", 0.02)
    state, target = tmp_path / "state", tmp_path / "hub.backup"
    person, machine = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=state)) as hub,
        AdminClient(access(certificates, hub.port, "admin")) as admin,
    ):
        await enrol(admin, "ann", "admin", person)
        await enrol(admin, "box1", "node", machine)
        async with node_by_key(by_key(certificates, hub.port, "box1", machine), tmp_path, "web"):
            pass
        working = asyncio.create_task(work(certificates, hub, admin, tmp_path))
        manifests = [await asyncio.to_thread(back_up, certificates, state, target, replace=True) for _ in range(6)]
        assert not working.done()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not [path for path in state.iterdir() if path.name.startswith(".")]

    elsewhere, files = tmp_path / "elsewhere", tmp_path / "files"
    restore(target, SECRET, elsewhere, files, CLOCK, replace=False)
    assert findings(elsewhere) == ()
    shown = Certificates(files / "ca.pem", files / "hub.pem", files / "hub.key")
    async with OmnyShellHub(hub_config(shown, state_dir=elsewhere)) as hub:
        assert hub.audit.gaps == []
        async with (
            node_by_key(by_key(certificates, hub.port, "box1", machine), tmp_path, "web"),
            OmnyShellClient(ClientConfig(access=by_key(certificates, hub.port, "ann", person))) as client,
        ):
            assert (await client.execute("web", "echo back")).stdout == b"back\n"
    assert findings(elsewhere) == ()
    told = [text for text in texts(elsewhere) if '"hub.restored"' in text]
    assert len(told) == 1
    assert manifests[-1].created_at in told[0]
    assert manifests[-1].hub in told[0]
    async with OmnyShellHub(hub_config(shown, state_dir=elsewhere)):
        pass
    assert len([text for text in texts(elsewhere) if '"hub.restored"' in text]) == 1


def texts(state: Path) -> list[str]:
    with AuditReader(state / AUDIT_FILE) as reader:
        return [chained.text.decode() for chained in reader.records()]


@pytest.fixture(scope="module")
def made(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the state of a hub that has stopped, and a backup of it."""
    place = tmp_path_factory.mktemp("made")

    async def run() -> None:
        async with OmnyShellHub(hub_config(certificates, state_dir=place / "state")):
            pass

    asyncio.run(run())
    back_up(certificates, place / "state", place / "backup")
    return place


def listed(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def refused(source: Path, place: Path, match: str, unlock: Passphrase = SECRET, **changes: Any) -> None:
    """Check that nothing is restored, and nothing changed."""
    before = listed(place)
    arguments: dict[str, Any] = {"config": place / "files", "replace": False, **changes}
    with pytest.raises(ConfigException, match=match):
        restore(source, unlock, place / "new", clock=CLOCK, **arguments)
    assert listed(place) == before


@pytest.mark.parametrize("part", [0.0, 0.001, 0.2, 0.5, 0.9, 0.99999])
def test_a_backup_that_was_cut_or_changed_anywhere_leaves_nothing(made: Path, tmp_path: Path, part: float) -> None:
    data = (made / "backup").read_bytes()
    at = int(len(data) * part)
    for damaged in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], data + b"x"):
        (tmp_path / "damaged").write_bytes(damaged)
        refused(tmp_path / "damaged", tmp_path, "damaged|no backup|passphrase is wrong")


def test_a_wrong_passphrase_is_told(made: Path, tmp_path: Path) -> None:
    refused(made / "backup", tmp_path, "the passphrase is wrong", QuickPassphrase(b"wrong"))


HOSTILE_NAMES = ("../evil", "state/../../evil", "/etc/evil", "state/evil", "config/../evil", "state/hub.sqlite3\0", "")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_no_hub_has_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    sources = {f"state/{each}": made / "state" / each for each in (STATE_FILE, AUDIT_FILE)}
    refused(archive(tmp_path, sources, {name: made / "state" / "audit.key"}), tmp_path, "files that no hub has")


def test_a_file_that_is_there_twice_or_lacks_its_end_or_is_not_what_is_said_is_refused(
    made: Path, tmp_path: Path
) -> None:
    sources = {f"state/{each}": made / "state" / each for each in (STATE_FILE, AUDIT_FILE)}
    refused(archive(tmp_path, {f"state/{AUDIT_FILE}": made / "state" / AUDIT_FILE}, {}), tmp_path, "lacks a database")
    twice = Manifest("0", "", "", tuple(entry(name, path) for name, path in (*sources.items(), *sources.items())))
    refused(archive(tmp_path, sources, {}, twice), tmp_path, "files that no hub has")
    other = archive(tmp_path, {}, {}, Manifest("0", "", "", (), format=2))
    refused(other, tmp_path, "format is not known")


def archive(place: Path, sources: dict[str, Path], more: dict[str, Path], manifest: Manifest | None = None) -> Path:
    """Write what somebody who knows the passphrase may write."""
    files = sources | more
    made_of = manifest or Manifest("0", "", "", tuple(entry(name, path) for name, path in files.items()))
    with (place / "archive").open("wb") as file:
        write_archive(SealingStream(file, SECRET), made_of, files)
    return place / "archive"


async def test_a_directory_in_use_or_not_empty_is_left_alone(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "new")):
        refused(made / "backup", tmp_path, "another hub uses", replace=True)
    refused(made / "backup", tmp_path, "is not empty", config=None)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hub.key").write_bytes(b"mine")
    refused(made / "backup", tmp_path, "hub.key exists")


async def test_with_force_the_old_files_are_kept_beside(certificates: Certificates, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "state", tmp_path / "new")
    (tmp_path / "new" / "mine").write_bytes(b"mine")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "hub.key").write_bytes(b"mine")
    restore(made / "backup", SECRET, tmp_path / "new", tmp_path / "files", CLOCK, replace=True)
    (old,) = tmp_path.glob("new.before-*")
    assert (old / "mine").read_bytes() == b"mine"
    assert (old / STATE_FILE).exists()
    assert not (tmp_path / "new" / "mine").exists()
    assert [path.read_bytes() for path in (tmp_path / "files").glob("before-*/hub.key")] == [b"mine"]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (tmp_path / "new").iterdir())
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "new")) as hub:
        assert hub.audit.gaps == []


async def test_a_trail_that_was_tampered_with_is_no_better_after_a_restore(
    certificates: Certificates, made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made / "state", tmp_path / "state")
    (tmp_path / "state" / AUDIT_FILE).unlink()
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "state")) as hub:
        assert hub.audit.gaps
    back_up(certificates, tmp_path / "state", tmp_path / "backup")
    restore(tmp_path / "backup", SECRET, tmp_path / "new", None, CLOCK, replace=False)
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
                assert store.head is not None
                witness.note(store.head)
        return open_one(path)

    monkeypatch.setattr(backup, "_reading", reading)
    back_up(certificates, state, tmp_path / "backup")
    store.close()
    witness.close()
    assert not moments
    restore(tmp_path / "backup", SECRET, tmp_path / "new", None, CLOCK, replace=False)
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "new")) as hub:
        assert hub.audit.check is not None
        await hub.audit.check.wait(10)
        assert hub.audit.gaps == []


def test_a_backup_is_not_written_over_and_not_half_written(
    certificates: Certificates, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backup").write_bytes(b"old")
    with pytest.raises(ConfigException, match="--force"):
        back_up(certificates, made / "state", tmp_path / "backup")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "write_archive", fail)
    with pytest.raises(ConfigException, match="No space left"):
        back_up(certificates, made / "state", tmp_path / "backup", replace=True)
    assert (tmp_path / "backup").read_bytes() == b"old"
    assert listed(tmp_path) == ["backup"]


async def test_by_hand_with_a_running_hub(certificates: Certificates, tmp_path: Path) -> None:
    hub = HubProcess(certificates, tmp_path / "state")
    (tmp_path / "passphrase").write_bytes(b"correct horse\n")
    (tmp_path / "passphrase").chmod(0o600)
    (tmp_path / "hub.toml").write_text(f'cert = "{certificates.cert}"\nkey = "{certificates.key}"\n')
    given = ("--passphrase-file", str(tmp_path / "passphrase"))
    target, state = str(tmp_path / "backup"), str(tmp_path / "state")
    await hub.start()
    try:
        config = ("--hub-config", str(tmp_path / "hub.toml"))
        made = await run("hub", "backup", target, "--state-dir", state, *config, *given)
        assert made[0] == 0
        assert "config/hub.toml" in made[1]
        busy = await run("hub", "restore", target, "--state-dir", state, "--force", *given)
        assert busy[0] == FAILURE
        assert "another hub uses" in busy[1]
    finally:
        hub.kill()
        await until(lambda: not hub.is_running)
    new, out = str(tmp_path / "new"), str(tmp_path / "out")
    restored = await run("hub", "restore", target, "--state-dir", new, "--out", out, *given)
    assert restored[0] == 0
    assert (tmp_path / "out" / "hub.toml").read_text() == (tmp_path / "hub.toml").read_text()
    verified = await run("audit", "verify", "--state-dir", new)
    assert verified[0] == 0, verified[1]
    assert "correct horse" not in made[1] + busy[1] + restored[1]


async def run(*words: str) -> tuple[int, str]:
    ran = await asyncio.to_thread(subprocess.run, [OMNYSHELL, *words], capture_output=True, text=True, timeout=30)
    return ran.returncode, ran.stdout + ran.stderr


def test_no_option_takes_a_passphrase_and_every_file_of_a_hub_has_a_plain_name() -> None:
    from omnyshell.services.hub.backup_options import BACKUP_OPTIONS, RESTORE_OPTIONS
    from omnyshell.services.hub.options import OPTIONS

    secret = [option.name for option in (*BACKUP_OPTIONS, *RESTORE_OPTIONS) if "passphrase" in option.name]
    assert set(secret) == {"--passphrase-file"}
    assert all(name.count("/") == 1 and ".." not in name for name in NAMES)
    assert {option.key for option in OPTIONS if option.kind == "file"} == set(SETTINGS)
