"""Keys, tokens and roles that end: what lives by them ends with them, and what does not goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.deadline import DEADLINE
from support.raw_admin import ADMIN, ask, b64, log_in, try_join
from support.raw_peer import RawPeer, logged_in, open_session, registered, stranger
from support.screen_reader import Screen
from support.stack import Certificates, access, hub_config, running_node, until

from omnyshell import ClientConfig, HubAccess, HubAddress, OmnyShellClient, OmnyShellHub, PrincipalId, PtySpec
from omnyshell.clock import SystemClock
from omnyshell.model.live import Scope
from omnyshell.protocol.messages.admin import AccessRequest, AccessResponse, KeyAdd, PrincipalRoles, TokenAdd
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.services.client.admin import AdminClient, AdminRequestException
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState, Link
from omnyshell.services.hub import assembly
from omnyshell.services.hub.hub import OmnyShellHub as Hub

HOUR = 3600


class JumpingClock(SystemClock):
    """The machine's clocks, but for the time of day, which jumps when it is told to."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def jump(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
async def hub(certificates: Certificates, tmp_path: Path, clock: JumpingClock) -> AsyncIterator[OmnyShellHub]:
    async with OmnyShellHub(hub_config(certificates, state_dir=tmp_path / "hub", clock=clock)) as started:
        yield started


