"""Tunnels of a real hub, with clients and exposers that know the wire specification alone."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_range
from support.raw_peer import STDERR, STDIN, STDOUT, RawPeer, logged_in, registered
from support.stack import OPEN_TUNNELS, Certificates, hub_config, until, within

from omnyshell import OmnyShellHub
from omnyshell.services.hub.tunnels.broker import TunnelBroker

CREDIT, PIECE = 262_144, 65_536
FEATURES = {"features": ["tunnel"]}
FIRST_LOCAL = 0x4000_0000
INFO_KEYS = {"tunnelId", "nodeId", "ownerUserId", "targetHost", "targetPort", "publicHost", "publicPort", "createdAt"}


@pytest.fixture
async def hub(certificates: Certificates) -> AsyncIterator[OmnyShellHub]:
    """A hub with ports for tunnels that must not log a traceback whatever its peers do."""
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", **OPEN_TUNNELS)
    async with OmnyShellHub(config) as started:
        yield started
    assert problems == []


@asynccontextmanager
async def exposing(
    certificates: Certificates, hub: OmnyShellHub, features: tuple[str, ...] = ("tunnel-eof",), **extra: Any
) -> AsyncIterator[tuple[RawPeer, RawPeer]]:
    """A client of an admin, and a node that serves tunnels."""
    async with (
        registered(certificates, hub.port, features=features, **extra) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        await node.say("node.capabilities", FEATURES)
        await node.still_there()
        yield client, node


async def ask(client: RawPeer, **request: Any) -> Any:
    await client.say("tunnel.open.request", {"requestId": "r", "nodeId": "n1", "targetPort": 80, **request})
    return await client.hear()


async def opened(client: RawPeer, **request: Any) -> Any:
    answer = await ask(client, **request)
    assert answer["t"] == "tunnel.opened", answer
    assert answer["d"]["requestId"] == "r"
    return answer["d"]


async def reason(client: RawPeer, **request: Any) -> str:
    answer = await ask(client, **request)
    assert answer["t"] == "tunnel.rejected", answer
    assert answer["d"]["requestId"] == "r"
    assert answer["d"]["message"]
    return str(answer["d"]["reason"])


async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await within(asyncio.open_connection("127.0.0.1", port))


async def accepted(node: RawPeer, tunnel: Any) -> int:
    """Take the hub's request for a connection; returns its channel."""
    asked = await node.hear("node.tunnel.connect")
    assert asked["d"]["tunnelId"] == tunnel["tunnelId"]
    await node.say("node.tunnel.connected", {"tunnelId": tunnel["tunnelId"]}, asked["c"])
    return int(asked["c"])


async def hear_data(peer: RawPeer, channel: int, size: int) -> bytes:
    """Read so many bytes of stdin on a channel."""
    data = b""
    while len(data) < size:
        raw = await peer.hear()
        assert isinstance(raw, bytes), raw
        version, opcode, found, length = struct.unpack(">BBII", raw[:10])
        assert (version, opcode, found, length) == (1, STDIN, channel, len(raw) - 10)
        assert 0 < length <= 65536
        data += raw[10:]
    assert len(data) == size
    return data


async def hear_windows(peer: RawPeer, channel: int, total: int) -> None:
    """Read grants for stdout until they sum up."""
    granted = 0
    while granted < total:
        window = await peer.hear("channel.window")
        assert (window["c"], window["d"]["stream"]) == (channel, "stdout")
        granted += window["d"]["credit"]
    assert granted == total


