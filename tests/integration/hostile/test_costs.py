"""Peers that cost: many small things in one message, and answers that grow with what peers say."""

import asyncio
import contextlib
import json
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from support.passing import pass_at_once
from support.raw_hub import hear_past_heartbeats, raw_hub, register
from support.raw_peer import RawPeer, logged_in, stranger
from support.stack import Certificates, access, connected_client, hub_config, until, within
from websockets.exceptions import ConnectionClosed

from omnyshell import (
    ClientConfig,
    NodeConfig,
    OmnyShellClient,
    OmnyShellException,
    OmnyShellHub,
    OmnyShellNode,
    PtySpec,
)
from omnyshell.services.client.resumer import NODE_TIMES
from omnyshell.transport.fragments import FREE_FRAGMENTS, SMALLEST_FRAGMENT

EMPTY, BEGUN = bytes((0x00, 0x80, 0, 0, 0, 0)), bytes((0x01, 0x81, 0, 0, 0, 0)) + b"x"
FROM_HUB = bytes((0x01, 0x01)) + b"x" + bytes((0x00, 0x00)) * 200_000


async def flood(peer: RawPeer, data: bytes) -> None:
    """Write frames as they are, and read until the connection ends."""
    transport = peer.ws.transport
    transport.write(data)
    await within(peer.ws.wait_closed())


@pytest.mark.parametrize("is_logged_in", [False, True])
async def test_a_message_of_endless_empty_fragments_ends_the_connection_and_holds_up_nobody(
    certificates: Certificates, is_logged_in: bool
) -> None:
    config = hub_config(certificates)
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "dev") as other:
        if not is_logged_in:
            hub.reload(replace(config, login_timeout=2.0))
        who = logged_in(certificates, hub.port, "client", "dev") if is_logged_in else stranger(certificates, hub.port)
        async with who as peer:
            flooding = asyncio.create_task(flood(peer, BEGUN + EMPTY * 500_000))
            await asyncio.sleep(0)
            started = time.thread_time()
            await other.still_there()
            assert time.thread_time() - started < 1
            await flooding
            # Who has not logged in is read so slowly that the time for that ends first.
            assert peer.ws.close_code == 1009 or not is_logged_in
            await other.still_there()


async def test_a_message_in_many_honest_fragments_is_taken(certificates: Certificates) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        logged_in(certificates, hub.port, "client", "dev") as peer,
    ):
        ping = json.dumps({"t": "ping", "d": {"id": "p", "ts": "2026-01-02T03:04:05Z", "x": "y" * (2 * 1024 * 1024)}})
        size = 2 * SMALLEST_FRAGMENT
        await peer.ws.send(ping[at : at + size] for at in range(0, len(ping), size))
        assert (await peer.hear("pong"))["d"]["id"] == "p"
        await peer.ws.send([ping[:100], *[""] * (FREE_FRAGMENTS - 10), ping[100:]])
        assert (await peer.hear("pong"))["d"]["id"] == "p"


