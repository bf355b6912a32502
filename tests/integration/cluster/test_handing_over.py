"""Hubs tell peers of each other; those that are drained, or stop, hand their nodes and clients over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import run_text
from support.engine import Engine
from support.raw_peer import logged_in
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, connected_client, running_node, until

from omnyshell import SessionMode
from omnyshell.model.hubs import OtherHub
from omnyshell.services.client.states import LinkState
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.transport.connection import HubAddress

PLATFORM = {"os": "linux", "arch": "x64"}
NOBODY = "nobody is left: the hub can be stopped; `hub drain --end` has it take nodes and clients again"


class Two:
    """Hubs `a` and `b`, which say where peers reach them."""

    def __init__(self, hubs: Hubs, certificates: Certificates) -> None:
        self.a, self.b = hubs.running["a"], hubs.running["b"]
        self.certificates = certificates

    async def drain(self, port: int, *words: str) -> tuple[int, str]:
        """Say the command to a hub; returns its exit code, and the last that it said."""
        access = ["--hub", f"wss://127.0.0.1:{port}", "--principal", "admin", "--token", "admin-token"]
        words = ("hub", "drain", *access, "--ca", str(self.certificates.ca), *words)
        ran = await asyncio.to_thread(run_text, *words)
        return ran.returncode, (ran.stdout + ran.stderr).splitlines()[-1]


@pytest.fixture
async def two(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Two]:
    of_b = {"cluster": ClusterSettings(weight=7)}
    async with two_hubs(certificates, tmp_path, engine, reached=True, of_b=of_b) as made:
        yield Two(made, certificates)


async def test_peers_hear_of_other_hubs_and_are_handed_over_to_them(two: Two, tmp_path: Path) -> None:
    """Several seconds: two hubs are founded once for all of it, and a command looks once a second."""
    await until(two.a._services.hand_over.is_any_there)
    await _each_change_is_told(two)
    await _a_hub_is_drained_and_what_runs_goes_on(two, tmp_path / "drained")
    await _a_drained_hub_takes_no_new_nodes_until_it_is_taken_back(two)
    await _a_hub_that_stops_hands_over_before(two, tmp_path / "stopped")
    code, said = await two.drain(two.b.port)
    assert (code, "nobody could go anywhere" in said) == (255, True)


async def _each_change_is_told(two: Two) -> None:
    told = {"url": f"wss://localhost:{two.b.port}", "weight": 7}
    async with logged_in(two.certificates, two.a.port, "client", "admin", ("hubs",)) as client:
        two.b.reload(replace(two.b.config, public_urls=(HubAddress("localhost", two.b.port),)))
        while (await client.hear("hubs.changed"))["d"] != {"hubs": [told]}:
            pass
    async with logged_in(two.certificates, two.b.port, "node", "box", ("hubs",)) as node:
        await node.say("node.register", {"nodeId": "n1", "platform": PLATFORM})
        while (said := await node.hear())["t"] == "hubs.changed":
            pass
        assert said["d"]["hubs"] == [{"url": f"wss://127.0.0.1:{two.a.port}", "weight": 100}]


async def _a_hub_is_drained_and_what_runs_goes_on(two: Two, state: Path) -> None:
    """Node and client came while the hub had none to tell of, as before a second one joins."""
    reached = two.b.config
    two.b.reload(replace(reached, public_urls=()))
    await until(lambda: not two.a._services.hand_over.welcome())
    async with (
        running_node(two.certificates, two.a.port, state),
        connected_client(two.certificates, two.a.port) as client,
        await client.open_session("n1", mode=SessionMode.SHELL, command="read line; echo $line; exit 3") as shell,
    ):
        states: list[LinkState] = []
        shell.on_state = states.append
        two.b.reload(reached)
        await until(two.a._services.hand_over.is_any_there)
        assert await two.drain(two.a.port, "--within", "0s") == (0, NOBODY)
        assert list(two.b.nodes.online()) == ["n1"]
        await shell.write(b"over there\n")
        assert b"over there" in b"".join([chunk.data async for chunk in shell])
        assert (await shell.wait()).code == 3
        assert set(states) == {LinkState.RECONNECTING, LinkState.RESUMED}
        await until(
            lambda: two.b._services.hand_over.welcome() == (OtherHub(url=f"wss://127.0.0.1:{two.a.port}", weight=0),)
        )


async def _a_drained_hub_takes_no_new_nodes_until_it_is_taken_back(two: Two) -> None:
    async with logged_in(two.certificates, two.a.port, "node", "box") as late:
        await late.say("node.register", {"nodeId": "n2", "platform": PLATFORM})
        assert await late.hear_close() == (1013, "this hub hands its nodes over to other hubs")
    async with logged_in(two.certificates, two.a.port, "client", "admin"):
        code, said = await two.drain(two.a.port, "--within", "0s", "--wait", "1s")
        assert (code, said.startswith("0 nodes and 1 client are left, too old")) == (1, True)
    assert await two.drain(two.a.port, "--end") == (0, "the hub takes nodes and clients again")
    async with logged_in(two.certificates, two.a.port, "node", "box") as late:
        await late.say("node.register", {"nodeId": "n2", "platform": PLATFORM})
        await late.hear("node.registered")


async def _a_hub_that_stops_hands_over_before(two: Two, state: Path) -> None:
    await until(two.a._services.hand_over.is_any_there)
    async with (
        running_node(two.certificates, two.a.port, state),
        connected_client(two.certificates, two.a.port) as client,
        await client.open_session("n1", command="read line; echo $line") as session,
    ):
        await two.a.stop()
        assert list(two.b.nodes.online()) == ["n1"]
        await session.write(b"on\n")
        assert b"".join([chunk.data async for chunk in session]) == b"on\n"
    await until(lambda: not two.b._services.hand_over.is_any_there())