async def test_reasons_come_in_their_order(certificates: Certificates) -> None:
    ports = free_range()
    wrong = {"secure": True, "protocol": "gopher", "nodeId": "nowhere", "publicPort": 1, "targetPort": 80}
    async with (
        OmnyShellHub(hub_config(certificates)) as none,
        logged_in(certificates, none.port, "client", "dev") as client,
    ):
        assert await reason(client, **wrong) == "tunnel_disabled"
    config = hub_config(
        certificates, tunnel_ports=ports, secure_tunnels=False, host="127.0.0.1", open_node_tunnels=True
    )
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "dev") as client:
        assert await reason(client, **wrong) == "secure_unavailable"
        assert await reason(client, **(wrong | {"secure": False})) == "unsupported_protocol"
        wrong = {"nodeId": "nowhere", "publicPort": 1}
        assert await reason(client, **wrong) == "node_offline"
        for local in ("@local", ""):
            assert await reason(client, **(wrong | {"nodeId": local})) == "not_authorized"
        labels = {"allow-roles": "developer"}
        async with (
            registered(certificates, hub.port, "secret") as _,
            registered(certificates, hub.port, "old", labels=labels) as old,
        ):
            assert await reason(client, **(wrong | {"nodeId": "secret"})) == "not_authorized"
            # Who has not said what it serves may serve tunnels.
            assert await reason(client, **(wrong | {"nodeId": "old"})) == "port_out_of_range"
            await old.say("node.capabilities", {"features": ["exec"]})
            await old.still_there()
            assert await reason(client, **(wrong | {"nodeId": "old"})) == "unsupported"
            await old.say("node.capabilities", FEATURES)
            await old.still_there()
            for port in (1, 0, -5, ports.first - 1, ports.last + 1, 2**40):
                assert await reason(client, nodeId="old", publicPort=port) == "port_out_of_range"
            tunnel = await opened(client, nodeId="old", publicPort=ports.last)
            assert tunnel["publicPort"] == ports.last
            assert await reason(client, nodeId="old", publicPort=ports.last) == "port_in_use"
            for port in (0, -1, 65536, 2**40):
                assert await reason(client, nodeId="old", targetPort=port) == "bad_request"
            assert await reason(client, nodeId="old", targetHost="") == "bad_request"
            assert await reason(client, nodeId="old", targetHost="a\r\nb") == "bad_request"
        rejected = [(record.reason, record.principal) for record in hub.audit if record.action == "tunnel.rejected"]
        assert ("port_in_use", "dev") in rejected
        assert len(rejected) == 21


async def test_ports_run_out_and_those_of_other_programs_are_skipped(certificates: Certificates) -> None:
    ports = free_range(3)
    with socket.create_server(("127.0.0.1", ports.first)):
        config = hub_config(certificates, tunnel_ports=ports, host="127.0.0.1")
        async with OmnyShellHub(config) as hub, exposing(certificates, hub) as (client, _):
            assert await reason(client, publicPort=ports.first) == "port_in_use"
            assert (await opened(client))["publicPort"] == ports.first + 1
            assert (await opened(client))["publicPort"] == ports.first + 2
            assert await reason(client) == "port_in_use"


async def test_a_tunnel_is_opened_listed_and_closed(certificates: Certificates) -> None:
    config = hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1", tunnel_public_host="pub.example")
    async with OmnyShellHub(config) as hub, exposing(certificates, hub) as (client, node):
        await client.say("tunnel.list.request", {"requestId": "l"})
        assert (await client.hear("tunnel.list.response"))["d"] == {"requestId": "l", "tunnels": []}
        first = await opened(client, targetHost="db", targetPort=5432)
        assert set(first) == {"requestId", "tunnelId", "publicHost", "publicPort"}
        assert first["publicHost"] == "pub.example"
        assert len(first["tunnelId"]) == 43
        second = await opened(client, secure=True, protocol="HTTP")
        assert (second["secure"], second["protocol"]) == (True, "http")
        await client.say("tunnel.list.request", {"requestId": "l"})
        listed = (await client.hear("tunnel.list.response"))["d"]["tunnels"]
        assert [set(info) for info in listed] == [INFO_KEYS, INFO_KEYS | {"secure", "protocol"}]
        assert listed[0]["ownerUserId"] == "admin"
        assert (listed[0]["nodeId"], listed[0]["targetHost"], listed[0]["targetPort"]) == ("n1", "db", 5432)
        async with logged_in(certificates, hub.port, "client", "dev") as other:
            await other.say("tunnel.list.request", {"requestId": "l"})
            assert (await other.hear("tunnel.list.response"))["d"]["tunnels"] == []
            await other.say("tunnel.close.request", {"requestId": "c", "tunnelRef": first["tunnelId"]})
            refused = (await other.hear("tunnel.close.response"))["d"]
            assert refused["ok"] is False
            assert refused["message"]
        for ref in ("", "~", first["tunnelId"] + "x"):
            await client.say("tunnel.close.request", {"requestId": "c", "tunnelRef": ref})
            assert (await client.hear("tunnel.close.response"))["d"]["ok"] is False
        reader, writer = await dial(first["publicPort"])
        channel = await accepted(node, first)
        async with logged_in(certificates, hub.port, "client", "admin") as again:
            await again.say("tunnel.close.request", {"requestId": "c", "tunnelRef": first["tunnelId"][:8]})
            assert (await again.hear("tunnel.close.response"))["d"] == {"requestId": "c", "ok": True}
        closed = await node.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (channel, "tunnel_closed")
        with pytest.raises(ConnectionError):
            await dial(first["publicPort"])
        assert await within(reader.read()) == b""
        writer.close()
        actions = [record.action for record in hub.audit]
        assert actions.count("tunnel.open") == 2
        assert actions.count("tunnel.close") == 1


