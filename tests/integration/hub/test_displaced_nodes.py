"""One node id from two processes: audited with both addresses, told to whoever watches, and calmed down."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
from support.raw_peer import RawPeer, logged_in, registered
from support.stack import DEADLINE, Certificates, access, connected_client, hub_config, running_node, until

from omnyshell import OmnyShellHub
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import LiveNode
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState
from omnyshell.services.hub.takeovers import MOST
from omnyshell.transport import link

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


@pytest.mark.parametrize("instance", ["", "the-same-process"])
async def test_a_process_that_comes_back_over_a_half_open_connection_is_not(
    certificates: Certificates, hub: OmnyShellHub, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CLOSE_TIMEOUT", 0.1)
    more = {"instance": instance} if instance else {}
    async with AsyncExitStack() as stack:
        for _ in range(2 * MOST):
            last = await take(stack, certificates, hub, features=("node-instance",), **more)
            # From now on it hears nothing, and answers nothing.
            last.ws.transport.pause_reading()
        # All but the last one are gone.
        await until(lambda: hub.connections == 1)
        assert hub.nodes.online() == {"n1"}
        assert displaced(hub) == []


async def test_the_same_process_is_not_displaced_by_itself_though_the_old_connection_answers(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2 * MOST):
            await take(stack, certificates, hub, features=("node-instance",), instance="one")
        await until(lambda: hub.connections == 1)
        assert displaced(hub) == []


async def test_two_that_fight_are_made_to_wait_and_the_one_that_has_the_id_keeps_it(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with AsyncExitStack() as stack:
        for number in range(MOST + 1):
            holder = await take(stack, certificates, hub, platform=platform(f"box-{number % 2}"))
            await until(lambda number=number: len(displaced(hub)) == number)
        for _ in range(3):
            other = await stack.enter_async_context(logged_in(certificates, hub.port, "node", "box"))
            assert await refused(other) == (1013, "another process has this node id")
        await holder.still_there()
        assert len(displaced(hub)) == MOST
        # Once it is gone, its id is free as ever.
        await holder.ws.close()
        await until(lambda: not hub.nodes.online())
        await take(stack, certificates, hub)


async def test_a_hold_is_no_answer_for_another_principal(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MOST + 1):
            await take(stack, certificates, hub)
        await until(lambda: len(displaced(hub)) == MOST)
        other = await stack.enter_async_context(logged_in(certificates, hub.port, "node", "admin"))
        assert (await refused(other))[0] == 4400


async def test_ours_say_so_loudly_wait_for_long_and_name_the_other(
    certificates: Certificates, hub: OmnyShellHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running_node(certificates, hub.port, tmp_path / "a") as first,
        running_node(certificates, hub.port, tmp_path / "b") as second,
    ):
        await until(lambda: not first.registered.is_set() and "ANOTHER PROCESS USES" in caplog.text)
        assert second.registered.is_set()
        said = next(text for text in caplog.messages if "ANOTHER PROCESS" in text)
        found = re.search(r"node id n1: .*from 127\.0\.0\.1.*; next try in (\d+) s", said, re.IGNORECASE)
        assert found is not None, said
        assert 60 <= int(found[1]) <= 120
        # Somebody who has sorted it out need not wait.
        first.dial_now()
        await asyncio.wait_for(first.registered.wait(), DEADLINE)
    assert len(displaced(hub)) == 2


async def test_whoever_watches_is_told_of_the_node(certificates: Certificates, hub: OmnyShellHub) -> None:
    state = HubState()
    feed = asyncio.create_task(LiveFeed(access(certificates, hub.port, "admin"), state).run())
    try:
        async with AsyncExitStack() as stack:
            await take(stack, certificates, hub, platform=platform("box-a"))
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
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def test_two_real_processes_with_copies_of_one_login(
    certificates: Certificates, hub: OmnyShellHub, tmp_path: Path, processes: ExitStack
) -> None:
    def start(home: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [Path(sys.executable).with_name("omnyshell"), "node", "start", "--id", "n1", "--log-format", "json",
             "--hub", f"wss://127.0.0.1:{hub.port}", "--principal", "box", "--ca", str(certificates.ca)],
            env={**os.environ, "OMNYSHELL_HOME": str(tmp_path / home), "OMNYSHELL_TOKEN": "box-token"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.callback(process.communicate)
        processes.callback(process.terminate)
        return process

    first = start("a")
    await until(lambda: bool(hub.nodes.online()), 2 * DEADLINE)
    start("b")
    await until(lambda: len(displaced(hub)) == 1, 2 * DEADLINE)

    def last_words() -> dict[str, str]:
        assert first.stderr is not None
        return next(line for text in first.stderr if (line := json.loads(text))["level"] == "error")

    said = await asyncio.wait_for(asyncio.to_thread(last_words), DEADLINE)
    assert "ANOTHER PROCESS USES THE NODE ID n1" in said["message"]
    async with connected_client(certificates, hub.port) as client:
        assert [node.node_id for node in await client.list_nodes()] == ["n1"]
