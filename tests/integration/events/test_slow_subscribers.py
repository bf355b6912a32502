"""Subscribers that do not read, and many sessions at once: the hub goes on as if nobody watched."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
from support.deadline import DEADLINE
from support.raw_peer import STDIN, RawPeer, logged_in, open_session, registered
from support.stack import Certificates, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.model.live import Part
from omnyshell.services.hub.live import service, subscribers
from omnyshell.services.hub.peers.hub_peer import HubPeer

EVENTS = ("events",)


@pytest.fixture
async def hub(certificates: Certificates) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates)) as started:
        yield started


async def subscribe(peer: RawPeer, *parts: str) -> int:
    """Take the first snapshot; returns its last number."""
    await peer.say("events.subscribe", {"subscriptionId": "s", "parts": list(parts), "auditLimit": 50})
    while True:
        data = (await peer.hear("events.snapshot"))["d"]
        if data.get("last"):
            return int(data["seq"])


def read_nothing(peer: RawPeer) -> None:
    """Stop reading; the kernel, which would take many megabytes for the peer, takes little."""
    receive_buffer(peer, 1 << 18)
    peer.ws.transport.pause_reading()


def read_again(peer: RawPeer) -> None:
    receive_buffer(peer, 1 << 22)
    peer.ws.transport.resume_reading()


def receive_buffer(peer: RawPeer, size: int) -> None:
    peer.ws.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def record_a_hundred(hub: OmnyShellHub) -> None:
    for _ in range(100):
        hub.audit.record("session.open", principal="admin", session_id="s", detail="x" * 900)


async def round_trip(client: RawPeer, node: RawPeer, channel: int) -> float:
    """Seconds of processor time that pass until a byte of the client is at the node; all run in this thread."""
    started = time.thread_time()
    await client.send_data(STDIN, 1, b"x")
    while not isinstance(await node.hear(), bytes):
        pass
    await node.say("channel.window", {"stream": "stdin", "credit": 1}, channel)
    return time.thread_time() - started


async def test_one_that_does_not_read_costs_little_hinders_nobody_and_is_told(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "PATIENCE", 0.3)
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as slow,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as quick,
    ):
        channel = await open_session(client, node)
        last = await subscribe(slow)
        await subscribe(quick, "nodes")
        # They take turns, so any of them may be the first.
        (member,) = (each for each in hub._services.events._subscribers if Part.AUDIT in each.subscription.parts)
        stuck = member.receiver
        assert isinstance(stuck, HubPeer)
        read_nothing(slow)
        most, worst = 0, 0.0
        async with asyncio.timeout(DEADLINE):
            while stuck.has_room:
                record_a_hundred(hub)
                # What was recorded is told before there is more, so that the connection fills and not the memory.
                await until(lambda: not (stuck.has_room and member.subscription._records))
                most = max(most, stuck.link.queued_bytes)
                worst = max(worst, await round_trip(client, node, channel))
            record_a_hundred(hub)
            await until(lambda: member.subscription._has_lagged)
        assert 0 < most < 600_000
        assert worst < 0.5
        assert (len(member.subscription._records), len(member.subscription._changed)) == (0, 0)
        await quick.still_there()
        read_again(slow)
        lagged = False
        while True:
            message = await slow.hear()
            last += 1
            assert message["d"]["seq"] == last
            if message["t"] == "events.lagged":
                lagged = True
                assert message["d"]["missedRecords"] > 0
            elif message["d"].get("last"):
                break
        assert lagged
        assert [node["nodeId"] for node in message["d"].get("nodes", [])] in (["n1"], [])


async def test_one_that_leaves_without_a_word_is_forgotten(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LINGER", 0.0)
    async with logged_in(certificates, hub.port, "client", "admin", EVENTS) as peer:
        await subscribe(peer)
        peer.ws.transport.abort()
        await until(lambda: hub._services.events._timer is None)
        assert (len(hub._services.events), len(hub.bus._listeners), len(hub.audit._sinks)) == (0, 0, 0)


async def test_a_thousand_sessions_are_told_once_a_second(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with (
        registered(certificates, hub.port) as node,
        logged_in(certificates, hub.port, "client", "admin") as client,
        logged_in(certificates, hub.port, "client", "admin", EVENTS) as watcher,
    ):
        await node.say("node.capabilities", {"features": ["shell"], "maxSessions": 2000})

        async def answer() -> None:
            for _ in range(1000):
                asked = await node.hear("node.session.open")
                await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])

        answering = asyncio.create_task(answer())
        for channel in range(1, 1001):
            await client.say("session.open", {"nodeId": "n1", "mode": "shell"}, channel)
        await answering
        await subscribe(watcher, "sessions")
        told = 0.0
        async with asyncio.timeout(DEADLINE):
            started = time.monotonic()
            while told < 2:
                for route in hub.sessions:
                    route.bytes_out += 100
                await asyncio.sleep(0.1)
                told = await _full_samples(watcher, told)
        assert time.monotonic() - started > 0.8


async def _full_samples(watcher: RawPeer, told: float) -> float:
    """Count the samples that named all sessions among what has arrived."""
    while True:
        try:
            async with asyncio.timeout(0.01):
                message = await watcher.hear("events.delta")
        except TimeoutError:
            return told
        counted = message["d"].get("sessionTraffic", [])
        told += len(counted) / 1000
