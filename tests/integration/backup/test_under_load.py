"""A backup that is made while many work is restored elsewhere, where its peers return."""

import asyncio
import stat
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from support.backups import ADMINS, LABELS, Work, at_work, back_up, by_key, enrol, findings, node_by_key, restore, texts
from support.stack import Certificates, access, hub_config, running_node

from omnyshell import ClientConfig, OmnyShellClient, OmnyShellHub
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.hub.audit import writer as audit_writer
from omnyshell.services.hub.enrolment.store import EnrolmentStore
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile

BACKUPS = 50
"""The most that are made until somebody was added meanwhile."""


async def test_its_peers_return_to_a_backup_made_while_fifty_clients_work(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Heads are signed all the time, between the copies of the two databases too.
    monkeypatch.setattr(audit_writer, "CHORES_PERIOD", 0.02)
    state, target, work = tmp_path / "state", tmp_path / "hub.backup", Work()
    person, machine = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(OmnyShellHub(hub_config(certificates, state_dir=state)))
        async with AdminClient(access(certificates, hub.port, "admin")) as admin:
            await enrol(admin, "ann", "admin", person)
            await enrol(admin, "box1", "node", machine)
        async with node_by_key(by_key(certificates, hub.port, "box1", machine), tmp_path, "web"):
            pass
        await stack.enter_async_context(running_node(certificates, hub.port, tmp_path / "busy", "busy", labels=LABELS))
        working = await at_work(stack, certificates, hub.port, work)
        # Where the disk is fast, one may be done before anybody was added.
        for turn in range(BACKUPS):
            before = set(work.added)
            manifest = await asyncio.to_thread(back_up, certificates, state, target, replace=True)
            after = set(work.added)
            if turn and before < after and work.commands:
                break
        assert not [task for task in working if task.done()]
        assert before < after
        assert work.commands
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert not [path for path in state.iterdir() if path.name.startswith(".")]

    elsewhere, files = tmp_path / "elsewhere", tmp_path / "files"
    restore(target, elsewhere, files)
    assert findings(elsewhere) == ()
    with closing(StateFile(elsewhere / STATE_FILE)) as file:
        known = {one.principal for one in EnrolmentStore(file).principals()}
    # A request that the hub was about to answer may be in it too, one of each admin.
    assert before <= known
    assert len(known - after - {"ann", "box1"}) <= ADMINS
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
    assert manifest.created_at in told[0]
    assert manifest.maker.uid in told[0]
    async with OmnyShellHub(hub_config(shown, state_dir=elsewhere)):
        pass
    assert len([text for text in texts(elsewhere) if '"hub.restored"' in text]) == 1