async def test_an_empty_public_host_stands_for_the_hubs_own(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, _):
        assert (await opened(client))["publicHost"] == ""


async def test_bytes_travel_both_ways_with_half_closes(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client, targetHost="db", targetPort=5432)
        reader, writer = await dial(tunnel["publicPort"])
        writer.write(b"early")
        asked = await node.hear("node.tunnel.connect")
        assert asked["d"] == {
            "tunnelId": tunnel["tunnelId"], "targetHost": "db", "targetPort": 5432, "principal": "admin",
        }  # fmt: skip
        channel = asked["c"]
        await node.send_data(STDOUT, channel, b"nothing flows before it is connected")
        await node.still_there()
        await node.say("node.tunnel.connected", {"tunnelId": tunnel["tunnelId"]}, channel)
        assert await hear_data(node, channel, 5) == b"early"
        await node.send_data(STDOUT, channel, b"hello")
        assert await within(reader.readexactly(5)) == b"hello"
        await hear_windows(node, channel, 5)
        writer.write_eof()
        assert await node.hear("channel.eof") == {"t": "channel.eof", "c": channel, "d": {"stream": "stdin"}}
        await node.send_data(STDERR, channel, b"no such stream here")
        await node.send_data(STDOUT, channel, b"a late answer")
        await node.say("channel.close", {"reason": "target_closed"}, channel)
        assert await within(reader.read()) == b"a late answer"
        writer.close()
        counters = hub.tunnels.tunnels[0].counters
        await until(lambda: counters.connections_now == 0)
        assert (counters.connections_total, counters.bytes_in, counters.bytes_out) == (1, 5, 18)


