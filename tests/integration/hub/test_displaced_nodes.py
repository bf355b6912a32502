"""One node id from two processes: audited with both addresses, told to whoever watches, and calmed down."""

import asyncio
import json
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.commands import start_command
from support.deadline import DEADLINE
from support.raw_peer import RawPeer, logged_in, registered
from support.stack import Certificates, access, connected_client, hub_config, running_node, until

from omnyshell import OmnyShellHub
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveNode
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.sums import Sums
from omnyshell.transport import link

COMEBACKS = 50

REPLACED = "another connection registered this node, from 127.0.0.1"


@pytest.fixture
async def hub(certificates: Certificates):
    async with OmnyShellHub(hub_config(certificates)) as made:
        yield made


def displaced(hub: OmnyShellHub) -> list[AuditRecord]:
    return [record for record in hub.audit if record.action == "node.displaced"]


def platform(host: str) -> dict[str, str]:
    return {"os": "linux", "arch": "x64", "hostname": host}


async def take(stack: AsyncExitStack, certificates: Certificates, hub: OmnyShellHub, **extra: object) -> RawPeer:
    return await stack.enter_async_context(registered(certificates, hub.port, **extra))


def fall_silent(stack: AsyncExitStack, peer: RawPeer) -> None:
    """Have a peer hear nothing and answer nothing from now on."""
    peer.ws.transport.pause_reading()
    stack.callback(peer.ws.transport.abort)


async def refused(peer: RawPeer) -> tuple[int, str]:
    await peer.say("node.register", {"nodeId": "n1", "platform": platform("again")})
    return await peer.hear_close()


