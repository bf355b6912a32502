"""Forwards through hub and node to targets of this machine."""

import asyncio
import hashlib
import math
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support.passing import passes
from support.stack import Certificates, access, connected_client, hub_config, running_node, stack, until, within

from omnyshell import AuthorizationException, ClientConfig, OmnyShellClient, OmnyShellHub, SessionRejectedException
from omnyshell.errors import ConfigException
from omnyshell.model.admin import SessionInfo
from omnyshell.model.targets import Target
from omnyshell.protocol.byte_text import is_text, shown
from omnyshell.protocol.messages.admin import LiveSessionsRequest, LiveSessionsResponse, SessionEnd
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.forwarding import connection as local
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward, Place
from omnyshell.services.client.forwarding.sessions import ask_for_connection, open_permission
from omnyshell.services.exposer.targets import TargetPatterns
from omnyshell.services.hub.sessions import kept_judge

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BIG = 8 * 1024 * 1024
_CONNECTIONS = 500


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each piece in capitals, until the other side has finished."""
    while data := await reader.read(65536):
        writer.write(data.upper())
        await writer.drain()
    writer.close()


async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, when all has come, with what it was."""
    found = hashlib.sha256()
    while data := await reader.read(65536):
        found.update(data)
    writer.write(found.hexdigest().encode())
    writer.close()


async def finish_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Finish writing at once, and note what comes all the same."""
    writer.write(b"that is all")
    writer.write_eof()
    heard.append(await reader.read())
    writer.close()


heard: list[bytes] = []


@asynccontextmanager
async def target(serve: Serve) -> AsyncIterator[Target]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, backlog=1024)
    async with server:
        yield Target("localhost", server.sockets[0].getsockname()[1])


@asynccontextmanager
async def forwarding(client: OmnyShellClient, to: Target, **how: Any) -> AsyncIterator[int]:
    async with Forwarder(client, "n1", [Forward(Place("127.0.0.1", 0), to)], **how) as forwarder:
        yield port_of(forwarder)


async def sessions_of(certificates: Certificates, hub: OmnyShellHub) -> tuple[SessionInfo, ...]:
    async with AdminClient(access(certificates, hub.port, "admin")) as admin:
        return (await admin.ask(LiveSessionsRequest(request_id=""), LiveSessionsResponse)).sessions


def reset_now(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def port_of(forwarder: Forwarder) -> int:
    port = forwarder.listening[0][0].port
    assert port
    return port


async def said(port: int, data: bytes) -> bytes:
    """What comes back for what is said, to the end of both."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    writer.write_eof()
    answer = await within(reader.read())
    writer.close()
    return bytes(answer)


async def test_bytes_go_both_ways_and_each_side_finishes_by_itself(certificates: Certificates, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(BIG)
    async with stack(certificates, tmp_path) as (_, _, client):
        async with target(shout) as to, forwarding(client, to) as port:
            assert await said(port, b"hello") == b"HELLO"
        async with target(digest) as to, forwarding(client, to) as port:
            assert await said(port, data) == hashlib.sha256(data).hexdigest().encode()
        async with target(finish_first) as to, forwarding(client, to) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await within(reader.read()) == b"that is all"
            writer.write(b"still")
            writer.write_eof()
            await until(lambda: heard == [b"still"])
            writer.close()


async def test_a_reset_is_one_on_the_other_side(certificates: Certificates, tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reset_now(writer)

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        try:
            await reader.read()
        finally:
            writer.close()
            ended.set()

    async with stack(certificates, tmp_path) as (_, _, client):
        async with target(reset) as to, forwarding(client, to) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await within(reader.read())
            writer.close()
        async with target(wait) as to, forwarding(client, to) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await within(reader.read(1))
            reset_now(writer)
            await within(ended.wait())


async def test_hundreds_connect_at_once(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, _, client),
        target(shout) as to,
        forwarding(client, to) as port,
    ):
        texts = [f"number {number}".encode() for number in range(_CONNECTIONS)]
        answers = await asyncio.gather(*(said(port, text) for text in texts))
        assert answers == [text.upper() for text in texts]
        # Each of them has gone, and no list ever shows it.
        (session,) = await sessions_of(certificates, hub)
        assert session.mode == "forward"
        assert session.bytes_in == session.bytes_out == sum(map(len, texts))


async def test_hundreds_use_a_proxy_at_once(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path) as (_, _, client),
        target(shout) as to,
        Forwarder(client, "n1", socks=[Place("127.0.0.1", 0)]) as forwarder,
    ):
        asked = b"\x05\x01\x00\x05\x01\x00\x03\x09localhost" + to.port.to_bytes(2, "big")
        texts = [f"number {number}".encode() for number in range(_CONNECTIONS)]
        answers = await asyncio.gather(*(said(port_of(forwarder), asked + text) for text in texts))
        assert {answer[:12] for answer in answers} == {bytes((5, 0, 5, 0, 0, 1)) + bytes(6)}
        assert [answer[12:] for answer in answers] == [text.upper() for text in texts]