async def test_a_hub_that_sends_endless_empty_fragments_is_left_by_client_and_node(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with raw_hub(certificates) as (port, peer):
        config = ClientConfig(access=access(certificates, port, "dev"), reconnect_timeout=0)
        async with OmnyShellClient(config) as client:
            (await peer).ws.transport.write(FROM_HUB)
            assert "larger than the other side takes" in str(await within(client.wait_lost()))
    async with raw_hub(certificates) as (port, peer):
        node = OmnyShellNode(
            NodeConfig(
                node_id="n1", access=access(certificates, port, "box"), state_dir=tmp_path, run_as_node_user=True
            )
        )
        running = asyncio.create_task(node.run())
        hub = await within(peer)
        await register(hub)
        hub.ws.transport.write(FROM_HUB)
        await within(hub.ws.wait_closed())
        assert hub.ws.close_code == 1009
        node.stop()
        await within(running)


async def test_no_node_makes_listings_too_long_to_take(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub, AsyncExitStack() as stack:
        node = await stack.enter_async_context(logged_in(certificates, hub.port, "node", "box"))
        platform = {"os": "linux", "arch": "x64"}
        await node.say("node.register", {"nodeId": "fat", "platform": platform, "labels": {"x": "\x01" * 10_800}})
        assert (await node.hear("error"))["d"]["code"] == "bad_request"
        await node.say("node.register", {"nodeId": "fat", "platform": platform, "labels": {"x": "y" * 10_000}})
        await node.hear("node.registered")
        await node.say("node.capabilities", {"shells": ["z" * 10_000], "maxSessions": 3})
        await node.still_there()
        async with connected_client(certificates, hub.port, "admin") as client:
            (found,) = await client.list_nodes()
        assert (len(found.labels["x"]), found.capabilities) == (10_000, None)


async def test_connect_works_where_the_listing_fails(certificates: Certificates) -> None:
    async with raw_hub(certificates, ("interactive",)) as (port, connected):
        config = ClientConfig(access=access(certificates, port, "dev"), reconnect_timeout=0)
        async with OmnyShellClient(config) as client:
            hub = await connected
            opening = asyncio.create_task(client.open_shell("n1", pty=PtySpec(cols=80, rows=24)))
            asked = [await hub.hear(), await hub.hear()]
            channel = next(message["c"] for message in asked if message["t"] == "session.open")
            await hub.say("session.opened", {"sessionId": "11111111-1111-4111-8111-111111111111"}, channel)
            await hub.say("node.list.response", {"nodes": [{"nodeId": "n1\x1b", "platform": {"os": "a", "arch": "b"}}]})
            session = await within(opening)
            session.close()


async def test_a_hub_that_takes_sessions_up_and_drops_them_is_given_up(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_at_once(monkeypatch)
    resumed = 0
    session_id = "11111111-1111-4111-8111-111111111111"
    async with raw_hub(certificates, ("resume-offset",)) as (port, connected):
        config = ClientConfig(access=access(certificates, port, "dev"), reconnect_timeout=6)
        async with OmnyShellClient(config) as client:
            hub = await connected
            opening = asyncio.create_task(client.open_session("n1", command="true"))
            answer = {"sessionId": session_id, "offsets": True, "outputOffset": 0, "inputOffset": 0}

            async def drop() -> None:
                nonlocal resumed
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        message = json.loads(await hub.ws.recv())
                        if message["t"] == "session.open":
                            resumed += 1
                            await hub.say("session.opened", answer, message["c"])
                            await asyncio.sleep(0.005)
                            await hub.say("channel.close", {"reason": "node_closed"}, message["c"])

            dropping = asyncio.create_task(drop())
            session = await within(opening)
            with contextlib.suppress(OmnyShellException):
                await within(session.wait())
            # No oftener than once for each of the shortest waits.
            assert 2 <= resumed <= 6 / NODE_TIMES.shortest + 2
            dropping.cancel()


async def test_a_node_holds_its_limit_against_its_hub(certificates: Certificates, tmp_path: Path) -> None:
    async with raw_hub(certificates) as (port, connected):
        config = NodeConfig(
            node_id="n1",
            access=access(certificates, port, "box"),
            state_dir=tmp_path,
            max_sessions=2,
            run_as_node_user=True,
        )
        node = OmnyShellNode(config)
        running = asyncio.create_task(node.run())
        hub = await within(connected)
        await register(hub)
        for channel in (1, 2, 3):
            id_ = f"11111111-1111-4111-8111-11111111111{channel}"
            await hub.say("node.session.open", {"sessionId": id_, "principal": "a", "command": "sleep 9"}, channel)
        heard = [await hear_past_heartbeats(hub) for _ in range(3)]
        kinds = [message["t"] for message in heard if isinstance(message, dict)]
        assert kinds == ["node.session.opened"] * 2 + ["node.session.rejected"]
        assert heard[2]["d"]["reason"] == "capacity_exceeded"  # type: ignore[index]
        await until(lambda: node.session_count == 2)
        node.stop()
        await within(running)


@pytest.mark.parametrize("answers", [("rejected", "opened"), ("opened", "rejected", "opened"), ("wrong",)])
async def test_a_tunnel_that_was_refused_opens_no_target(certificates: Certificates, answers: tuple[str, ...]) -> None:
    async with raw_hub(certificates) as (port, connected):
        config = ClientConfig(access=access(certificates, port, "dev"), reconnect_timeout=0)
        async with OmnyShellClient(config) as client:
            hub = await connected
            opening = asyncio.create_task(client.open_tunnel("@local", target_port=9, public_port=20000))
            asked = (await hub.hear("tunnel.open.request"))["d"]
            for number, answer in enumerate(answers):
                told = {"requestId": asked["requestId"]}
                if answer != "rejected":
                    told |= {"tunnelId": f"{'T' * 19}{number}", "publicPort": 20000 + (answer == "wrong")}
                await hub.say("tunnel.rejected" if answer == "rejected" else "tunnel.opened", told)
            with contextlib.suppress(OmnyShellException):
                await within(opening)
            last = f"{'T' * 19}{len(answers) - 1}"
            target = {"tunnelId": last, "targetHost": asked["targetHost"], "targetPort": asked["targetPort"]}
            await hub.say("node.tunnel.connect", target, 0x40000001)
            while (message := await hub.hear())["t"] != "node.tunnel.connect.failed":
                assert message["t"] == "tunnel.close.request"
            assert message["d"]["reason"] == "forbidden"
