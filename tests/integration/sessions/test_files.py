"""Copying files through hub and node, in the words of SFTP."""

import asyncio
import os
from pathlib import Path

import pytest
from support.sftp_peer import DATA, INIT, OPEN, READ, REALPATH, Said, text, u32, u64
from support.stack import Certificates, stack, until, within

from omnyshell import OmnyShellClient, SessionRejectedException
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.extensions import OF_NODE, SFTP
from omnyshell.protocol.messages import SessionOpen
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.node import node as node_module
from omnyshell.services.node.environment import account
from omnyshell.services.node.files import service as service_module
from omnyshell.services.node.files.policy import FilesPolicy
from omnyshell.services.node.restriction.policy import CommandPolicy


class Transfer:
    """A session of files."""

    def __init__(self, session: RemoteSession) -> None:
        self.session = session
        self._heard = b""

    async def ask(self, kind: int, *parts: bytes) -> Said:
        """Send a request, and return its answer, without its number."""
        number = u32(7) if kind != INIT else b""
        self.session.send(text(bytes([kind]) + number + b"".join(parts)))
        size = int.from_bytes(await self._read(4), "big")
        data = await self._read(size)
        return Said(data[0], data[1 + len(number) :])

    async def _read(self, size: int) -> bytes:
        async with asyncio.timeout(20):
            while len(self._heard) < size:
                chunk = await anext(aiter(self.session))
                assert not chunk.is_stderr, chunk.data
                self._heard += chunk.data
        taken, self._heard = self._heard[:size], self._heard[size:]
        return taken


async def opened(client: OmnyShellClient, **fields: object) -> Transfer:
    request = SessionOpen(node_id="n1", mode=SessionMode.SFTP, **fields)
    transfer = Transfer(await within(client.open_as_asked(request, SFTP)))
    await transfer.ask(INIT, u32(3))
    return transfer


async def test_files_are_the_nodes_users_and_audited(certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    async with stack(certificates, tmp_path / "state") as (hub, _, client):
        transfer = await opened(client)
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
        transfer = await opened(client, **wishes)
        assert (await transfer.ask(REALPATH, text(b"."))).names == [os.fsencode(os.path.realpath(os.environ["HOME"]))]
        transfer.session.close()


@pytest.mark.parametrize(
    ("settings", "why", "code"),
    [
        ({"commands": CommandPolicy(("/usr/bin/id",))}, "nobody copies files", "not_authorized"),
        ({"files": FilesPolicy(is_offered=False)}, "copies no files", "not_authorized"),
    ],
)
async def test_a_node_may_copy_none(
    certificates: Certificates, tmp_path: Path, settings: dict[str, object], why: str, code: str
) -> None:
    async with stack(certificates, tmp_path, **settings) as (_, _, client):
        with pytest.raises(SessionRejectedException, match=why) as refused:
            await opened(client)
        assert refused.value.code == code
        (node,) = await within(client.list_nodes())
        assert SFTP not in node.capabilities.features


async def test_a_node_without_asyncssh_says_what_to_install(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "libraries", lambda: ())
    async with stack(certificates, tmp_path) as (_, _, client):
        with pytest.raises(SessionRejectedException, match=r"pip install 'omnyshell\[files\]' there"):
            await opened(client)


async def test_a_node_that_is_too_old_is_refused(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_module, "OF_NODE", OF_NODE - {SFTP})
    async with stack(certificates, tmp_path) as (_, _, client):
        with pytest.raises(SessionRejectedException, match="too old for copying files"):
            await opened(client)