async def test_who_tells_a_proxy_nothing_has_to_go(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        stack(certificates, tmp_path) as (_, _, client),
        target(shout) as to,
        Forwarder(client, "n1", socks=[Place("127.0.0.1", 0)]) as forwarder,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(local, "GREETING_TIMEOUT", 0.05)
            for start in (b"", b"\x05", b"\x05\x01\x00", b"\x05\x01\x00\x05\x01\x00\x03\x09local"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(forwarder))
                writer.write(start)
                with suppress(ConnectionResetError):
                    assert await within(reader.read()) in (b"", b"\x05\x00"), start
                writer.close()
        # Whoever has said it may take any time.
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(forwarder))
        writer.write(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + to.port.to_bytes(2, "big"))
        await within(reader.readexactly(12))
        await passes(local.GREETING_TIMEOUT)
        writer.write(b"late")
        assert await within(reader.readexactly(4)) == b"LATE"
        writer.close()


async def test_a_forward_has_so_many_connections_and_no_more(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MOST_CONNECTIONS", 1)
    told: list[str] = []
    async with (
        stack(certificates, tmp_path) as (_, _, client),
        target(shout) as to,
        forwarding(client, to, tell=told.append) as port,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await within(reader.readexactly(1)) == b"X"
        other, others_writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionResetError):
            assert await within(other.read()) == b""
        others_writer.close()
        assert [text.split(",")[0] for text in told] == ["there are 1 connections"]
        writer.close()


async def test_connections_that_their_clients_leave_are_known_no_longer_than_until_the_node_is_asked(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_judge, "ASK_AGAIN", 0.1)
    async with stack(certificates, tmp_path) as (hub, node, client), target(shout) as to:
        async with forwarding(client, to) as port:
            kept, opened = hub._services.kept, [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            await until(lambda: len(node._sessions.running()) == len(opened) + 1)
            for _, writer in opened:
                reset_now(writer)
            # What is left is the permission of the forward.
            await until(lambda: (len(node._sessions.running()), len(kept.at("n1")), kept.gone("n1")) == (1, 1, []))
        await until(lambda: not (kept.at("n1") or kept.gone("n1")))


async def test_what_cannot_be_listened_on_is_said_once(certificates: Certificates, tmp_path: Path) -> None:
    there = Target("localhost", 80)
    async with stack(certificates, tmp_path / "node") as (_, _, client):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for place, said in (
                (Place("127.0.0.1", port), "the port is in use; choose another, or 0 for a free one"),
                (Place("192.0.2.1", port), "Cannot assign requested address"),
                (Place("nowhere.invalid", port), "Name or service not known"),
                (Place(str(tmp_path / "no" / "socket"), None), "No such file or directory"),
                (Place(str(tmp_path / "node"), None), "something of that name is there, and is left as it is"),
            ):
                with pytest.raises(ConfigException) as caught:
                    async with Forwarder(client, "n1", [Forward(place, there)]):
                        pass
                assert caught.value.message == f"cannot listen on {place}: {said}"


async def test_unix_sockets_on_either_side(certificates: Certificates, tmp_path: Path) -> None:
    there, here = tmp_path / "there.sock", tmp_path / "here.sock"
    server = await asyncio.start_unix_server(shout, there)
    policy = TargetPatterns([f"{tmp_path}/there.*"])
    async with server, stack(certificates, tmp_path / "node", targets=policy) as (_, _, client):
        forward = Forward(Place(str(here), None), Target(str(there), 0))
        async with Forwarder(client, "n1", [forward]):
            assert here.stat().st_mode & 0o777 == 0o600
            reader, writer = await asyncio.open_unix_connection(here)
            writer.write(b"hello")
            writer.write_eof()
            assert await within(reader.read()) == b"HELLO"
            writer.close()
            with pytest.raises(ConfigException, match="somebody does already"):
                async with Forwarder(client, "n1", [forward]):
                    pass
        assert not here.exists()
        # What a killed one has left is in nobody's way.
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(here))
        left.close()
        async with Forwarder(client, "n1", [forward]):
            pass


async def test_paths_are_bytes(certificates: Certificates, tmp_path: Path) -> None:
    names = ["with space", "a:80", "n\udcffo text", "\udcc3", "ü", "new\nline", "\x1b[31m", "'\"$(id)%s"]
    async with stack(certificates, tmp_path / "node", targets=TargetPatterns([f"{tmp_path}/*"])) as (hub, _, client):
        for name in names:
            there, here = str(tmp_path / name), str(tmp_path / f"{name}.here")
            async with (
                await asyncio.start_unix_server(shout, there),
                Forwarder(client, "n1", [Forward.parse(f"{here}:{there}")]),
            ):
                reader, writer = await asyncio.open_unix_connection(here)
                writer.write(b"hello")
                writer.write_eof()
                assert await within(reader.read()) == b"HELLO", name
                writer.close()
                audited = [record.detail for record in hub.audit if record.action == "forward.connect"]
                assert is_text(name) or audited[-1] == shown(there)


async def test_a_path_is_what_its_links_lead_to_and_never_a_keeper(certificates: Certificates, tmp_path: Path) -> None:
    allowed, kept = tmp_path / "allowed", tmp_path / "node" / "keeper"
    allowed.mkdir()
    kept.mkdir(parents=True)
    (allowed / "deep").mkdir()
    places = [allowed / "there", allowed / "deep" / "there", tmp_path / "elsewhere", kept / "socket"]
    policy = TargetPatterns([f"{allowed}/*", f"{kept}/*"])
    async with AsyncExitStack() as stack_:
        for place in places:
            await stack_.enter_async_context(await asyncio.start_unix_server(shout, place))
        (allowed / "link").symlink_to(allowed / "there")
        (allowed / "away").symlink_to(tmp_path / "elsewhere")
        (allowed / "to-keeper").symlink_to(kept / "socket")
        _, _, client = await stack_.enter_async_context(stack(certificates, tmp_path / "node", targets=policy))
        permission = await stack_.enter_async_context(await open_permission(client, "n1", [], "test"))

        async def outcome(place: Path) -> str:
            try:
                async with ask_for_connection(client, permission, Target(str(place), 0)) as session:
                    await client.until_open(session)
                    return "open"
            except SessionRejectedException as exc:
                return exc.code or ""

        assert [await outcome(allowed / name) for name in ("there", "link")] == ["open", "open"]
        for place in (*places[1:], allowed / "away", allowed / "to-keeper"):
            assert await outcome(place) == "forbidden"
        assert await outcome(allowed / "missing") == "dial_failed"


async def refused(client: OmnyShellClient, to: Target) -> str:
    with pytest.raises((SessionRejectedException, AuthorizationException)) as refusal:
        async with forwarding(client, to):
            pass
    return refusal.value.code or ""


async def test_node_and_hub_each_have_their_say(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client):
        for to in (Target("example.org", 80), Target("10.0.0.1", 22), Target("/run/x.sock", 0), Target("/a/../b", 0)):
            assert await refused(client, to) == "forbidden"
        async with connected_client(certificates, hub.port, "dev") as dev:
            assert await refused(dev, Target("localhost", 80)) == "not_authorized"
        *by_node, by_hub = [record for record in hub.audit if record.outcome == "denied"]
        assert [record.reason for record in by_node] == ["forbidden"] * 4
        assert (by_hub.reason, by_hub.detail) == ("not_authorized", "forward")


async def test_a_proxy_leads_to_what_its_client_names(certificates: Certificates, tmp_path: Path) -> None:
    told: list[str] = []
    async with stack(certificates, tmp_path) as (_, _, client), target(shout) as to:
        async with Forwarder(client, "n1", socks=[Place("127.0.0.1", 0)], tell=told.append) as forwarder:
            for host, port, answer in (("localhost", to.port, 0), ("localhost", 1, 4), ("other.example", 80, 2)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(forwarder))
                name = bytes([len(host)]) + host.encode()
                writer.write(b"\x05\x01\x00\x05\x01\x00\x03" + name + port.to_bytes(2, "big") + b"early")
                head = await within(reader.readexactly(12))
                assert head[:4] == bytes((5, 0, 5, answer))
                if answer == 0:
                    writer.write_eof()
                    assert await within(reader.read()) == b"EARLY"
                else:
                    assert await within(reader.read()) == b""
                writer.close()
            async with target(finish_first) as greets:
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(forwarder))
                writer.write(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + greets.port.to_bytes(2, "big"))
                # Its answer comes before what the target says by itself.
                assert await within(reader.read()) == b"\x05\x00\x05\x00\x00\x01" + bytes(6) + b"that is all"
                writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(forwarder))
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await within(reader.read()) == b""
            writer.close()
        assert told == [
            "cannot connect to localhost:1: Connection refused",
            "other.example:80 is not among the targets that this node allows",
            "the proxy has refused a program: It does not speak SOCKS 5, as `socks5h://` has it do",
        ]


