"""A real hub against peers that know the wire specification and nothing of this package's codec."""

import asyncio
import contextlib
import json
import socket
import struct
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.raw_peer import STDERR, STDIN, STDOUT, RawPeer, logged_in, open_session, registered, stranger
from support.stack import Certificates, hub_config, until, within
from websockets.exceptions import ConnectionClosed

from omnyshell import (
    OmnyShellHub,
)
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, Resource


async def test_caps_on_messages(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with stranger(certificates, hub.port) as peer:
        # Data before login is ignored.
        await peer.ws.send(struct.pack(">BBII", 1, STDIN, 1, 32768) + bytes(32768))
        await peer.ws.send("x" * 65536)
        await peer.say("ping", {"id": "p", "ts": "2026-01-02T03:04:05Z"})
        assert (await peer.hear("error"))["d"]["code"] == "not_authenticated"
    async with stranger(certificates, hub.port) as peer:
        await peer.ws.send("x" * 65537)
        assert (await peer.hear_close())[0] == 1009
    async with logged_in(certificates, hub.port, "client", "dev") as peer:
        await peer.ws.send("x" * (4 * 1024 * 1024))
        await peer.ws.send(struct.pack(">BBII", 1, STDIN, 1, 65537) + bytes(65537))
        await peer.still_there()
        await peer.ws.send("x" * (4 * 1024 * 1024 + 1))
        assert (await peer.hear_close())[0] == 1009


async def test_what_cannot_be_decoded_is_dropped_and_counted_in_every_state(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    garbage = ["", "nonsense", "[]", '{"t":"no.such"}', '{"t":"hello","d":{}}', '{"t":"channel.eof"}', b"", b"\x01\x09"]
    async with stranger(certificates, hub.port) as peer:
        for frame in garbage:
            await peer.ws.send(frame)
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": "dev", "token": "dev-token"})
        await peer.hear("auth.ok")
        for frame in garbage:
            await peer.ws.send(frame)
        await peer.say("hello", {"role": "node", "protocolVersion": 1})
        await peer.say("auth.request", {"principal": "x"})
        await peer.say("node.heartbeat", {"nodeId": "n", "seq": 1, "ts": "2026-01-01T00:00:00Z"})
        await peer.still_there()
    assert hub.metrics.frames_dropped == 2 * len(garbage) + 1


async def test_nodes_are_listed_sorted_and_filtered(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port, " zeta ", uid="nod_z", labels={"env": "prod"}, displayName="Z") as zeta,
        registered(certificates, hub.port, "alpha"),
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        await zeta.say("node.capabilities", {"shells": ["sh"], "features": ["exec"], "maxSessions": 3})
        await zeta.still_there()
        for wanted in ({}, {"env": "prod"}, {"platform": "linux"}, {"env": "test"}):
            await client.say("node.list.request", {"filter": wanted})
        answers = [(await client.hear("node.list.response"))["d"]["nodes"] for _ in range(4)]
        assert [[node["nodeId"] for node in nodes] for nodes in answers] == [
            ["alpha", "zeta"],
            ["zeta"],
            ["alpha", "zeta"],
            [],
        ]
        assert answers[1] == [
            {
                "nodeId": "zeta",
                "uid": "nod_z",
                "displayName": "Z",
                "platform": {"os": "linux", "arch": "x64", "agentVersion": "unknown", "hostname": "unknown"},
                "labels": {"env": "prod"},
                "online": True,
                "capabilities": {"shells": ["sh"], "features": ["exec"], "maxSessions": 3},
            }
        ]


async def test_bad_node_ids_are_refused_and_the_connection_stays(certificates: Certificates, hub: OmnyShellHub) -> None:
    platform = {"os": "linux", "arch": "x64"}
    async with logged_in(certificates, hub.port, "node", "box") as node:
        far_too_much = {"nodeId": "ok", "labels": {"l": "x" * 65536}}
        for extra in ({"nodeId": "a b"}, {"nodeId": ""}, {"nodeId": "ok", "uid": "wrong"}, far_too_much):
            await node.say("node.register", {"platform": platform, **extra})
            assert (await node.hear("error"))["d"]["code"] == "bad_request"
        await node.say("node.register", {"nodeId": "one", "platform": platform})
        await node.hear("node.registered")
        await node.say("node.register", {"nodeId": "two", "platform": platform})
        await node.hear("node.registered")
        assert (hub.nodes.find("one"), hub.nodes.find("two") is not None) == (None, True)


async def test_only_node_principals_register_and_an_id_keeps_its_owner(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub, registered(certificates, hub.port, "n1"):
        for principal in ("dev", "admin"):
            async with logged_in(certificates, hub.port, "node", principal) as other:
                await other.say("node.register", {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64"}})
                error = (await other.hear("error"))["d"]
                assert (error["code"], error["fatal"]) == ("not_authorized", True)
                assert (await other.hear_close())[0] == 4400
        assert [record.principal for record in hub.audit if record.action == "node.rejected"] == ["dev", "admin"]


async def test_the_end_of_an_older_connection_leaves_the_newer_registration(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with registered(certificates, hub.port, "n1") as old, registered(certificates, hub.port, "n1") as new:
        await old.hear_close()
        async with logged_in(certificates, hub.port, "client", "admin") as client:
            await open_session(client, new)


async def test_heartbeats_are_acknowledged_and_silence_ends_a_node(certificates: Certificates) -> None:
    config = hub_config(certificates, heartbeat_timeout=1.5)
    async with OmnyShellHub(config) as hub, registered(certificates, hub.port, "n1") as node:
        beat = {"nodeId": "n1", "ts": "2026-01-01T00:00:00Z"}
        for seq in (7, 7, 3, 8):
            await node.say("node.heartbeat", {**beat, "seq": seq})
            assert (await node.hear("node.heartbeat.ack"))["d"]["seq"] == seq
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(DEADLINE):
                while True:
                    # A replay is acknowledged, but it is no life.
                    await node.say("node.heartbeat", {**beat, "seq": 8})
                    assert json.loads(await node.ws.recv())["t"] == "node.heartbeat.ack"
                    await asyncio.sleep(0.05)
        assert "node.timeout" in [record.action for record in hub.audit]
        assert (await node.hear_close())[0] == 4408


async def test_a_session_is_relayed_with_its_channels_rewritten(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port, features=("interactive",)) as node,
        logged_in(certificates, hub.port, "client", "admin", ("interactive",)) as client,
    ):
        request = {
            "nodeId": "n1",
            "mode": "shell",
            "command": "c",
            "args": ["a"],
            "env": {"K": "V"},
            "cwd": "/",
            "pty": {"cols": 9},
            "shellFamily": "posix",
            "interactive": True,
        }
        await client.say("session.open", request, 41)
        asked = await node.hear("node.session.open")
        session_id = asked["d"].pop("sessionId")
        assert asked["d"] == {
            **{key: value for key, value in request.items() if key != "nodeId"},
            "pty": {"term": "xterm-256color", "cols": 9, "rows": 24},
            "principal": "admin",
        }
        channel = asked["c"]
        await node.say("node.session.opened", {"sessionId": session_id, "pid": 5, "shell": "posix"}, channel)
        assert await client.hear() == {"t": "session.opened", "c": 41, "d": {"sessionId": session_id, "pty": True}}

        await client.send_data(STDIN, 41, b"input")
        assert await node.hear() == struct.pack(">BBII", 1, STDIN, channel, 5) + b"input"
        await client.say("channel.eof", {}, 41)
        await client.still_there()
        assert await node.hear() == {"t": "channel.eof", "c": channel, "d": {"stream": "stdin"}}
        for message_type, data in (
            ("channel.resize", {"cols": 1, "rows": 2}),
            ("channel.signal", {"signal": "SIGINT"}),
            ("channel.window", {"stream": "stderr", "credit": 7}),
        ):
            await client.say(message_type, data, 41)
            assert await node.hear() == {"t": message_type, "c": channel, "d": data}

        await node.say("channel.window", {"stream": "stdin", "credit": 5}, channel)
        assert await client.hear() == {"t": "channel.window", "c": 41, "d": {"stream": "stdin", "credit": 5}}
        await node.send_data(STDOUT, channel, b"out")
        await node.send_data(STDERR, channel, b"err")
        ended = {"exitCode": -9, "signal": "SIGKILL", "ts": "2026-01-02T03:04:05.000Z"}
        await node.say("channel.exit", ended, channel)
        await node.say("channel.close", {"reason": "special", "message": "m"}, channel)
        assert await client.hear() == struct.pack(">BBII", 1, STDOUT, 41, 3) + b"out"
        assert await client.hear() == struct.pack(">BBII", 1, STDERR, 41, 3) + b"err"
        assert await client.hear() == {"t": "channel.exit", "c": 41, "d": ended}
        assert await client.hear() == {"t": "channel.close", "c": 41, "d": {"reason": "special", "message": "m"}}
        await client.say("channel.eof", {}, 41)
        await client.still_there()
        assert len(hub.sessions) == 0


async def test_an_extension_field_goes_only_to_a_node_that_announced_it(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin", ("interactive",)) as client,
    ):
        pty = {"term": "t", "cols": 9, "rows": 8}
        asked = {"nodeId": "n1", "mode": "shell", "interactive": True, "pty": {**pty, "widths": "clusters"}}
        await client.say("session.open", asked, 1)
        given = (await node.hear("node.session.open"))["d"]
        assert "interactive" not in given
        assert given["pty"] == pty


async def test_how_a_terminal_counts_columns_goes_to_a_node_that_heeds_it(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port, features=("widths",)) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        for given, told in (("clusters", "clusters"), ("separate", "separate"), ("of another version", "joined")):
            await client.say("session.open", {"nodeId": "n1", "mode": "shell", "pty": {"widths": given}}, 1)
            asked = await node.hear("node.session.open")
            assert asked["d"]["pty"]["widths"] == told
            await client.say("channel.close", {"reason": "normal"}, 1)
            await node.hear("channel.close")


async def rejection(client: RawPeer, request: object, channel: int = 1) -> str:
    await client.say("session.open", request, channel)
    message = await client.hear("session.rejected")
    assert message["c"] == channel
    assert message["d"]["message"]
    return str(message["d"]["reason"])


async def test_reasons_for_a_rejection(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port, labels={"allow-roles": "ops, developer"}) as node,
        registered(certificates, hub.port, "closed"),
        logged_in(certificates, hub.port, "client", "dev") as client,
    ):
        await node.say("node.capabilities", {"maxSessions": 1})
        await node.still_there()
        assert await rejection(client, {"nodeId": "nowhere"}) == "unknown_node"
        assert await rejection(client, {"nodeId": "nowhere", "mode": "tunnel"}) == "bad_request"
        assert await rejection(client, {"nodeId": "closed"}) == "not_authorized"
        channel = await open_session(client, node, 1)
        assert await rejection(client, {"nodeId": "n1"}, 1) == "bad_request"
        assert await rejection(client, {"nodeId": "n1"}, 2) == "capacity_exceeded"
        await node.say("channel.close", {}, channel)
        await client.hear("channel.close")
        await client.say("session.open", {"nodeId": "n1"}, 3)
        asked = await node.hear("node.session.open")
        refused = {"sessionId": asked["d"]["sessionId"], "reason": "bad_request", "message": "no"}
        await node.say("node.session.rejected", refused, asked["c"])
        rejected = await client.hear("session.rejected")
        assert rejected["d"] == {"reason": "bad_request", "message": "no"}


async def test_an_end_that_vanishes_is_told_to_the_other(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with registered(certificates, hub.port) as node:
        async with logged_in(certificates, hub.port, "client", "admin") as client:
            channel = await open_session(client, node)
        close = await node.hear("channel.close")
        assert (close["c"], close["d"]["reason"]) == (channel, "client_disconnected")
        async with logged_in(certificates, hub.port, "client", "admin") as client:
            await open_session(client, node)
            await client.say("session.open", {"nodeId": "n1"}, 2)
            await node.hear("node.session.open")
            node.ws.transport.abort()
            close = await client.hear("channel.close")
            assert close["d"]["reason"] == "node_closed"
            assert close["d"]["message"]
            assert (await client.hear("session.rejected"))["d"]["reason"] == "node_offline"


async def test_credit_is_enforced_and_grants_are_bounded(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        channel = await open_session(client, node)
        for credit in (0, -1, 2**31, 4 * 1024 * 1024):
            await client.say("channel.window", {"credit": credit}, 1)
        await client.still_there()
        for _ in range(4):
            await node.send_data(STDOUT, channel, bytes(65536))
        for _ in range(4):
            assert len(await client.hear()) == 65546
        await client.say("channel.window", {"credit": 10}, 1)
        assert (await node.hear("channel.window"))["d"]["credit"] == 10
        await node.send_data(STDERR, channel, bytes(10))
        assert len(await client.hear()) == 20
        await node.send_data(STDERR, channel, b"x")
        for peer in (client, node):
            assert (await peer.hear("channel.close"))["d"]["reason"] == "error"
        await node.send_data(STDERR, channel, b"x")
        await node.still_there()


async def test_a_stalled_client_delays_nobody_and_costs_its_window(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as stalled,
        logged_in(certificates, hub.port, "client", "admin") as other,
    ):
        full = await open_session(stalled, node)
        echo = await open_session(other, node)
        stalled.ws.transport.pause_reading()
        for _ in range(4):
            await node.send_data(STDOUT, full, bytes(65536))
        for number in range(20):
            await other.send_data(STDIN, 1, b"%d" % number)
            assert (await node.hear())[10:] == b"%d" % number
            await node.send_data(STDOUT, echo, b"%d" % number)
            assert (await other.hear())[10:] == b"%d" % number


async def test_a_flood_of_messages_ends_its_session_and_not_the_node(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
        logged_in(certificates, hub.port, "client", "admin") as other,
    ):
        await open_session(client, node)
        quiet = await open_session(other, node)
        node.ws.transport.pause_reading()
        pour(client, '{"t":"channel.signal","c":1,"d":{"signal":"' + "x" * 60_000 + '"}}', 200)
        assert (await client.hear("channel.close"))["d"]["reason"] == "error"
        node.ws.transport.resume_reading()
        await other.send_data(STDIN, 1, b"on")
        async with asyncio.timeout(DEADLINE):
            while (heard := await node.ws.recv())[10:] != b"on":
                assert isinstance(heard, str)
        await node.send_data(STDOUT, quiet, b"it goes")
        assert (await other.hear())[10:] == b"it goes"


async def test_a_client_that_asks_and_never_reads_is_cut_off(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with logged_in(certificates, hub.port, "client", "dev") as client:
        client.ws.transport.pause_reading()
        pour(client, '{"t":"tunnel.list.request","d":{"requestId":"' + "x" * 60_000 + '"}}', 400)
        await until(lambda: hub.connections == 0)


def pour(peer: RawPeer, text: str, count: int) -> None:
    """Have the same message sent many times, faster than anyone would."""
    payload = text.encode()
    frame = struct.pack(">BBHI", 0x81, 0x80 | 126, len(payload), 0) + payload
    peer.ws.transport.write(frame * count)


async def test_a_large_message_waits_for_a_peer_that_reads_slowly(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    argument = "x" * 4_000_000
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        node.ws.transport.pause_reading()
        for channel in (1, 2):
            await client.say("session.open", {"nodeId": "n1", "args": [argument]}, channel)
        await client.still_there()
        assert hub.connections == 2
        node.ws.transport.resume_reading()
        for _ in range(2):
            assert (await node.hear("node.session.open"))["d"]["args"] == [argument]


async def test_a_peer_that_pings_and_reads_nothing_is_cut_off(certificates: Certificates) -> None:
    fast = Allowance({Resource.REQUESTS: 1_000_000}, frozenset({EVERYBODY}))
    async with (
        OmnyShellHub(hub_config(certificates, quotas=(fast,))) as hub,
        logged_in(certificates, hub.port, "client", "dev") as client,
    ):
        client.ws.transport.pause_reading()
        ping = struct.pack(">BBI", 0x89, 0x80 | 125, 0) + bytes(125)
        sending = asyncio.create_task(ping_on(client, ping * 1000))
        await until(lambda: hub.connections == 0)
        sending.cancel()


async def ping_on(peer: RawPeer, pings: bytes) -> None:
    while not peer.ws.transport.is_closing():
        peer.ws.transport.write(pings)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("message_type", "extra", "answer", "expected"),
    [
        ("ai.config.request", {}, "ai.config.response", {"available": False}),
        ("http.proxy.request", {"url": "x"}, "http.proxy.response", {"statusCode": 0}),
        ("drive.credential.request", {}, "drive.credential.response", {"ok": False}),
        ("sessions.list.request", {"nodeId": "n1"}, "sessions.list.response", {"sessions": []}),
        ("sessions.kill.request", {"nodeId": "n1", "sessionRef": "s"}, "sessions.kill.response", {"ok": False}),
        ("tunnel.open.request", {"nodeId": "n1", "targetPort": 1}, "tunnel.rejected", {"reason": "tunnel_disabled"}),
        ("tunnel.list.request", {}, "tunnel.list.response", {"tunnels": []}),
    ],
)
async def test_services_that_are_not_there_are_answered_at_once(
    certificates: Certificates, hub: OmnyShellHub, message_type: str, extra: dict[str, object], answer: str,
    expected: dict[str, object],
) -> None:  # fmt: skip
    async with logged_in(certificates, hub.port, "client", "dev") as client:
        await client.say(message_type, {"requestId": "r1", **extra})
        data = (await client.hear(answer))["d"]
        assert data["requestId"] == "r1"
        assert expected.items() <= data.items()


async def test_a_hub_that_stops_tells_everyone_and_leaves_nothing(certificates: Certificates) -> None:
    before = set(asyncio.all_tasks())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    hub = OmnyShellHub(hub_config(certificates))
    await hub.start()
    port = hub.port
    async with registered(certificates, port) as node, logged_in(certificates, port, "client", "dev") as client:
        await within(hub.stop())
        assert (await node.hear_close())[0] == (await client.hear_close())[0] == 4503
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    await until(lambda: set(asyncio.all_tasks()) <= before)
    await until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= descriptors)