@pytest.fixture
async def admin(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[RawPeer]:
    async with logged_in(certificates, hub.port, "client", "admin", ADMIN) as peer:
        yield peer


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def new_user(admin: RawPeer, name: str, roles: list[str], **more: Any) -> str:
    """Add a principal; returns a token of its."""
    assert (await ask(admin, "admin.principal.add", principal=name, roles=roles, **more))["ok"]
    return str((await ask(admin, "admin.token.add", "admin.token.added", principal=name))["token"])


async def enter(stack: AsyncExitStack, certificates: Certificates, hub: OmnyShellHub, name: str, token: str) -> RawPeer:
    peer = await stack.enter_async_context(stranger(certificates, hub.port))
    await peer.greet("client")
    await peer.say("auth.request", {"method": "token", "principal": name, "token": token})
    await peer.hear("auth.ok")
    return peer


def ann_at(hub: OmnyShellHub, certificates: Certificates, token: str) -> HubAccess:
    credentials = TokenCredentialProvider(PrincipalId("ann"), token)
    return HubAccess(address=HubAddress("127.0.0.1", hub.port), credentials=credentials, ca=certificates.ca)


async def user(admin: RawPeer, name: str) -> dict[str, Any]:
    shown = (await ask(admin, "admin.principals.request", "admin.principals.response"))["principals"]
    return next(one for one in shown if one["principal"] == name)


def ends(hub: OmnyShellHub) -> list[tuple[str, str]]:
    found = [record for record in hub.audit if record.action == "access.ended"]
    return [(record.principal, record.detail.partition(" until ")[0]) for record in found]


async def roles_now(certificates: Certificates, hub: OmnyShellHub, name: str, token: str) -> list[str]:
    async with stranger(certificates, hub.port) as peer:
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": name, "token": token})
        roles: list[str] = (await peer.hear("auth.ok"))["d"]["roles"]
        return roles


async def test_a_role_for_a_time_ends_what_it_allowed_and_nothing_else(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock, stack: AsyncExitStack
) -> None:
    token = await new_user(admin, "ann", ["developer"])
    answer = await ask(admin, "admin.principal.roles", principal="ann", roles=["ops"], ttlSeconds=8 * HOUR)
    assert answer["ok"]
    assert answer["expiresAt"].endswith("Z")
    shown = await user(admin, "ann")
    assert shown["roles"] == ["developer", "ops"]
    assert shown["timedRoles"] == [{"role": "ops", "expiresAt": answer["expiresAt"]}]
    dev = await stack.enter_async_context(registered(certificates, hub.port, "n1", labels={"allow-roles": "developer"}))
    ann = await enter(stack, certificates, hub, "ann", token)
    kept = await open_session(ann, dev, 1, mode="shell")
    ops = await stack.enter_async_context(registered(certificates, hub.port, "n2", labels={"allow-roles": "ops"}))
    await ann.say("session.open", {"nodeId": "n2"}, 2)
    asked = await ops.hear("node.session.open")
    await ops.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
    await ann.hear("session.opened")
    clock.jump(8 * HOUR)
    async with asyncio.timeout(DEADLINE):
        closed = await ops.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (asked["c"], "client_closed")
        # The other one is left to be taken up: its client logs in anew.
        closed = await dev.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (kept, "client_disconnected")
    assert (await ann.hear("channel.close"))["c"] == 2
    error = (await ann.hear("error"))["d"]
    assert (error["code"], error["fatal"], error["retryAfter"]) == ("auth_failed", True, 0)
    assert ends(hub) == [("ann", "role ops")]
    assert (await user(admin, "ann"))["roles"] == ["developer"]
    assert await roles_now(certificates, hub, "ann", token) == ["developer"]
    await ann.hear_close()
    again = await enter(stack, certificates, hub, "ann", token)
    await again.say("session.open", {"nodeId": "n2"}, 1)
    assert (await again.hear("session.rejected"))["c"] == 1


async def test_what_is_given_for_a_time_beside_what_is_there(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    token = await new_user(admin, "ann", ["developer"])

    async def give(*roles: str, **more: Any) -> dict[str, Any]:
        return await ask(admin, "admin.principal.roles", principal="ann", roles=list(roles), **more)

    async def has() -> list[str]:
        return await roles_now(certificates, hub, "ann", token)

    for ttl in (0, -1, 100 * 365 * 86400 + 1):
        assert (await give("ops", ttlSeconds=ttl))["code"] == "bad_request"
    assert (await give(ttlSeconds=60))["code"] == "bad_request"
    refused = await give("developer", ttlSeconds=60)
    assert (refused["code"], refused["message"]) == ("bad_request", "'ann' has developer already, without an end")
    assert (await give("developer", "ops", ttlSeconds=60))["ok"]
    assert (await give("dba", ttlSeconds=2 * HOUR))["ok"]
    assert await has() == ["dba", "developer", "ops"]
    # The last word counts, for a shorter time too.
    assert (await give("dba", ttlSeconds=HOUR))["ok"]
    clock.jump(61)
    await until(lambda: ("ann", "role ops") in ends(hub))
    assert await has() == ["dba", "developer"]
    clock.jump(HOUR)
    await until(lambda: ("ann", "role dba") in ends(hub))
    assert await has() == ["developer"]
    # Without a time it is these roles and no others.
    assert (await give("ops", ttlSeconds=60))["ok"]
    assert (await give("auditor"))["ok"]
    assert await has() == ["auditor"]
    clock.jump(61)
    assert await has() == ["auditor"]


async def test_a_principal_that_is_added_for_a_time_has_no_role_afterwards(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    token = await new_user(admin, "ann", ["admin"], ttlSeconds=HOUR)
    assert await roles_now(certificates, hub, "ann", token) == ["admin"]
    clock.jump(HOUR)
    await until(lambda: ends(hub) == [("ann", "role admin")])
    assert await roles_now(certificates, hub, "ann", token) == []


async def test_a_key_for_a_time_ends_its_logins(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    await new_user(admin, "ann", ["developer"])
    key = Ed25519PrivateKey.generate()
    public = b64(key.public_key().public_bytes_raw())
    added = await ask(admin, "admin.key.add", principal="ann", publicKey=public, ttlSeconds=30 * 86400)
    assert added["ok"]
    assert added["expiresAt"] == next(
        one["expiresAt"] for one in (await user(admin, "ann"))["credentials"] if one["kind"] == "key"
    )
    async with stranger(certificates, hub.port) as ann:
        assert (await log_in(ann, "client", "ann", key))["t"] == "auth.ok"
        clock.jump(30 * 86400)
        async with asyncio.timeout(DEADLINE):
            error = (await ann.hear("error"))["d"]
        assert (error["code"], error["fatal"], "retryAfter" in error) == ("auth_failed", True, False)
    async with stranger(certificates, hub.port) as ann:
        assert (await log_in(ann, "client", "ann", key))["t"] == "auth.fail"
    assert ends(hub) == [("ann", f"key {added['id']}")]


async def test_what_has_ended_is_listed_no_more_and_stands_in_nobodys_way(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    await new_user(admin, "ann", ["developer"])
    key = Ed25519PrivateKey.generate()
    again = {"principal": "ann", "publicKey": b64(key.public_key().public_bytes_raw())}
    ended = [
        (await ask(admin, "admin.key.add", **again, ttlSeconds=HOUR))["id"],
        (await ask(admin, "admin.token.add", "admin.token.added", principal="ann", ttlSeconds=HOUR))["credentialId"],
    ]
    left = [one["id"] for one in (await user(admin, "ann"))["credentials"] if one["id"] not in ended]
    assert (await ask(admin, "admin.key.add", **again))["code"] == "bad_request"
    clock.jump(HOUR)
    # At once, and not only when the hub has looked.
    assert [one["id"] for one in (await user(admin, "ann"))["credentials"]] == left
    await until(lambda: len(ends(hub)) == len(ended))
    assert [one["id"] for one in (await user(admin, "ann"))["credentials"]] == left
    rotate = {"principal": "ann", "overlapSeconds": 0}
    assert (await ask(admin, "admin.token.rotate", **rotate, credentialId=ended[1]))["code"] == "not_found"
    # The only token that is left is meant.
    assert (await ask(admin, "admin.token.rotate", "admin.token.added", **rotate))["token"]
    assert (await ask(admin, "admin.key.add", **again))["ok"]
    # A clock that is put back brings nothing back.
    clock.jump(-HOUR)
    assert not {one["id"] for one in (await user(admin, "ann"))["credentials"]} & set(ended)


async def test_a_rotated_token_ends_when_the_old_one_did_unless_it_is_said(hub: OmnyShellHub, admin: RawPeer) -> None:
    await ask(admin, "admin.principal.add", principal="ci")
    first = await ask(admin, "admin.token.add", "admin.token.added", principal="ci", ttlSeconds=HOUR)
    fields = {"principal": "ci", "credentialId": first["credentialId"], "overlapSeconds": 0}
    second = await ask(admin, "admin.token.rotate", "admin.token.added", **fields)
    assert second["expiresAt"] == first["expiresAt"]
    fields["credentialId"] = second["credentialId"]
    third = await ask(admin, "admin.token.rotate", "admin.token.added", **fields, ttlSeconds=2 * HOUR)
    assert third["expiresAt"] > first["expiresAt"]
    await ask(admin, "admin.principal.add", principal="ever")
    await ask(admin, "admin.token.add", "admin.token.added", principal="ever")
    assert "expiresAt" not in await ask(admin, "admin.token.rotate", "admin.token.added", principal="ever")


async def test_an_invite_gives_roles_and_key_for_a_time_from_its_use_on(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    key = Ed25519PrivateKey.generate()
    terms = {"roleTtlSeconds": HOUR, "keyTtlSeconds": 2 * HOUR}
    made = await ask(
        admin, "admin.invite.create", "admin.invite.created", kind="user", principal="eve", roles=["ops"], **terms
    )
    (invite,) = (await ask(admin, "admin.invites.request", "admin.invites.response"))["invites"]
    assert {name: invite[name] for name in terms} == terms
    clock.jump(600)
    answer, _ = await try_join(certificates, hub.port, "client", made["token"], key)
    assert answer["d"]["roles"] == ["ops"]
    clock.jump(HOUR - 60)
    async with stranger(certificates, hub.port) as eve:
        assert (await log_in(eve, "client", "eve", key))["d"]["roles"] == ["ops"]
    clock.jump(60)
    await until(lambda: ends(hub) == [("eve", "role ops")])
    async with stranger(certificates, hub.port) as eve:
        assert (await log_in(eve, "client", "eve", key))["d"]["roles"] == []
    clock.jump(HOUR)
    await until(lambda: len(ends(hub)) == 2)
    async with stranger(certificates, hub.port) as eve:
        assert (await log_in(eve, "client", "eve", key))["t"] == "auth.fail"
    for wrong in ({"kind": "node", "roleTtlSeconds": 60}, {"kind": "user", "principal": "x", "roleTtlSeconds": 60}):
        assert (await ask(admin, "admin.invite.create", **wrong))["code"] == "bad_request"


async def test_a_machine_joins_for_a_time(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    key = Ed25519PrivateKey.generate()
    made = await ask(
        admin, "admin.invite.create", "admin.invite.created", kind="node", nodeId="db-1", keyTtlSeconds=HOUR
    )
    answer, _ = await try_join(certificates, hub.port, "node", made["token"], key)
    assert answer["t"] == "join.accepted"
    async with stranger(certificates, hub.port) as node:
        assert (await log_in(node, "node", "node:db-1", key))["t"] == "auth.ok"
        await node.say("node.register", {"nodeId": "db-1", "platform": {"os": "linux", "arch": "x64"}})
        await node.hear("node.registered")
        clock.jump(HOUR)
        async with asyncio.timeout(DEADLINE):
            assert (await node.hear("error"))["d"]["code"] == "auth_failed"
    await until(lambda: not hub.nodes.online())


async def test_what_ended_while_no_hub_ran_is_told_when_one_does(
    certificates: Certificates, tmp_path: Path, clock: JumpingClock
) -> None:
    config = hub_config(certificates, state_dir=tmp_path / "hub", clock=clock)
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        token = await new_user(admin, "ann", ["developer"])
        await ask(admin, "admin.principal.roles", principal="ann", roles=["ops"], ttlSeconds=HOUR)
    clock.jump(HOUR)
    for _ in range(2):
        async with OmnyShellHub(config) as hub:
            assert await roles_now(certificates, hub, "ann", token) == ["developer"]
            await until(lambda hub=hub: ("ann", "role ops") in ends(hub))
            assert ends(hub) == [("ann", "role ops")]


async def test_our_client_goes_on_with_what_its_other_roles_allow(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock, tmp_path: Path
) -> None:
    token = await new_user(admin, "ann", ["developer"])
    await ask(admin, "admin.principal.roles", principal="ann", roles=["ops"], ttlSeconds=HOUR)
    labels = {"allow-roles": "developer"}
    async with (
        running_node(certificates, hub.port, tmp_path / "n1", labels=labels),
        OmnyShellClient(ClientConfig(access=ann_at(hub, certificates, token))) as client,
    ):
        session = await client.open_shell("n1", pty=PtySpec())
        screen = Screen(session)
        await session.write(b"PS1=; echo ready=$((40+2))\n")
        await screen.shows(b"ready=42")
        clock.jump(HOUR)
        await until(lambda: bool(ends(hub)))
        await session.write(b"echo alive=$((40+2))\n")
        await screen.shows(b"alive=42")
        assert client.identity.roles == ("developer",)
        session.close()


async def test_what_is_watched_as_an_admin_is_not_any_more(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer, clock: JumpingClock
) -> None:
    token = await new_user(admin, "ann", ["developer"])
    await ask(admin, "admin.principal.roles", principal="ann", roles=["admin"], ttlSeconds=HOUR)
    state = HubState()
    feed = asyncio.create_task(LiveFeed(ann_at(hub, certificates, token), state).run())
    try:
        await until(lambda: state.link is Link.UP and state.scope is Scope.ALL and bool(state.audit))
        clock.jump(HOUR)
        await until(lambda: state.link is Link.UP and state.scope is Scope.OWN)
        assert state.metrics is None
        assert all(record.principal == "ann" for record in state.audit)
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)


async def test_an_admin_may_give_up_the_role_and_gets_the_answer(
    certificates: Certificates, hub: OmnyShellHub, admin: RawPeer
) -> None:
    token = await new_user(admin, "ann", ["admin"])
    async with stranger(certificates, hub.port) as ann:
        await ann.greet("client", features=["admin"])
        await ann.say("auth.request", {"method": "token", "principal": "ann", "token": token})
        await ann.hear("auth.ok")
        assert (await ask(ann, "admin.principal.roles", principal="ann", roles=["developer"]))["ok"]
        error = (await ann.hear("error"))["d"]
        assert (error["code"], error["retryAfter"]) == ("auth_failed", 0)


async def test_a_hub_that_does_not_know_a_request_is_not_waited_for(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "OF_HUB", assembly.OF_HUB - {"rights"})
    request = AccessRequest(request_id="", node_id="n1")
    async with Hub(hub_config(certificates)) as hub, AdminClient(access(certificates, hub.port, "admin")) as admin:
        with pytest.raises(AdminRequestException, match="this hub is older and does not know this"):
            async with asyncio.timeout(DEADLINE):
                await admin.ask(request, AccessResponse)


async def test_nothing_is_asked_of_a_hub_that_would_grant_it_for_good(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "OF_HUB", assembly.OF_HUB - {"admin-ends"})
    async with Hub(hub_config(certificates)) as hub, AdminClient(access(certificates, hub.port, "admin")) as admin:
        before = len(hub.audit)
        for request in (
            PrincipalRoles(request_id="", principal="x", roles=("ops",), ttl_seconds=60),
            KeyAdd(request_id="", principal="x", public_key="k", ttl_seconds=60),
        ):
            with pytest.raises(AdminRequestException, match="nothing was changed"):
                await admin.do(request)
        assert len(hub.audit) == before
        # Tokens ended in 0.1.0 already.
        with pytest.raises(AdminRequestException, match="no principal"):
            await admin.do(TokenAdd(request_id="", principal="x", ttl_seconds=60))