async def test_another_process_is_told_with_both_addresses(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with AsyncExitStack() as stack:
        older = await take(stack, certificates, hub, platform=platform("box-a"))
        await take(stack, certificates, hub, platform=platform("box\x1b[31m"))
        assert await older.hear_close() == (1000, REPLACED)
        await until(lambda: len(displaced(hub)) == 1)
    record = displaced(hub)[0]
    assert (record.outcome, record.principal, record.node_id, record.address) == ("error", "box", "n1", "127.0.0.1")
    assert record.detail == "127.0.0.1 (box-a) -> 127.0.0.1 (box\N{REPLACEMENT CHARACTER}[31m)"
    assert record.detail.isprintable()


@pytest.mark.parametrize(
    "says",
    [
        {"features": ("node-instance",), "instance": "the-same-process"},
        {"uid": "nod_0123456789abcdef", "platform": platform("box-a")},
    ],
    ids=["instance", "0.1.0"],
)
async def test_a_process_that_comes_back_over_a_half_open_connection_is_not(
    certificates: Certificates, hub: OmnyShellHub, says: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CLOSE_TIMEOUT", 0.1)
    async with AsyncExitStack() as stack:
        for _ in range(COMEBACKS):
            last = await take(stack, certificates, hub, **says)
            fall_silent(stack, last)
        # All but the last one are gone.
        await until(lambda: hub.connections == 1)
        assert hub.nodes.online() == {"n1"}
        assert displaced(hub) == []


async def test_the_same_process_is_not_displaced_by_itself_though_the_old_connection_answers(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(COMEBACKS):
            await take(stack, certificates, hub, features=("node-instance",), instance="one")
        await until(lambda: hub.connections == 1)
        assert displaced(hub) == []


async def knock(stack: AsyncExitStack, certificates: Certificates, hub: OmnyShellHub) -> tuple[int, str]:
    return await refused(await stack.enter_async_context(logged_in(certificates, hub.port, "node", "box")))


def held_off(hub: OmnyShellHub) -> list[str]:
    return [record.detail for record in hub.audit if record.action == "node.held-off"]


async def test_the_first_gets_its_id_back_and_the_other_is_held_off_audited_in_sum(
    certificates: Certificates, hub: OmnyShellHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub._services.node_service.held_off, "_sums", Sums[str, tuple[str, str]](0.2))
    first = {"features": ("node-instance",), "instance": "first"}
    async with AsyncExitStack() as stack:
        await take(stack, certificates, hub, **first)
        await take(stack, certificates, hub)
        holder = await take(stack, certificates, hub, **first)
        for _ in range(20):
            assert await knock(stack, certificates, hub) == (1013, "another process has this node id")
        await holder.still_there()
        assert len(displaced(hub)) == 2
        assert held_off(hub)[0] == "stays with 127.0.0.1 (unknown)"
        await until(lambda: sum(int(text.split()[0]) for text in held_off(hub)[1:]) >= 1, DEADLINE)
        assert len(held_off(hub)) < 20
        # Once it is gone, its id is free as ever.
        await holder.ws.close()
        await until(lambda: not hub.nodes.online())
        await take(stack, certificates, hub)


@pytest.mark.parametrize("hears", [True, False], ids=["answers", "never-answers"])
async def test_others_among_themselves_keep_nothing_from_the_first(
    certificates: Certificates, hub: OmnyShellHub, hears: bool
) -> None:
    first = {"features": ("node-instance",), "instance": "first", "platform": platform("db-1")}
    async with AsyncExitStack() as stack:
        await take(stack, certificates, hub, **first)
        evil = await take(stack, certificates, hub, platform=platform("evil"))
        if not hears:
            fall_silent(stack, evil)
        # Its own second connection gains it nothing, nor does it matter whether it answers its close.
        await knock(stack, certificates, hub)
        await take(stack, certificates, hub, **first)
        assert (await knock(stack, certificates, hub))[0] == 1013
        details = [record.detail for record in displaced(hub)]
        assert details == ["127.0.0.1 (db-1) -> 127.0.0.1 (evil)", "127.0.0.1 (evil) -> 127.0.0.1 (db-1)"]


async def test_a_holder_that_fell_silent_is_waited_for_no_longer_than_half_of_its_time(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What bounds the wait of a node that was started anew while a contest lasts."""
    monkeypatch.setattr("omnyshell.services.hub.nodes.heartbeat.BEAT_AND_A_HALF", 0.0)
    silent_for = [0.0]
    monkeypatch.setattr(HubPeer, "silent_for", property(lambda _peer: silent_for[-1]))
    async with OmnyShellHub(hub_config(certificates, heartbeat_timeout=120.0)) as hub, AsyncExitStack() as stack:
        await take(stack, certificates, hub, instance="first", features=("node-instance",))
        await take(stack, certificates, hub)
        await take(stack, certificates, hub, instance="first", features=("node-instance",))
        for seconds in (0.0, 59.9):
            silent_for.append(seconds)
            assert (await knock(stack, certificates, hub))[0] == 1013
        silent_for.append(60.0)
        await take(stack, certificates, hub, platform=platform("again"))
        assert len(displaced(hub)) == 2


async def test_after_a_restart_of_the_hub_the_fastest_is_not_the_first(
    certificates: Certificates, tmp_path: Path
) -> None:
    first = {"features": ("node-instance",), "instance": "the-process", "platform": platform("db-1")}
    config = hub_config(certificates, state_dir=tmp_path)
    async with OmnyShellHub(config) as hub, AsyncExitStack() as stack:
        await take(stack, certificates, hub, **first)
    async with OmnyShellHub(config) as hub, AsyncExitStack() as stack:
        for _ in range(2):
            await take(stack, certificates, hub, platform=platform("evil"))
        holder = await take(stack, certificates, hub, **first)
        assert (await knock(stack, certificates, hub))[0] == 1013
        await holder.still_there()
    assert not any(b"the-process" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


async def test_a_hold_is_no_answer_for_another_principal(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await take(stack, certificates, hub)
        assert (await knock(stack, certificates, hub))[0] == 1013
        other = await stack.enter_async_context(logged_in(certificates, hub.port, "node", "admin"))
        assert (await refused(other))[0] == 4400


async def test_ours_has_its_id_back_in_a_moment_and_the_copy_says_loudly_who_has_it(
    certificates: Certificates, hub: OmnyShellHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_node(certificates, hub.port, tmp_path / "a") as first:
        async with running_node(certificates, hub.port, tmp_path / "b") as second:
            await until(lambda: "ANOTHER PROCESS USES THE NODE ID n1" in caplog.text)
            said = next(text for text in caplog.messages if "ANOTHER PROCESS" in text)
            found = re.search(r"node id n1: .*from 127\.0\.0\.1.*; next try in (\d+) s", said, re.IGNORECASE)
            assert found is not None, said
            assert int(found[1]) <= 2
            await until(lambda: first.registered.is_set() and bool(held_off(hub)))
            await until(lambda: "another process has this node id" in caplog.text)
            assert not second.registered.is_set()
        assert len(displaced(hub)) == 2
        assert first.registered.is_set()


async def test_an_attacker_that_comes_at_once_and_never_answers_has_the_id_for_seconds(
    certificates: Certificates, hub: OmnyShellHub, tmp_path: Path
) -> None:
    """The attacker tries as fast as it can, as a machine of the same name behind the same address."""
    attempts = 0

    async def attack(stack: AsyncExitStack) -> None:
        nonlocal attempts
        while True:
            peer = await stack.enter_async_context(logged_in(certificates, hub.port, "node", "box"))
            await peer.say("node.register", {"nodeId": "n1", "platform": platform(socket.gethostname())})
            fall_silent(stack, peer)
            attempts += 1

    async with running_node(certificates, hub.port, tmp_path / "a") as node, AsyncExitStack() as stack:
        attacker = asyncio.create_task(attack(stack))
        try:
            await until(lambda: len(displaced(hub)) >= 2 and node.registered.is_set())
            so_far, taken = attempts, len(displaced(hub))
            await until(lambda: attempts >= so_far + 30 or attacker.done())
            assert node.registered.is_set()
            assert len(displaced(hub)) == taken <= 3
        finally:
            attacker.cancel()
            await asyncio.gather(attacker, return_exceptions=True)


async def test_whoever_watches_is_told_of_the_node(certificates: Certificates, hub: OmnyShellHub) -> None:
    state = HubState()
    feed = asyncio.create_task(LiveFeed(access(certificates, hub.port, "admin"), state).run())
    try:
        async with AsyncExitStack() as stack:
            first = {"features": ("node-instance",), "instance": "first", "platform": platform("box-a")}
            await take(stack, certificates, hub, **first)
            await until(lambda: "n1" in state.nodes)
            assert state.nodes["n1"].displaced_at is None
            await take(stack, certificates, hub, platform=platform("box-b"))

            def told() -> LiveNode | None:
                return next((node for node in state.nodes.values() if node.displaced_at is not None), None)

            await until(lambda: told() is not None)
            found = told()
            assert found is not None
            assert found.is_online
            assert found.displaced == "127.0.0.1 (box-a) -> 127.0.0.1 (box-b)"
            # What the first lost is shown still when it has its id back, and took it from the other for that.
            await take(stack, certificates, hub, **first, labels={"back": "yes"})
            await until(lambda: state.nodes["n1"].labels.get("back") == "yes")
            assert len(displaced(hub)) == 2
            assert state.nodes["n1"].displaced == found.displaced
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


@pytest.fixture
async def processes() -> AsyncIterator[ExitStack]:
    stack = ExitStack()
    yield stack
    # The hub is in this loop, and answers a node that stops: what waited here would keep it from that.
    await asyncio.to_thread(stack.close)


async def test_two_real_processes_with_copies_of_one_login(
    certificates: Certificates, hub: OmnyShellHub, tmp_path: Path, processes: ExitStack
) -> None:
    def start(home: str) -> "subprocess.Popen[str]":
        process = start_command(
            "node", "start", "--run-as-node-user", "--no-keeper", "--id", "n1", "--log-format", "json",
            "--hub", f"wss://127.0.0.1:{hub.port}", "--principal", "box", "--ca", str(certificates.ca),
            env={**os.environ, "OMNYSHELL_HOME": str(tmp_path / home), "OMNYSHELL_TOKEN": "box-token"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.callback(process.communicate)
        processes.callback(process.terminate)
        return process

    first = start("a")
    await until(lambda: bool(hub.nodes.online()), DEADLINE)
    start("b")
    await until(lambda: len(displaced(hub)) == 1, DEADLINE)

    def last_words() -> dict[str, str]:
        assert first.stderr is not None
        return next(line for text in first.stderr if (line := json.loads(text))["level"] == "error")

    said = await asyncio.wait_for(asyncio.to_thread(last_words), DEADLINE)
    assert "ANOTHER PROCESS USES THE NODE ID n1" in said["message"]
    async with connected_client(certificates, hub.port) as client:
        assert [node.node_id for node in await client.list_nodes()] == ["n1"]