async def test_connections_go_on_over_a_restart_of_the_hub(certificates: Certificates, tmp_path: Path) -> None:
    """Who connects while there is no hub waits for it."""
    config = hub_config(certificates, state_dir=tmp_path / "hub")
    async with target(shout) as to:
        hub = OmnyShellHub(config)
        await hub.start()
        port = hub.port
        patient = ClientConfig(
            access=access(certificates, port, "admin"), reconnect_timeout=math.inf, node_timeout=math.inf
        )
        async with (
            running_node(certificates, port, tmp_path / "node") as node,
            OmnyShellClient(patient) as client,
            forwarding(client, to) as place,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", place)
            writer.write(b"before ")
            assert await within(reader.readexactly(7)) == b"BEFORE "
            await until(lambda: len(node._sessions._ahead) == 1)
            await hub.stop()
            writer.write(b"meanwhile ")
            late = asyncio.create_task(said(place, b"late"))
            async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub", port=port)):
                assert await within(reader.readexactly(10)) == b"MEANWHILE "
                assert await within(late) == b"LATE"
                await until(lambda: len(node._sessions._ahead) == 1)
                (listed,) = await client.forwards.list()
                assert listed.places.endswith(f" -> {to}")
                writer.write_eof()
                assert await within(reader.read()) == b""
                writer.close()


async def test_a_connection_does_not_wait_for_ever_for_what_is_lost(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "AWAY_TIMEOUT", 0.05)
    hub = OmnyShellHub(hub_config(certificates))
    await hub.start()
    patient = ClientConfig(access=access(certificates, hub.port, "admin"), reconnect_timeout=math.inf)
    async with (
        target(shout) as to,
        running_node(certificates, hub.port, tmp_path),
        OmnyShellClient(patient) as client,
        forwarding(client, to) as port,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await within(reader.readexactly(1))
        await hub.stop()
        with pytest.raises(ConnectionResetError):
            await within(reader.read())
        writer.close()


async def test_a_restarted_node_is_asked_again(certificates: Certificates, tmp_path: Path) -> None:
    """For connections ahead too, as soon as there is the permission again."""
    async with OmnyShellHub(hub_config(certificates)) as hub, target(shout) as to:
        patient = ClientConfig(access=access(certificates, hub.port, "admin"), node_timeout=math.inf)
        async with OmnyShellClient(patient) as client:
            forward = Forward(Place("127.0.0.1", 0), to)
            async with running_node(certificates, hub.port, tmp_path) as node:
                forwarder = await Forwarder(client, "n1", [forward]).__aenter__()
                serving = asyncio.create_task(forwarder.serve())
                assert await said(port_of(forwarder), b"one") == b"ONE"
                await until(lambda: len(node._sessions._ahead) == 1)
            async with running_node(certificates, hub.port, tmp_path) as other:
                assert await said(port_of(forwarder), b"two") == b"TWO"
                await until(lambda: len(other._sessions._ahead) == 1)
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                await forwarder.close()


async def test_an_administrator_ends_a_forward_with_its_connections(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        stack(certificates, tmp_path) as (hub, _, client),
        target(shout) as to,
        Forwarder(client, "n1", [Forward(Place("127.0.0.1", 0), to)]) as forwarder,
    ):
        serving = asyncio.create_task(forwarder.serve())
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(forwarder))
        writer.write(b"x")
        await within(reader.readexactly(1))
        async with AdminClient(access(certificates, hub.port, "admin")) as admin:
            (session,) = (await admin.ask(LiveSessionsRequest(request_id=""), LiveSessionsResponse)).sessions
            await admin.do(SessionEnd(request_id="", session_ref=session.session_id))
        with pytest.raises(ConnectionResetError):
            await within(reader.read())
        with pytest.raises(Exception, match="ended"):
            await within(serving)
        writer.close()
