"""Peers that say what none may say, toward a real hub in a process of its own and toward who asks that hub."""

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.deadline import DEADLINE
from support.declarations import every_message
from support.file_tree import FileTree
from support.hostile import (
    at_once,
    body,
    changing,
    judged,
    leaves,
    replaced,
    saturated,
    unprintable,
)
from support.hostile_hub import Alter
from support.hostile_node import hostile_node
from support.hub_process import HubProcess
from support.logging_hub import logging_hub
from support.raw_peer import RawPeer, logged_in, registered
from support.stack import Certificates
from support.victim import RUNS, Victim
from websockets.exceptions import ConnectionClosed

from omnyshell.cli.main import run
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages import ControlMessage, admin as admin_messages
from omnyshell.protocol.messages.base import Role, Way

LONG = 10_000
"""Characters of a value that is sent once for a whole message, and not for each of its fields."""

LOOKING = (
    "nodes list", "nodes known", "sessions list", "sessions peek", "sessions kill", "sessions detach",
    "sessions resume", "exec", "connect", "events", "top", "hub sessions", "hub peers",
)  # fmt: skip
"""Commands that show what a node says, and change nothing at the hub."""


@pytest.fixture
def fresh_hub(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One of which nothing is in the trail yet."""
    with logging_hub(certificates, tmp_path_factory) as process:
        yield process


def victims(capfd: pytest.CaptureFixture[str], place: Path) -> list[Victim]:
    chosen = [(command, as_json) for command, as_json in RUNS if command.name in LOOKING]
    assert {command.name for command, _ in chosen} == set(LOOKING)
    return [Victim(command, capfd, place, as_json=as_json) for command, as_json in chosen]


def saturating(kinds: tuple[type[ControlMessage], ...], values: tuple[Any, ...]) -> Alter:
    return lambda kind, whole: saturated(kind, whole, *values) if kind in kinds else whole


def test_what_a_node_says_of_itself_does_no_harm(
    hub: HubProcess, admin: Path, certificates: Certificates, capfd: pytest.CaptureFixture[str]
) -> None:
    looking = victims(capfd, admin)
    with hostile_node(certificates, hub.port):
        assert [victim.run() for victim in looking] == [0] * len(looking)
    kinds = (m.NodeRegister, m.NodeCapabilitiesMessage)
    for values in at_once(list(dict.fromkeys(value for kind in kinds for value in changing(kind, body(kind))))):
        with hostile_node(certificates, hub.port, saturating(kinds, values)):
            for victim in looking:
                victim.run(str(values)[:100])


@cache
def spoilt(declared: type[ControlMessage]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Bodies in which one value is hostile: those that a hub can read, and those that it cannot."""
    whole = body(declared)
    readable: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    known: set[Any] = set()
    for place, field in leaves(declared):
        values = [each for each in judged(field) if len(str(each[0])) < LONG]
        readable += [replaced(whole, place, value) for value, problem in values if problem is None]
        wrong = [replaced(whole, place, value) for value, problem in values if problem is not None]
        # Fields of one type and grammar have one reader: what it refuses is said once, and once more of each field.
        reader = (field.kind, field.grammar, len(place) > 1)
        others += wrong[:1] if reader in known else wrong
        known.add(reader)
    return readable, others


OF_CONNECTIONS = (Way.CONNECTION, Way.PEER_TO_HUB)
"""What a connection deals with by itself, whoever says it."""


async def say_everything(
    hub: HubProcess, certificates: Certificates, role: str, principal: str, declared: type[ControlMessage]
) -> None:
    """Send a message spoilt in every way, over a connection of its own; one that is not its to say is dropped alike."""
    whole = body(declared)
    bodies = [saturated(declared, whole, value) for value in changing(declared, whole)]
    if declared.WAY in OF_CONNECTIONS or role in (declared.WAY.senders or (Role.CLIENT,)):
        readable, others = spoilt(declared)
        # What cannot be read is read alike, whichever principal says it.
        bodies += readable + (others if principal in ("admin", "box") else [])
    async with logged_in(certificates, hub.port, role, principal, ("admin", "events", "resume-offset")) as peer:
        listening = asyncio.create_task(_listen(peer))
        # Who is thrown out for what it said says no more.
        with suppress(ConnectionClosed):
            for each in bodies:
                await peer.say(declared.TYPE, each, 1 if declared.SCOPED else None)
        await peer.ws.close()
        await listening
    assert hub.is_running, declared.TYPE


async def _listen(peer: RawPeer) -> None:
    with suppress(ConnectionClosed):
        async for _ in peer.ws:
            continue


@pytest.mark.parametrize(
    ("role", "principal"), [("client", "admin"), ("client", "dev"), ("node", "box"), ("other", "dev")]
)
async def test_no_message_of_any_peer_does_harm(
    hub: HubProcess, certificates: Certificates, role: str, principal: str
) -> None:
    for declared in every_message():
        await say_everything(hub, certificates, role, principal, declared)


async def be_refused_much(hub: HubProcess, certificates: Certificates) -> None:
    """Have a hub refuse what is said in every way, and register a node; what it has audited of all is on disk then."""
    for declared in (m.SessionOpen, m.TunnelOpenRequest, admin_messages.PeerDrop, admin_messages.NodeLabelsSet):
        await say_everything(hub, certificates, "client", "admin", declared)
    # Whoever says more than a few messages before a hub has answered its registration is thrown out instead.
    async with registered(certificates, hub.port):
        pass
    await say_everything(hub, certificates, "node", "box", m.NodeRegister)
    async with logged_in(certificates, hub.port, "client", "admin", ("admin",)) as admin:
        # What an admin asks for is answered once its record is on disk, behind all earlier ones.
        await admin.say(admin_messages.PeerDrop.TYPE, {"requestId": "last", "peerId": "nobody"})
        await admin.hear("admin.result")


def test_what_was_audited_is_printed_and_exported_without_harm(
    fresh_hub: HubProcess, machine: Path, certificates: Certificates, capfd: pytest.CaptureFixture[str]
) -> None:
    hub = fresh_hub
    asyncio.run(be_refused_much(hub, certificates))
    state = ["--state-dir", str(hub.state)]
    for words in (["list"], ["list", "--json"], ["export"], ["verify"], ["head"]):
        before = FileTree.of(machine)
        capfd.readouterr()
        assert run(["audit", *words, *state]) == 0
        printed = capfd.readouterr()
        assert unprintable(printed.out + printed.err) == []
        if words[-1] in ("--json", "export"):
            actions = {json.loads(line)["action"] for line in printed.out.splitlines()}
            assert {"node.register", "session.rejected", "tunnel.rejected", "admin.peer.drop"} <= actions
        assert before.changes() == []
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    with urllib.request.urlopen(f"https://127.0.0.1:{hub.port}/metrics", context=tls, timeout=DEADLINE) as page:
        text = page.read().decode()
    assert unprintable(text) == []
    assert list(text_string_to_metric_families(text))
