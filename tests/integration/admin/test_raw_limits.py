"""What administration refuses and why, and what the audit says of it: raw peers that know docs/extensions.md."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.raw_admin import ADMIN, ask, log_in, try_join
from support.raw_peer import RawPeer, logged_in, registered, stranger
from support.stack import Certificates, hub_config, until

from omnyshell import OmnyShellHub
from omnyshell.model.audit import AuditRecord


@pytest.fixture
async def hub(certificates: Certificates, tmp_path: Path) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as started:
        yield started


@pytest.fixture
async def admin(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[RawPeer]:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as peer:
        yield peer


def newest(hub: OmnyShellHub, action: str) -> AuditRecord:
    return next(record for record in hub.audit.newest_first() if record.action == action)


async def refused(admin: RawPeer, type_: str, **data: Any) -> str:
    answer = await ask(admin, type_, **data)
    assert (answer["ok"], answer["code"]) == (False, "bad_request")
    return str(answer["message"])


async def test_a_refused_request_is_audited_with_what_it_was_about(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    async with logged_in(certificates, hub.port, "client", "dev", ADMIN) as dev:
        await ask(dev, "admin.principal.add", principal="eve", roles=["admin", "ops"])
        await ask(dev, "admin.node.release", nodeId="n1")
    denied = newest(hub, "admin.principal.add")
    assert (denied.outcome, denied.principal, denied.reason) == ("denied", "dev", "not_authorized")
    assert denied.detail == "principal=eve roles=admin,ops"
    assert (newest(hub, "admin.node.release").node_id, newest(hub, "admin.node.release").detail) == ("n1", "")
    for type_, data in (
        ("admin.principal.revoke", {"principal": "nobody" * 100}),
        ("admin.credential.revoke", {"principal": "dev", "credentialId": "c1"}),
        ("admin.peer.drop", {"peerId": "p1"}),
        ("admin.session.close", {"sessionRef": "s1"}),
        ("admin.tunnel.close", {"tunnelRef": "t1"}),
        ("admin.invite.revoke", {"inviteId": "i1"}),
    ):
        assert (await ask(admin, type_, **data))["ok"] is False
        record = newest(hub, type_)
        for name, value in data.items():
            assert f"{name}={value[:128]}" in record.detail
        assert len(record.detail) < 400
    await ask(admin, "admin.node.labels", nodeId="n7", labels={"": "x"})
    record = newest(hub, "admin.node.labels")
    assert (record.node_id, record.detail) == ("n7", "the labels are too many, or one has no name")


async def test_names_roles_and_texts_are_bounded(hub: OmnyShellHub, admin: RawPeer) -> None:
    add = "admin.principal.add"
    assert "displayName has at most 256" in await refused(admin, add, principal="eve", displayName="x" * 257)
    assert "at most 64 roles" in await refused(admin, add, principal="eve", roles=[f"r{n}" for n in range(65)])
    text = await refused(admin, add, principal="eve", roles=["r" * 300])
    assert "a role has 1 to 128 characters" in text
    assert len(text) < 200
    for name in ("", "x" * 129, "a b", "a:b", "a\u00a0b", "a\tb"):
        assert "1 to 128 characters" in await refused(admin, add, principal=name)
    roles = [f"{n}".rjust(128, "r") for n in range(64)]
    made = await ask(admin, add, principal="e" * 128, displayName="x" * 256, roles=roles)
    assert made == {"ok": True}
    assert "label has at most 256" in await refused(admin, "admin.token.add", principal="e" * 128, label="x" * 257)
    create = "admin.invite.create"
    assert "displayName" in await refused(admin, create, kind="user", principal="bob", displayName="x" * 257)
    assert "too many" in await refused(admin, create, kind="node", labels={"x": "y" * 20_000})
    assert await ask(admin, "admin.invites.request", "admin.invites.response") == {"invites": []}


async def test_times_out_of_range_are_refused_with_their_range(hub: OmnyShellHub, admin: RawPeer) -> None:
    await ask(admin, "admin.principal.add", principal="eve")
    assert "expiresAt" not in await ask(admin, "admin.token.add", "admin.token.added", principal="eve")
    for seconds in (-1, 2**62):
        text = await refused(admin, "admin.token.rotate", principal="eve", overlapSeconds=seconds)
        assert "overlapSeconds must be 0 to 3153600000" in text
    for seconds in (0, 2**62):
        text = await refused(admin, "admin.token.add", principal="eve", ttlSeconds=seconds)
        assert "ttlSeconds must be 1 to 3153600000" in text
        text = await refused(admin, "admin.invite.create", kind="node", ttlSeconds=seconds)
        assert "ttlSeconds must be 1 to 2592000" in text
    made = await ask(admin, "admin.token.add", "admin.token.added", principal="eve", ttlSeconds=60)
    assert newest(hub, "token.add").detail == f"eve {made['credentialId']} until {made['expiresAt']}"
    first = (await ask(admin, "admin.principals.request", "admin.principals.response"))["principals"]
    old = next(one for one in first if one["principal"] == "eve")["credentials"][0]["id"]
    await ask(admin, "admin.token.rotate", "admin.token.added", principal="eve", credentialId=old, overlapSeconds=90)
    detail, until_ = newest(hub, "token.rotate").detail.split(" until ")
    assert detail.split()[-2:] == ["for", old]
    ahead = datetime.fromisoformat(until_) - hub.config.clock.now()
    assert 60 < ahead.total_seconds() <= 90


async def test_an_invite_that_could_not_be_used_is_refused_when_it_is_made(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    assert "of kind node or user" in await refused(admin, "admin.invite.create", kind="robot")
    async with registered(certificates, hub.port):
        text = await refused(admin, "admin.invite.create", kind="node", nodeId="n1")
    assert "belongs to 'box'" in text
    assert "omnyshell nodes release n1" in text


async def joined(certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, **fields: Any) -> Ed25519PrivateKey:
    """A key enrolled by an invite."""
    made = await ask(admin, "admin.invite.create", "admin.invite.created", **fields)
    key = Ed25519PrivateKey.generate()
    role = "node" if fields["kind"] == "node" else "client"
    answer, _ = await try_join(certificates, hub.port, role, made["token"], key, suggestedId="db-1")
    assert answer["t"] == "join.accepted", answer
    return key


async def test_a_released_id_is_free_for_an_open_invite(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    key = await joined(certificates, hub, admin, kind="node", nodeId="db-1", labels={"env": "prod"})
    async with stranger(certificates, hub.port) as node:
        assert (await log_in(node, "node", "node:db-1", key))["t"] == "auth.ok"
        assert await ask(admin, "admin.node.release", nodeId="db-1") == {"ok": True}
        assert (await node.hear("error"))["d"]["code"] == "auth_failed"
    assert newest(hub, "node.release").detail == "was of node:db-1, node:db-1 is revoked"
    assert newest(hub, "peer.revoked").reason == "the principal was revoked"
    answer = await ask(admin, "admin.node.release", nodeId="db-1")
    assert (answer["ok"], answer["code"]) == (False, "not_found")
    async with stranger(certificates, hub.port) as node:
        assert (await log_in(node, "node", "node:db-1", key))["t"] == "auth.fail"
    await joined(certificates, hub, admin, kind="node")
    # The ceiling stays: it is about the id, whoever has it.
    (known,) = (await ask(admin, "admin.nodes.request", "admin.nodes.response"))["nodes"]
    assert (known["principal"], known["hubLabels"]) == ("node:db-1", {"env": "prod"})


async def test_a_user_invite_for_a_principal_that_is_there_adds_a_key_and_sets_the_roles(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    await ask(admin, "admin.principal.add", principal="eve", displayName="Eve", roles=["developer"])
    token = (await ask(admin, "admin.token.add", "admin.token.added", principal="eve"))["token"]
    login = {"method": "token", "principal": "eve", "token": token}
    async with stranger(certificates, hub.port) as eve:
        await eve.greet("client")
        await eve.say("auth.request", login)
        await eve.hear("auth.ok")
        await joined(certificates, hub, admin, kind="user", principal="eve")
        await eve.still_there()
        await joined(certificates, hub, admin, kind="user", principal="eve", roles=["ops"], labels={"not": "used"})
        assert (await eve.hear("error"))["d"]["code"] == "auth_failed"
        await until(lambda: newest(hub, "peer.revoked").reason == "its roles, or its credential, have changed")
    shown = (await ask(admin, "admin.principals.request", "admin.principals.response"))["principals"]
    eve_ = next(one for one in shown if one["principal"] == "eve")
    assert (eve_["displayName"], eve_["roles"], eve_["binds"]) == ("Eve", ["ops"], True)
    assert sorted(one["kind"] for one in eve_["credentials"]) == ["key", "key", "token"]


async def test_a_look_that_a_node_refused_is_audited_with_its_reason(
    certificates: Certificates, hub: OmnyShellHub
) -> None:
    async with (
        registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node,
        logged_in(certificates, hub.port, "client", "dev") as dev,
    ):
        await dev.say("sessions.screen.request", {"requestId": "s", "nodeId": "n1", "sessionRef": "abc"})
        asked = (await node.hear("node.sessions.screen.request"))["d"]
        answer = {"requestId": asked["requestId"], "ok": False, "message": "no session 'abc'"}
        await node.say("node.sessions.screen.response", answer)
        await dev.hear("sessions.screen.response")
    record = newest(hub, "session.peek")
    assert (record.outcome, record.reason, record.detail) == ("error", "no session 'abc'", "abc")