async def test_a_target_that_finishes_first_can_still_be_written_to(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        reader, writer = await dial(tunnel["publicPort"])
        channel = await accepted(node, tunnel)
        await node.send_data(STDOUT, channel, b"bye")
        await node.say("channel.eof", {"stream": "stdout"}, channel)
        assert await within(reader.read()) == b"bye"
        await hear_windows(node, channel, 3)
        writer.write(b"still here")
        assert await hear_data(node, channel, 10) == b"still here"
        writer.write_eof()
        closed = await node.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (channel, "external_closed")
        writer.close()


async def test_an_exposer_without_half_close_is_told_the_end(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub, features=()) as (client, node):
        tunnel = await opened(client)
        reader, writer = await dial(tunnel["publicPort"])
        channel = await accepted(node, tunnel)
        writer.write(b"question")
        writer.write_eof()
        assert await hear_data(node, channel, 8) == b"question"
        await node.send_data(STDOUT, channel, b"answer")
        assert await within(reader.readexactly(6)) == b"answer"
        await hear_windows(node, channel, 6)
        closed = await node.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (channel, "external_closed")
        assert await within(reader.read()) == b""
        writer.close()


async def test_a_reset_outside_is_an_error(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        with socket.create_connection(("127.0.0.1", tunnel["publicPort"])) as sock:
            channel = await accepted(node, tunnel)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        closed = await node.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (channel, "external_error")


async def test_a_refused_target_closes_the_outside_at_once(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        for reason_ in ("dial_failed", "forbidden", "forbidden"):
            reader, writer = await dial(tunnel["publicPort"])
            asked = await node.hear("node.tunnel.connect")
            await node.say("node.tunnel.connect.failed", {"reason": reason_}, asked["c"])
            assert await within(reader.read()) == b""
            writer.close()
        refused = [record.reason for record in hub.audit if record.action == "tunnel.refused"]
        assert refused == ["dial_failed", "forbidden"]
        hub.tunnels.refusals.summarize(hub.config.clock.monotonic() + 60)
        last = [record for record in hub.audit if record.action == "tunnel.refused"][-1]
        assert "1 more" in last.detail


async def test_a_target_error_resets_the_outside_behind_the_data(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        with socket.create_connection(("127.0.0.1", tunnel["publicPort"])) as sock:
            sock.setblocking(False)
            channel = await accepted(node, tunnel)
            await node.send_data(STDOUT, channel, b"half an ans")
            await node.say("channel.close", {"reason": "target_error"}, channel)
            loop = asyncio.get_running_loop()
            assert await within(loop.sock_recv(sock, 100)) == b"half an ans"
            with pytest.raises(ConnectionResetError):
                await within(loop.sock_recv(sock, 100))


async def test_the_hub_reads_no_more_than_the_credit(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        _, writer = await dial(tunnel["publicPort"])
        channel = await accepted(node, tunnel)
        payload = bytes(range(256)) * 8192
        writer.write(payload)
        got = await hear_data(node, channel, CREDIT)
        await node.still_there()
        await node.say("channel.window", {"stream": "stdout", "credit": 100_000}, channel)
        await node.say("channel.window", {"stream": "stdin", "credit": 2**31}, channel)
        await node.say("channel.window", {"stream": "stdin", "credit": 0}, channel)
        await node.still_there()
        await node.say("channel.window", {"stream": "stdin", "credit": 70_000}, channel)
        got += await hear_data(node, channel, 70_000)
        await node.say("channel.window", {"stream": "stdin", "credit": len(payload)}, channel)
        got += await hear_data(node, channel, len(payload) - len(got))
        assert got == payload
        writer.close()


async def granted_by_now(node: RawPeer) -> int:
    """The credit that the hub gives back before it has dealt with so many messages more."""
    granted = 0
    for _ in range(20):
        await node.say("ping", {"id": "by now", "ts": "2026-01-02T03:04:05.678Z"})
        while (said := await node.hear())["t"] != "pong":
            assert said["t"] == "channel.window"
            granted += said["d"]["credit"]
        if granted:
            break
    return granted


async def test_an_outside_that_does_not_read_returns_no_credit(certificates: Certificates, hub: OmnyShellHub) -> None:
    """What its socket does not take stays within the credit; more of it ends the connection for both."""
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", tunnel["publicPort"]))
            channel = await accepted(node, tunnel)
            credit, sent, said = CREDIT, 0, None
            while said is None or said["t"] == "channel.window":
                if credit < PIECE:
                    credit += await granted_by_now(node)
                await node.send_data(STDOUT, channel, bytes(PIECE))
                credit, sent = credit - PIECE, sent + PIECE
                if credit < 0:
                    assert sent - hub.tunnels.tunnels[0].counters.bytes_out <= 2 * CREDIT + PIECE
                    # It was too much, unless the system has taken some more just before it came.
                    said = await node.hear()
                    credit += said["d"].get("credit", 0)
            assert (said["t"], said["c"], said["d"]["reason"]) == ("channel.close", channel, "error")
        await node.still_there()


async def test_a_tunnel_outlives_its_client_and_ends_with_its_exposer(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        await client.ws.close()
        reader, writer = await dial(tunnel["publicPort"])
        await accepted(node, tunnel)
        await node.ws.close()
        assert await within(reader.read()) == b""
        writer.close()
        await until(lambda: len(hub.tunnels) == 0)
        with pytest.raises(ConnectionError):
            await dial(tunnel["publicPort"])


async def test_permission_is_asked_for_each_connection(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tunnel outlives the loss of its permission, as if its end had been missed.
    monkeypatch.setattr(TunnelBroker, "enforce", lambda *_: None)
    labels = {"allow-roles": "developer"}
    async with (
        registered(certificates, hub.port, labels=labels) as node,
        logged_in(certificates, hub.port, "client", "dev") as client,
    ):
        await node.say("node.capabilities", FEATURES)
        await node.still_there()
        tunnel = await opened(client)
        register = {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64"}}
        await node.say("node.register", register)
        await node.hear("node.registered")
        reader, writer = await dial(tunnel["publicPort"])
        assert await within(reader.read()) == b""
        writer.close()
        await node.say("node.register", register | {"labels": labels})
        await node.hear("node.registered")
        reader, writer = await dial(tunnel["publicPort"])
        await accepted(node, tunnel)
        writer.close()
        await node.say("node.register", register | {"nodeId": "n2", "labels": labels})
        await until(lambda: len(hub.tunnels) == 0)
        assert ("tunnel.refused", "not_authorized") in [(record.action, record.reason) for record in hub.audit]


async def test_a_tunnel_to_the_clients_own_machine(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "dev", ("tunnel-eof",)) as client:
        for node_id in ("@local", ""):
            tunnel = await opened(client, nodeId=node_id)
            reader, writer = await dial(tunnel["publicPort"])
            channel = await accepted(client, tunnel)
            assert channel >= FIRST_LOCAL
            writer.write(b"in")
            assert await hear_data(client, channel, 2) == b"in"
            await client.send_data(STDOUT, channel, b"out")
            assert await within(reader.readexactly(3)) == b"out"
            await hear_windows(client, channel, 3)
            await client.say("channel.window", {"stream": "stdin", "credit": 2}, channel)
            await client.say("channel.close", {"reason": "target_closed"}, channel)
            assert await within(reader.read()) == b""
            writer.close()
        await client.say("tunnel.list.request", {"requestId": "l"})
        listed = (await client.hear("tunnel.list.response"))["d"]["tunnels"]
        assert [info["nodeId"] for info in listed] == ["@local", "@local"]
        assert hub.metrics.frames_dropped == 0
    await until(lambda: len(hub.tunnels) == 0)


async def test_only_its_exposer_can_speak_for_a_connection(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with exposing(certificates, hub) as (client, node), registered(certificates, hub.port, "n2") as stranger:
        tunnel = await opened(client)
        reader, writer = await dial(tunnel["publicPort"])
        asked = await node.hear("node.tunnel.connect")
        for peer in (stranger, client):
            await peer.say("node.tunnel.connected", {"tunnelId": tunnel["tunnelId"]}, asked["c"])
            await peer.say("channel.close", {"reason": "target_closed"}, asked["c"])
            await peer.say("channel.eof", {"stream": "stdout"}, asked["c"])
            await peer.send_data(STDOUT, asked["c"], b"forged")
            await peer.still_there()
        await node.say("node.tunnel.connected", {}, asked["c"])
        await node.send_data(STDOUT, asked["c"], b"real")
        assert await within(reader.readexactly(4)) == b"real"
        assert hub.metrics.frames_dropped >= 8
        writer.close()


async def test_stopping_the_hub_closes_everything(certificates: Certificates) -> None:
    before = asyncio.all_tasks()
    descriptors = {entry.name for entry in Path("/proc/self/fd").iterdir()}
    hub = OmnyShellHub(hub_config(certificates, tunnel_ports=free_range(), host="127.0.0.1"))
    await hub.start()
    async with exposing(certificates, hub) as (client, node):
        tunnel = await opened(client)
        secure = await opened(client, secure=True)
        reader, writer = await dial(tunnel["publicPort"])
        await accepted(node, tunnel)
        silent, silent_writer = await dial(secure["publicPort"])
        stopping = asyncio.create_task(hub.stop())
        assert await within(reader.read()) == b""
        assert await within(silent.read()) == b""
        for port in (tunnel["publicPort"], secure["publicPort"]):
            with pytest.raises(ConnectionError):
                await dial(port)
        for each in (writer, silent_writer):
            each.close()
    await within(stopping)
    await until(lambda: not asyncio.all_tasks() - before)
    await until(lambda: not {entry.name for entry in Path("/proc/self/fd").iterdir()} - descriptors)
