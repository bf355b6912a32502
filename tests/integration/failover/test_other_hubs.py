"""Nodes and clients that go from one hub to another, of which they were told: plain hubs, which share nothing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.following import following
from support.stack import Certificates, access, connected_client, hub_config, running_node, until

from omnyshell import ClientConfig, OmnyShellClient, OmnyShellHub, TokenAuthenticator, TokenGrant
from omnyshell.errors import AuthException, TransportException
from omnyshell.model.hubs import OtherHub
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward
from omnyshell.services.client.states import LinkState
from omnyshell.services.dial import HubAccess
from omnyshell.services.known_hubs import KnownHubs
from omnyshell.transport.connection import HubAddress


class Two:
    """Two hubs; the first can be killed, as far as its peers see."""

    def __init__(self, first: OmnyShellHub, second: OmnyShellHub) -> None:
        self.first, self.second = first, second
        self.at_first, self.at_second = first.port, second.port
        for hub, other in ((first, second), (second, first)):
            told = (OtherHub(url=f"wss://127.0.0.1:{other.port}"),)
            # As a hub says them that is one of several.
            hub._services.hand_over._others = lambda told=told: told

    async def kill_first(self) -> None:
        endpoint = self.first._endpoint
        assert endpoint is not None
        await endpoint.stop_accepting()
        endpoint.abort_all()


@pytest.fixture
async def two(certificates: Certificates) -> AsyncIterator[Two]:
    async with OmnyShellHub(hub_config(certificates)) as first, OmnyShellHub(hub_config(certificates)) as second:
        yield Two(first, second)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.services.failover.SPREAD", 0.0)
    monkeypatch.setattr("omnyshell.services.node.node.SPREAD", 0.0)


def remembering(given: HubAccess, path: Path) -> HubAccess:
    return replace(given, known=KnownHubs(path))


async def test_a_command_goes_on_byte_for_byte_where_its_hub_dies(
    certificates: Certificates, two: Two, tmp_path: Path
) -> None:
    """A second and more: the node waits a moment before it dials."""
    async with (
        running_node(certificates, two.at_first, tmp_path / "node") as node,
        connected_client(certificates, two.at_first) as client,
    ):
        counting = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; done; read line; echo $line; exit 5"
        async with await client.open_session("n1", command=counting) as session:
            states: list[LinkState] = []
            session.on_state = states.append
            await two.kill_first()
            await session.write(b"typed meanwhile\n")
            output = b"".join([chunk.data async for chunk in session])
            assert (await session.wait()).code == 5
        assert output == b"".join(b"%d\n" % number for number in range(1, 2001)) + b"typed meanwhile\n"
        assert states == [LinkState.RECONNECTING, LinkState.RESUMED]
        assert node._hubs is not None
        assert node._hubs.at.port == two.at_second


async def test_a_forwarded_connection_goes_on_in_both_directions_where_its_hub_dies(
    certificates: Certificates, two: Two, tmp_path: Path
) -> None:
    """A second and more, as above. More is sent meanwhile than waits for a hub."""
    data = bytes(range(256)) * 4096

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    forward = Forward.parse(f"0:127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with (
        server,
        running_node(certificates, two.at_first, tmp_path / "node"),
        connected_client(certificates, two.at_first) as client,
        Forwarder(client, "n1", [forward]) as forwarder,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
        writer.write(data)
        echoed = await reader.readexactly(1000)
        await two.kill_first()
        writer.write(data)
        writer.write_eof()
        async with asyncio.timeout(DEADLINE):
            echoed += await reader.read()
        assert echoed == data + data
        writer.close()


async def test_who_starts_anew_knows_the_others_still(certificates: Certificates, two: Two, tmp_path: Path) -> None:
    given = remembering(access(certificates, two.at_first, "admin"), tmp_path / "known")
    async with OmnyShellClient(ClientConfig(access=given)):
        pass
    async with running_node(certificates, two.at_first, tmp_path / "node"):
        pass
    await two.kill_first()
    again = remembering(access(certificates, two.at_first, "admin"), tmp_path / "known")
    async with (
        running_node(certificates, two.at_first, tmp_path / "node"),
        OmnyShellClient(ClientConfig(access=again)) as client,
    ):
        assert (await client.execute("n1", "echo there")).stdout == b"there\n"


async def test_what_is_told_no_more_is_forgotten(certificates: Certificates, two: Two, tmp_path: Path) -> None:
    for told in (two.first._services.hand_over._others, tuple):
        two.first._services.hand_over._others = told
        given = remembering(access(certificates, two.at_first, "admin"), tmp_path / "known")
        async with OmnyShellClient(ClientConfig(access=given)):
            assert len(KnownHubs(tmp_path / "known").beside(str(given.address))) == len(told())


async def test_another_authority_is_refused_and_hears_no_token(
    certificates: Certificates, two: Two, tmp_path: Path
) -> None:
    strange = Certificates.made(tmp_path / "strange", "127.0.0.1")
    async with OmnyShellHub(hub_config(strange)) as false:
        given = access(certificates, two.at_first, "admin")
        given.known.note(str(given.address), (OtherHub(url=f"wss://127.0.0.1:{false.port}"),))
        await two.kill_first()
        with pytest.raises(TransportException, match="nothing listens"):
            await OmnyShellClient(ClientConfig(access=given)).connect()
        assert not [peer for peer in false._peers if peer.role]  # not even a hello was said to it


async def test_where_the_system_vouches_for_hubs_none_but_the_first_counts(
    certificates: Certificates, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    given = replace(access(certificates, two.at_first, "admin"), ca=None)
    async with OmnyShellClient(ClientConfig(access=given)):
        assert given.known.beside(str(given.address)) == ()


async def test_a_refusal_counts_by_the_hub_that_was_configured_alone(certificates: Certificates, two: Two) -> None:
    given = access(certificates, two.at_first, "admin")
    strict = hub_config(certificates, authenticator=TokenAuthenticator([TokenGrant.parse("box:box-token:node")]))
    async with OmnyShellHub(strict) as refusing:
        given.known.note(str(given.address), (OtherHub(url=f"wss://127.0.0.1:{refusing.port}"),))
        with pytest.raises(AuthException):
            await OmnyShellClient(
                ClientConfig(access=replace(given, address=HubAddress("127.0.0.1", refusing.port)))
            ).connect()
        await two.kill_first()
        with pytest.raises(TransportException, match="nothing listens"):
            await OmnyShellClient(ClientConfig(access=given)).connect()


async def test_peers_move_when_they_are_asked_to_and_what_they_do_goes_on(
    certificates: Certificates, two: Two, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running_node(certificates, two.at_first, tmp_path / "node"))
        client = await stack.enter_async_context(connected_client(certificates, two.at_first))
        session = await stack.enter_async_context(await client.open_session("n1", command="read line; echo $line"))
        two.first._services.hand_over.begin(0.1, asyncio.get_running_loop().time())
        await until(lambda: not list(two.first._peers))
        await session.write(b"over there\n")
        assert b"".join([chunk.data async for chunk in session]) == b"over there\n"
        assert {peer.role for peer in two.second._peers} == {"node", "client"}
        # Nobody registers there any more.
        await until(lambda: not two.first.nodes.online())


async def test_a_hub_that_is_reached_and_says_nothing_costs_its_time_once(
    certificates: Certificates, two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first command waits for is the test's time: a second at most."""
    monkeypatch.setattr("omnyshell.services.failover.SHORT_TIMEOUT", 0.4)
    monkeypatch.setattr("omnyshell.services.failover.SLOW", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as hole:
        given = access(certificates, hole.getsockname()[1], "admin")
        remembering(given, tmp_path / "known").known.note(
            str(given.address), (OtherHub(url=f"wss://127.0.0.1:{two.at_second}"),)
        )
        tries = []
        for _ in range(3):
            async with OmnyShellClient(ClientConfig(access=remembering(given, tmp_path / "known"))):
                tries.append(_accepted(hole))
        assert tries == [1, 0, 0]
        monkeypatch.setattr("omnyshell.services.known_hubs.SILENT_FOR", 0.0)
        async with OmnyShellClient(ClientConfig(access=remembering(given, tmp_path / "known"))):
            assert _accepted(hole) == 1


async def test_beside_a_hub_that_says_nothing_another_is_dialled_soon(
    certificates: Certificates, two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.failover.SILENT", 0.05)
    monkeypatch.setattr("omnyshell.services.failover.SHORT_TIMEOUT", 10 * DEADLINE)
    with socket.create_server(("127.0.0.1", 0)) as hole:
        given = access(certificates, hole.getsockname()[1], "admin")
        remembering(given, tmp_path / "known").known.note(
            str(given.address), (OtherHub(url=f"wss://127.0.0.1:{two.at_second}"),)
        )
        tries = []
        for _ in range(2):
            async with OmnyShellClient(ClientConfig(access=remembering(given, tmp_path / "known"))):
                tries.append(_accepted(hole))
                # The other one may take its time from now on.
                monkeypatch.setattr("omnyshell.services.failover.SILENT", 10 * DEADLINE)
                # On a slow machine a third attempt has begun, and is given up.
                await until(lambda: len([*two.first._peers, *two.second._peers]) == 1)
        assert tries == [1, 0]


def _accepted(server: socket.socket) -> int:
    """Take what has connected; returns how many did."""
    server.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


async def test_who_follows_a_hub_says_at_which_other_one_it_is_where_that_died(
    certificates: Certificates, two: Two
) -> None:
    async with following(certificates, two.at_first) as state:
        assert state.elsewhere == ""
        await two.kill_first()
        await until(lambda: state.elsewhere == f"wss://127.0.0.1:{two.at_second}")
