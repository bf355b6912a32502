"""Our node, and our client for its own machine, against a hub that knows the wire specification alone."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.raw_hub import hear_past_heartbeats, node_at_raw_hub, raw_hub
from support.raw_peer import STDIN, STDOUT, RawPeer
from support.stack import Certificates, connected_client, until, within

from omnyshell import TunnelRejectedException
from omnyshell.services.exposer.targets import TargetPatterns
from omnyshell.services.node.restriction.policy import CommandPolicy

CREDIT = 262_144


@asynccontextmanager
async def target() -> "AsyncIterator[tuple[int, asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]]":
    """A server whose connections the test takes in hand."""
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        arrived.put_nowait((reader, writer))

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], arrived
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def connect(hub: RawPeer, channel: int, **changes: Any) -> Any:
    request = {"tunnelId": "t", "targetHost": "localhost", "principal": "ann", **changes}
    await hub.say("node.tunnel.connect", request, channel)
    answer: Any = await hear_past_heartbeats(hub)
    assert answer["c"] == channel
    assert answer["d"]["tunnelId"] == "t"
    return answer


async def hear_stdout(hub: RawPeer, channel: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        raw: Any = await hear_past_heartbeats(hub)
        assert isinstance(raw, bytes), raw
        assert struct.unpack(">BBII", raw[:10]) == (1, STDOUT, channel, len(raw) - 10)
        data += raw[10:]
    assert len(data) == size
    return data


async def test_a_node_connects_and_passes_bytes_and_ends(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, arrived), node_at_raw_hub(certificates, tmp_path) as hub:
        assert (await connect(hub, 7, targetPort=port))["t"] == "node.tunnel.connected"
        reader, writer = await within(arrived.get())
        await hub.send_data(STDIN, 7, b"question")
        assert await within(reader.readexactly(8)) == b"question"
        window: Any = await hear_past_heartbeats(hub, "channel.window")
        assert window == {"t": "channel.window", "c": 7, "d": {"stream": "stdin", "credit": 8}}
        await hub.say("channel.eof", {"stream": "stdin"}, 7)
        assert await within(reader.read()) == b""
        writer.write(b"answer")
        assert await hear_stdout(hub, 7, 6) == b"answer"
        writer.close()
        closed: Any = await hear_past_heartbeats(hub, "channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (7, "target_closed")


async def test_a_target_that_finishes_first_is_half_closed(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, arrived), node_at_raw_hub(certificates, tmp_path) as hub:
        await connect(hub, 1, targetPort=port)
        reader, writer = await within(arrived.get())
        writer.write_eof()
        assert await hear_past_heartbeats(hub) == {"t": "channel.eof", "c": 1, "d": {"stream": "stdout"}}
        await hub.send_data(STDIN, 1, b"late")
        await hub.say("channel.close", {"reason": "external_closed"}, 1)
        assert await within(reader.read()) == b"late"
        writer.close()


async def test_a_hub_without_half_close_is_told_the_end(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, arrived), node_at_raw_hub(certificates, tmp_path, features=()) as hub:
        await connect(hub, 1, targetPort=port)
        _, writer = await within(arrived.get())
        writer.write(b"all")
        writer.write_eof()
        assert await hear_stdout(hub, 1, 3) == b"all"
        closed: Any = await hear_past_heartbeats(hub)
        assert (closed["t"], closed["d"]["reason"]) == ("channel.close", "target_closed")
        writer.close()


async def test_a_node_keeps_to_the_credit(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, arrived), node_at_raw_hub(certificates, tmp_path) as hub:
        await connect(hub, 1, targetPort=port)
        _, writer = await within(arrived.get())
        payload = bytes(range(256)) * 4096
        writer.write(payload)
        got = await hear_stdout(hub, 1, CREDIT)
        assert (await connect(hub, 2, targetPort=port))["t"] == "node.tunnel.connected"
        await hub.say("channel.window", {"stream": "stdout", "credit": 10}, 1)
        got += await hear_stdout(hub, 1, 10)
        await hub.say("channel.window", {"stream": "stdout", "credit": len(payload)}, 1)
        got += await hear_stdout(hub, 1, len(payload) - len(got))
        assert got == payload
        writer.close()


async def test_what_is_not_allowed_or_not_there_is_said(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, _):
        pass
    async with node_at_raw_hub(certificates, tmp_path) as hub:
        failed = await connect(hub, 1, targetPort=port)
        assert (failed["t"], failed["d"]["reason"]) == ("node.tunnel.connect.failed", "dial_failed")
        assert "refused" in failed["d"]["message"]
        for channel, host in enumerate(("10.0.0.1", "example.com", "0.0.0.0", "169.254.169.254", "localhost.evil"), 2):
            failed = await connect(hub, channel, targetHost=host, targetPort=80)
            assert failed["d"]["reason"] == "forbidden"


async def test_allowed_targets_are_what_the_node_says(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, _):
        allowed = TargetPatterns([f"127.0.0.1:{port}", "*.invalid:443"])
        async with node_at_raw_hub(certificates, tmp_path, targets=allowed) as hub:
            assert (await connect(hub, 1, targetHost="127.0.0.1", targetPort=port))["t"] == "node.tunnel.connected"
            assert (await connect(hub, 2, targetPort=port))["d"]["reason"] == "forbidden"
            assert (await connect(hub, 3, targetHost="db.invalid", targetPort=443))["d"]["reason"] == "dial_failed"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "::1", "[::1]", "::ffff:127.0.0.1", "0.0.0.0"])
async def test_a_restricted_node_connects_nowhere_whatever_a_hub_asks(
    certificates: Certificates, tmp_path: Path, host: str
) -> None:
    policy = CommandPolicy(("uptime",))
    async with (
        target() as (port, arrived),
        node_at_raw_hub(certificates, tmp_path, has_tunnels=False, commands=policy) as hub,
    ):
        failed = await connect(hub, 1, targetHost=host, targetPort=port)
        assert (failed["t"], failed["d"]["reason"]) == ("node.tunnel.connect.failed", "forbidden")
        assert arrived.empty()


async def test_a_reset_target_is_an_error(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, arrived), node_at_raw_hub(certificates, tmp_path) as hub:
        await connect(hub, 1, targetPort=port)
        _, writer = await within(arrived.get())
        writer.transport.abort()
        message: Any = await hear_past_heartbeats(hub)
        assert message["t"] in ("channel.close", "channel.eof")


async def test_a_node_that_loses_its_hub_leaves_its_targets(certificates: Certificates, tmp_path: Path) -> None:
    async with target() as (port, arrived), node_at_raw_hub(certificates, tmp_path) as hub:
        await connect(hub, 1, targetPort=port)
        reader, writer = await within(arrived.get())
        await hub.ws.close()
        assert await within(reader.read()) == b""
        writer.close()


async def test_a_client_serves_its_own_tunnels_and_no_other_target(certificates: Certificates) -> None:
    async with (
        target() as (port, arrived),
        raw_hub(certificates, ("tunnel-eof",)) as (hub_port, logged_in),
        connected_client(certificates, hub_port) as client,
    ):
        hub = await within(logged_in)
        opening = asyncio.create_task(client.open_tunnel(target_port=port))
        asked = (await hub.hear("tunnel.open.request"))["d"]
        assert {**asked, "requestId": ""} == {
            "requestId": "", "nodeId": "@local", "targetHost": "localhost", "targetPort": port,
        }  # fmt: skip
        answer = {"requestId": asked["requestId"], "tunnelId": "t", "publicHost": "", "publicPort": 9000}
        await hub.say("tunnel.opened", answer)
        channel = 0x4000_0000
        assert (await connect(hub, channel, targetPort=port))["t"] == "node.tunnel.connected"
        tunnel = await within(opening)
        assert (tunnel.public_host, tunnel.public_port, tunnel.node_id) == ("127.0.0.1", 9000, "@local")
        reader, writer = await within(arrived.get())
        await hub.send_data(STDIN, channel, b"hi")
        assert await within(reader.readexactly(2)) == b"hi"
        window = await hub.hear("channel.window")
        assert window["d"] == {"stream": "stdin", "credit": 2}
        for number, (tunnel_id, number_port) in enumerate((("t", port + 1), ("other", port)), 1):
            request = {"tunnelId": tunnel_id, "targetHost": "localhost", "targetPort": number_port}
            await hub.say("node.tunnel.connect", request, channel + number)
            failed = await hub.hear("node.tunnel.connect.failed")
            assert (failed["c"], failed["d"]["reason"]) == (channel + number, "forbidden")
        await client.close()
        assert await within(reader.read()) == b""
        writer.close()


async def test_a_clients_requests_are_answered_or_fail(certificates: Certificates) -> None:
    async with (
        raw_hub(certificates) as (hub_port, logged_in),
        connected_client(certificates, hub_port) as client,
    ):
        hub = await within(logged_in)
        opening = asyncio.create_task(client.open_tunnel("n1", target_port=80, public_port=9, secure=True))
        asked = (await hub.hear("tunnel.open.request"))["d"]
        assert (asked["publicPort"], asked["secure"]) == (9, True)
        await hub.say("tunnel.rejected", {"requestId": asked["requestId"], "reason": "port_in_use", "message": "taken"})
        with pytest.raises(TunnelRejectedException, match="taken") as rejected:
            await within(opening)
        assert rejected.value.code == "port_in_use"

        opening = asyncio.create_task(client.open_tunnel("n1", target_port=80))
        asked = (await hub.hear("tunnel.open.request"))["d"]
        opening.cancel()
        await until(opening.done)
        await hub.say("tunnel.opened", {"requestId": asked["requestId"], "tunnelId": "late", "publicPort": 9})
        assert (await hub.hear("tunnel.close.request"))["d"]["tunnelRef"] == "late"

        closing = asyncio.create_task(client.close_tunnel("t"))
        asked = (await hub.hear("tunnel.close.request"))["d"]
        await hub.say("tunnel.close.response", {"requestId": asked["requestId"], "ok": False, "message": "none"})
        with pytest.raises(TunnelRejectedException, match="none"):
            await within(closing)

        listing = asyncio.create_task(client.list_tunnels())
        asked = (await hub.hear("tunnel.list.request"))["d"]
        info = {"tunnelId": "t", "nodeId": "n", "targetPort": 80, "publicPort": 9, "createdAt": "2026-01-02T03:04:05Z"}
        await hub.say("tunnel.list.response", {"requestId": asked["requestId"], "tunnels": [info | {"protocol": "x"}]})
        assert [tunnel.protocol for tunnel in await within(listing)] == ["tcp"]
