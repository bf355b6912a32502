"""Whatever is opened at a hub that cannot reach that of the node is opened at another hub, which the client goes to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.engine import Engine
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, connected_client, running_node, until

from omnyshell import OmnyShellClient, PtySpec, SessionMode
from omnyshell.services.client.files.link import open_link
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward

SIZE = PtySpec(cols=80, rows=24)


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    """Hubs that say where peers reach them, and have no link."""
    async with two_hubs(certificates, tmp_path / "hubs", engine, reached=True) as made:
        yield made


async def test_all_kinds_of_openings_go_to_the_hub_that_has_the_node(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    """Seconds: two hubs are founded once for all of it."""
    a, b = hubs.running["a"], hubs.running["b"]
    await until(a._services.hand_over.is_any_there)
    async with running_node(certificates, b.port, tmp_path / "node"):
        await until(lambda: "n1" in hubs.described_at("a"))
        for name, kind in KINDS.items():
            async with connected_client(certificates, a.port) as client:
                await asyncio.wait_for(kind(client, tmp_path), DEADLINE)
                assert client._hubs._dialler.at.port == b.port, name
        await _many_go_together(certificates, a.port)


async def _exec(client: OmnyShellClient, _folder: Path) -> None:
    assert (await client.execute("n1", "cat", stdin=b"given")).stdout == b"given"


async def _shell(client: OmnyShellClient, _folder: Path) -> None:
    async with await client.open_session("n1", mode=SessionMode.SHELL, command="echo there", pty=SIZE) as shell:
        assert b"there" in b"".join([chunk.data async for chunk in shell])


async def _copy(client: OmnyShellClient, folder: Path) -> None:
    link = await open_link(client, "n1")
    names, _ = await link.sftp.realpath(str(folder).encode())
    assert names[0].filename == str(folder).encode()
    await link.close()


async def _forward(client: OmnyShellClient, _folder: Path) -> None:
    """What is written before the connection is open goes along."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Forwarder(client, "n1", [Forward.parse(f"0:127.0.0.1:{port}")]) as forwarder:
        reader, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
        writer.write(b"early")
        writer.write_eof()
        assert await reader.read() == b"early"
        writer.close()


KINDS = {"exec": _exec, "shell": _shell, "cp": _copy, "forward": _forward}


async def _many_go_together(certificates: Certificates, port: int) -> None:
    """The client goes once, as nobody leaves while others are asked for."""
    async with connected_client(certificates, port) as client:
        results = await asyncio.gather(*(client.execute("n1", f"echo {number}") for number in range(8)))
        assert [result.stdout for result in results] == [b"%d\n" % number for number in range(8)]
