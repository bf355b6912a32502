"""Copying files through hub and node, in the words of SFTP."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.hub_process import hub_process
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.sftp_peer import (
    CREATING,
    CUTTING,
    DATA,
    FOR_WRITING,
    NO_ATTRS,
    OK,
    OPEN,
    READ,
    REALPATH,
    WRITE,
    Transfer,
    text,
    u32,
    u64,
)  # fmt: skip
from support.stack import Certificates, connected_client, hub_config, running_node, stack, until, within

from omnyshell import OmnyShellClient, OmnyShellHub, OmnyShellNode, SessionRejectedException
from omnyshell.protocol.extensions import OF_NODE, SFTP
from omnyshell.services.node import node as node_module
from omnyshell.services.node.config import Keeping
from omnyshell.services.node.environment import account
from omnyshell.services.node.files import service as service_module
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.restriction.policy import CommandPolicy
from omnyshell.transport.backoff import Backoff, BackoffTimes

LABELS = {"allow-roles": "developer"}


class Scene(NamedTuple):
    """All that a transfer hangs on."""

    certificates: Certificates
    hub: OmnyShellHub
    node: OmnyShellNode
    client: OmnyShellClient
    transfer: Transfer


async def test_files_are_the_nodes_users_and_audited(certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    async with stack(certificates, tmp_path / "state") as (hub, _, client):
        transfer = await Transfer.opened(client)
        handle = (await transfer.ask(OPEN, text(os.fsencode(tmp_path / "file")), u32(1, 0))).data
        said = await transfer.ask(READ, text(handle), u64(0), u32(100))
        assert (said.kind, said.data) == (DATA, b"content")
        transfer.session.close()
        await until(lambda: any(record.action == "session.close" for record in hub.audit))
        begun, ended = (record for record in hub.audit if record.session_id)
        assert (begun.action, begun.detail) == ("files.open", f"sftp as {account().name}")
        assert ended.detail.startswith("sftp ")
        assert ended.detail.endswith(" out")


async def test_a_transfer_gets_nothing_that_its_client_says_of_it(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        wishes = {"command": "/bin/sh", "args": ("-c", "id"), "env": {"HOME": "/nowhere"}, "cwd": str(tmp_path)}
        transfer = await Transfer.opened(client, **wishes)
        assert (await transfer.ask(REALPATH, text(b"."))).names == [os.fsencode(os.path.realpath(os.environ["HOME"]))]
        transfer.session.close()


@pytest.mark.parametrize(
    ("settings", "why", "code"),
    [
        ({"commands": CommandPolicy(("/usr/bin/id",))}, "nobody copies files", "not_authorized"),
        (
            {"files": FilesPolicy(is_offered=False)},
            "copies no files for anybody, as its operator has said",
            "session_rejected",
        ),
    ],
)
async def test_a_node_may_copy_none(
    certificates: Certificates, tmp_path: Path, settings: dict[str, object], why: str, code: str
) -> None:
    async with stack(certificates, tmp_path, **settings) as (_, _, client):
        with pytest.raises(SessionRejectedException, match=why) as refused:
            await Transfer.opened(client)
        assert refused.value.code == code
        (node,) = await within(client.list_nodes())
        assert SFTP not in node.capabilities.features


async def test_a_node_without_asyncssh_says_what_to_install(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "library", lambda: "")
    async with stack(certificates, tmp_path) as (_, _, client):
        with pytest.raises(SessionRejectedException, match=r"pip install 'omnyshell\[files\]' there"):
            await Transfer.opened(client)


async def test_a_node_that_is_too_old_is_refused(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "OF_NODE", OF_NODE - {SFTP})
    async with stack(certificates, tmp_path) as (_, _, client):
        with pytest.raises(SessionRejectedException, match="too old for copying files"):
            await Transfer.opened(client)


async def close(scene: Scene) -> None:
    scene.transfer.session.close()


async def lose(scene: Scene) -> None:
    await scene.client.close()


async def stop(scene: Scene) -> None:
    scene.node.stop()


async def lock(scene: Scene) -> None:
    async with logged_in(scene.certificates, scene.hub.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.lock.add", kind="principal", name="dev"))["ok"]


@pytest.mark.parametrize("ends", [close, lose, stop, lock])
async def test_a_process_ends_with_its_transfer(
    certificates: Certificates, tmp_path: Path, ends: Callable[[Scene], Awaitable[None]]
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub")) as hub,
        running_node(certificates, hub.port, tmp_path, keeping=Keeping(exec_timeout=0.1), labels=LABELS) as node,
        connected_client(certificates, hub.port, "dev") as client,
    ):
        transfer = await Transfer.opened(client)
        process = await transfer.pid()
        assert process.exists()
        await ends(Scene(certificates, hub, node, client, transfer))
        await until(lambda: not process.exists())


async def test_a_transfer_goes_on_over_a_hub_that_is_killed_and_started_anew(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = BackoffTimes(0.05, 0.2, 0.2)
    monkeypatch.setattr("omnyshell.services.node.node.Backoff", lambda: Backoff(times=times))
    block = os.urandom(200_000)
    async with (
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
        connected_client(certificates, hub.port) as client,
    ):
        transfer = await Transfer.opened(client)
        flags = u32(FOR_WRITING | CREATING | CUTTING)
        handle = (await transfer.ask(OPEN, text(os.fsencode(tmp_path / "file")), flags, NO_ATTRS)).data
        assert (await transfer.ask(WRITE, text(handle), u64(0), text(block))).code == OK
        hub.kill()
        writing = asyncio.create_task(transfer.ask(WRITE, text(handle), u64(len(block)), text(block)))
        await hub.start()
        assert (await writing).code == OK
        assert (tmp_path / "file").read_bytes() == 2 * block
        transfer.session.close()
