"""One token for many machines: each takes a new id, no more of them than was said, and all of it is audited."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.raw_admin import ADMIN, ask, log_in, try_join
from support.raw_peer import RawPeer, logged_in, registered, stranger
from support.stack import Certificates, access, hub_config

from omnyshell import OmnyShellHub
from omnyshell.protocol.messages.admin import InviteCreate, InviteCreated
from omnyshell.services.client.admin import AdminClient, AdminRequestException
from omnyshell.services.hub import assembly

AT_ONCE = 16


@pytest.fixture
async def hub(certificates: Certificates, tmp_path: Path) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub")) as started:
        yield started


@pytest.fixture
async def admin(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[RawPeer]:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as peer:
        yield peer


async def invite(admin: RawPeer, **fields: Any) -> dict[str, Any]:
    return await ask(admin, "admin.invite.create", "admin.invite.created", kind="node", **fields)


async def left(admin: RawPeer) -> list[int | None]:
    listed = await ask(admin, "admin.invites.request", "admin.invites.response")
    return [one.get("usesLeft") for one in listed["invites"]]


async def join(certificates: Certificates, hub: OmnyShellHub, token: str, **fields: Any) -> dict[str, Any]:
    """One machine with a key of its own; what the hub said, with the close code."""
    answer, code = await try_join(certificates, hub.port, "node", token, Ed25519PrivateKey.generate(), **fields)
    return {"t": answer["t"], "code": code, **answer["d"]}


async def test_many_machines_at_30_uses_are_exactly_30_with_ids_of_their_own(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    made = await invite(admin, uses=30, idPrefix="web-", ttlSeconds=3600, labels={"allow-roles": "developer"})
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> dict[str, Any]:
        async with gate:
            # Some have a name of their own, many come from one image.
            suggested = f"host{number}" if number % 3 == 0 else "image"
            return await join(certificates, hub, made["token"], suggestedId=suggested)

    answers = await asyncio.gather(*(one(number) for number in range(90)))
    assert Counter(answer["t"] for answer in answers) == {"join.accepted": 30, "join.refused": 60}
    assert {answer["reason"] for answer in answers if answer["t"] == "join.refused"} == {"used"}
    ids = [answer["nodeId"] for answer in answers if answer["t"] == "join.accepted"]
    assert len(set(ids)) == 30
    assert all(id_.startswith("web-") for id_ in ids)
    used = [each for each in hub.audit if each.action == "invite.use"]
    assert sorted(each.node_id for each in used) == sorted(ids)
    counted = [each.detail for each in used]
    assert counted == [f"{made['inviteId']}, {rest} of 30 uses left" for rest in reversed(range(30))]
    assert await left(admin) == []


async def test_what_joined_is_a_node_and_no_other(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    made = await invite(admin, uses=2, idPrefix="web-")
    key = Ed25519PrivateKey.generate()
    answer, code = await try_join(certificates, hub.port, "node", made["token"], key, suggestedId="a")
    assert (answer["d"]["nodeId"], answer["d"]["principal"], code) == ("web-a", "node:web-a", 1000)
    assert await left(admin) == [1]
    for node_id, expected in (("web-a", "node.registered"), ("web-b", "error")):
        async with stranger(certificates, hub.port) as node:
            assert (await log_in(node, "node", "node:web-a", key))["t"] == "auth.ok"
            await node.say("node.register", {"nodeId": node_id, "platform": {"os": "linux", "arch": "x64"}})
            assert (await node.hear())["t"] == expected


async def test_no_machine_of_a_fleet_gets_an_id_that_is_taken(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    joined = await invite(admin, nodeId="web-joined")
    assert (await join(certificates, hub, joined["token"]))["t"] == "join.accepted"
    made = await invite(admin, uses=50, idPrefix="web-")
    assert (await ask(admin, "admin.lock.add", kind="node", name="web-locked"))["ok"]
    assert (await join(certificates, hub, made["token"], suggestedId="mine"))["nodeId"] == "web-mine"
    async with registered(certificates, hub.port, "web-owned"):
        for name in ("owned", "joined", "locked", "mine"):
            refused = await join(certificates, hub, made["token"], nodeId=f"web-{name}")
            assert (refused["t"], refused["reason"]) == ("join.refused", "id_taken")
            for suggested in (name, f"web-{name}"):
                given = (await join(certificates, hub, made["token"], suggestedId=suggested))["nodeId"]
                assert given.startswith(f"web-{name}-")
    assert await left(admin) == [50 - 9]
    for fields, reason in (
        ({"nodeId": "db-1"}, "other_id"),
        ({"nodeId": "web"}, "other_id"),
        ({"nodeId": "web-a/b"}, "bad_id"),
        ({"suggestedId": "../../etc"}, "bad_id"),
        ({"nodeId": "web-" + "x" * 252}, "bad_id"),
    ):
        assert (await join(certificates, hub, made["token"], **fields))["reason"] == reason
    long = [await join(certificates, hub, made["token"], suggestedId="x" * 255) for _ in "12"]
    assert len({each["nodeId"] for each in long}) == 2
    assert (await join(certificates, hub, made["token"]))["nodeId"] == "web-node"
    assert await left(admin) == [50 - 12]


async def test_revoked_expired_and_restarted(certificates: Certificates, tmp_path: Path) -> None:
    config = hub_config(certificates, state_dir=tmp_path / "hub")
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        made = await invite(admin, uses=3, idPrefix="web-")
        assert (await join(certificates, hub, made["token"], suggestedId="a"))["t"] == "join.accepted"
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        assert await left(admin) == [2]
        assert (await join(certificates, hub, made["token"], suggestedId="a"))["nodeId"] == "web-a-2"
        assert (await ask(admin, "admin.invite.revoke", inviteId=made["inviteId"]))["ok"]
        assert (await join(certificates, hub, made["token"], suggestedId="c"))["t"] == "auth.fail"
        for wrong in (
            {"uses": 0},
            {"uses": 10_001},
            {"uses": -1},
            {"uses": 5, "idPrefix": "a/b"},
            {"uses": 5, "idPrefix": "x" * 65},
            {"uses": 5, "nodeId": "web-1"},
            {"idPrefix": "web-", "nodeId": "web-1"},
        ):
            assert (await ask(admin, "admin.invite.create", kind="node", **wrong))["code"] == "bad_request"
        user = {"kind": "user", "principal": "eve", "uses": 5}
        assert (await ask(admin, "admin.invite.create", **user))["code"] == "bad_request"


async def test_a_hub_that_would_make_another_invite_is_not_asked(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "OF_HUB", assembly.OF_HUB - {"fleet-invites"})
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        AdminClient(access(certificates, hub.port, "admin")) as admin,
    ):
        for fields in ({"uses": 5}, {"id_prefix": "web-"}):
            with pytest.raises(AdminRequestException, match="nothing was changed"):
                await admin.ask(InviteCreate(request_id="", kind="node", **fields), InviteCreated)  # type: ignore[arg-type]
        assert not [each for each in hub.audit if each.action == "invite.create"]
