"""A whole hub over a log of what is true that answers a moment later: nothing takes the answer for granted."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.raw_admin import ADMIN, ask, log_in, try_join
from support.raw_peer import RawPeer, logged_in, stranger
from support.stack import Certificates, hub_config
from support.truth_logs import LateLog

from omnyshell import OmnyShellHub
from omnyshell.services.hub import records

PLATFORM = {"os": "linux", "arch": "x64"}


@pytest.fixture
async def hub(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OmnyShellHub]:
    monkeypatch.setattr(records, "SqliteLog", LateLog)
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub")) as started:
        yield started


@pytest.fixture
async def admin(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[RawPeer]:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as peer:
        yield peer


async def test_a_node_that_registers_says_what_it_likes_at_once_and_is_answered_in_order(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with logged_in(certificates, hub.port, "node", "box") as node:
        at = "2026-01-02T00:00:00.000Z"
        await node.say("node.register", {"nodeId": "n1", "platform": PLATFORM})
        await node.say("node.capabilities", {"features": ["exec"], "maxSessions": 3})
        await node.say("node.heartbeat", {"nodeId": "n1", "seq": 1, "ts": at})
        await node.say("node.register", {"nodeId": "n2", "platform": PLATFORM})
        await node.say("node.heartbeat", {"nodeId": "n2", "seq": 2, "ts": at})
        said = [await node.hear() for _ in range(4)]
        assert [(each["t"], each["d"].get("nodeId", each["d"].get("seq"))) for each in said] == [
            ("node.registered", "n1"),
            ("node.heartbeat.ack", 1),
            ("node.registered", "n2"),
            ("node.heartbeat.ack", 2),
        ]
        assert list(hub.nodes.online()) == ["n2"]


async def test_an_invite_is_used_once_whoever_comes_together(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    made = await ask(admin, "admin.invite.create", "admin.invite.created", kind="node", ttlSeconds=600)
    keys = [Ed25519PrivateKey.generate() for _ in range(4)]
    answers = await asyncio.gather(
        *(
            try_join(certificates, hub.port, "node", made["token"], key, nodeId=f"n{number}")
            for number, key in enumerate(keys)
        )
    )
    said = sorted(answer["t"] for answer, _ in answers)
    assert said == ["join.accepted", "join.refused", "join.refused", "join.refused"]
    assert {answer["d"]["reason"] for answer, _ in answers if answer["t"] == "join.refused"} == {"used"}
    (winner,) = (number for number, (answer, _) in enumerate(answers) if answer["t"] == "join.accepted")
    async with stranger(certificates, hub.port) as node:
        assert (await log_in(node, "node", f"node:n{winner}", keys[winner]))["t"] == "auth.ok"


async def test_what_an_admin_changes_has_taken_effect_when_it_is_answered(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    await ask(admin, "admin.principal.add", principal="eve", roles=["dev"])
    token = (await ask(admin, "admin.token.add", "admin.token.added", principal="eve"))["token"]
    async with stranger(certificates, hub.port) as eve:
        await eve.greet("client")
        await eve.say("auth.request", {"method": "token", "principal": "eve", "token": token})
        await eve.hear("auth.ok")
        assert (await ask(admin, "admin.lock.add", kind="principal", name="eve"))["ok"]
        assert (await eve.hear("error"))["d"]["fatal"]
    async with stranger(certificates, hub.port) as eve:
        await eve.greet("client")
        await eve.say("auth.request", {"method": "token", "principal": "eve", "token": token})
        await eve.hear("auth.fail")
    assert (await ask(admin, "admin.principal.revoke", principal="eve"))["ok"]
    assert hub._records is not None
    assert hub._records.enrolments.principals() == []
