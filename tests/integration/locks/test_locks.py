"""What is locked is out within 2 s, whatever it had open, and stays out whatever is edited or restarted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.deadline import DEADLINE
from support.ports import free_port, free_range
from support.raw_admin import ADMIN, ask, b64, log_in, try_join
from support.raw_peer import RawPeer, logged_in, stranger
from support.stack import GRANTS, OPEN_TUNNELS, Certificates, hub_config, running_node, until

from omnyshell import HubConfig, OmnyShellHub, OmnyShellNode, TokenAuthenticator, TokenGrant
from omnyshell.cli.main import run
from omnyshell.clock import SystemClock
from omnyshell.security.authenticators import CompositeAuthenticator, PublicKeyAuthenticator
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.transport.backoff import Backoff, BackoffTimes

ANN, BOB = "ann:ann-token:developer,ops", "bob:bob-token:developer"
LOCKS = {"principal": "ann", "role": "ops", "node": "n1"}
LABELS = {"allow-roles": "developer"}
FEATURES = ("events", "resume-offset", "rights")


@pytest.fixture(autouse=True)
def _quick_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    times = BackoffTimes(0.05, 0.2, 0.2)
    monkeypatch.setattr("omnyshell.services.node.node.Backoff", lambda: Backoff(times=times))


class JumpingClock(SystemClock):
    """The time of day jumps when it is told to."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def jump(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


def config_in(certificates: Certificates, directory: Path, *grants: str, **more: Any) -> HubConfig:
    tokens = TokenAuthenticator(TokenGrant.parse(each) for each in (*GRANTS, ANN, BOB, *grants))
    settings = {"state_dir": directory / "hub", "host": "127.0.0.1", "authenticator": tokens} | OPEN_TUNNELS | more
    return hub_config(certificates, **settings)


@asynccontextmanager
async def site(
    certificates: Certificates, directory: Path, config: HubConfig
) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellNode, RawPeer]]:
    async with (
        OmnyShellHub(config) as hub,
        running_node(certificates, hub.port, directory / "node", labels=LABELS) as node,
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
    ):
        yield hub, node, admin


async def lock(admin: RawPeer, kind: str, name: str = "", **more: Any) -> dict[str, Any]:
    return await ask(admin, "admin.lock.add", kind=kind, name=name or LOCKS[kind], **more)


async def unlock(admin: RawPeer, kind: str) -> None:
    assert (await ask(admin, "admin.lock.remove", kind=kind, name=LOCKS[kind]))["ok"]


def sessions(node: OmnyShellNode) -> int:
    return sum(1 for _ in node._sessions.running())


def actions(hub: OmnyShellHub, *wanted: str) -> list[tuple[str, str, str]]:
    return [(found.action, found.outcome, found.detail) for found in hub.audit if found.action in wanted]


async def log_in_by_token(
    certificates: Certificates, port: int, principal: str, token: str = "", role: str = "client"
) -> str:
    async with stranger(certificates, port) as peer:
        await peer.greet(role, features=list(FEATURES))
        await peer.say(
            "auth.request", {"method": "token", "principal": principal, "token": token or f"{principal}-token"}
        )
        return str((await peer.hear())["t"])


async def may_open(certificates: Certificates, port: int, principal: str) -> bool:
    async with logged_in(certificates, port, "client", principal, FEATURES) as peer:
        await peer.say("session.open", {"nodeId": "n1", "mode": "exec", "command": "true"}, 1)
        return bool((await peer.hear())["t"] == "session.opened")


# What the attacker holds when the lock comes: each is set up, and returns what tells whether it is gone.
Gone = Callable[[], Awaitable[bool]]


async def has_session(peer: RawPeer, node: OmnyShellNode, mode: str) -> Gone:
    await peer.say("session.open", {"nodeId": "n1", "mode": mode, "command": "sleep 600", "offsets": True}, 1)
    await peer.hear("session.opened")

    async def gone() -> bool:
        return sessions(node) == 0

    return gone


async def has_left(peer: RawPeer, node: OmnyShellNode, mode: str) -> Gone:
    gone = await has_session(peer, node, mode)
    await peer.ws.close()
    await until(lambda: [each.is_attached for each in node._sessions.running()] == [False])
    return gone


async def has_tunnel(peer: RawPeer, node: OmnyShellNode) -> Gone:
    await until(lambda: node.registered.is_set())
    await peer.say("tunnel.open.request", {"requestId": "t", "nodeId": "n1", "targetPort": 9})
    port = (await peer.hear("tunnel.opened"))["d"]["publicPort"]

    async def gone() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return True
        writer.close()
        return False

    return gone


async def has_subscription(peer: RawPeer, _node: OmnyShellNode) -> Gone:
    """The attacker is told of the node until the lock; then that it is gone, or nothing any more."""
    await peer.say("events.subscribe", {"subscriptionId": "s", "parts": ["nodes"]})
    seen: dict[str, Any] = {}

    async def read() -> None:
        with suppress(Exception):
            async for raw in peer.ws:
                seen["last"] = raw
        seen["closed"] = True

    reading = asyncio.create_task(read())
    await until(lambda: '"n1"' in str(seen.get("last")))

    async def gone() -> bool:
        is_gone = "closed" in seen or '"gone":true' in str(seen["last"])
        if is_gone:
            reading.cancel()
        return is_gone

    return gone


HELD: dict[str, Callable[[RawPeer, OmnyShellNode], Awaitable[Gone]]] = {
    "attached shell": lambda peer, node: has_session(peer, node, "shell"),
    "attached command": lambda peer, node: has_session(peer, node, "exec"),
    "shell left behind": lambda peer, node: has_left(peer, node, "shell"),
    "command left behind": lambda peer, node: has_left(peer, node, "exec"),
    "tunnel": has_tunnel,
    "subscription": has_subscription,
}


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("held", HELD)
async def test_a_lock_ends_all_that_is_held_and_nothing_new_comes(
    certificates: Certificates, tmp_path: Path, kind: str, held: str
) -> None:
    config = config_in(certificates, tmp_path, tunnel_ports=free_range())
    async with AsyncExitStack() as stack:
        hub, node, admin = await stack.enter_async_context(site(certificates, tmp_path, config))
        ann = await stack.enter_async_context(logged_in(certificates, hub.port, "client", "ann", FEATURES))
        gone = await HELD[held](ann, node)
        assert not await gone()
        assert (await lock(admin, kind, why="stolen laptop"))["ok"]
        async with asyncio.timeout(DEADLINE):
            while not await gone():
                await asyncio.sleep(0.02)
        assert [detail for _, _, detail in actions(hub, "lock.add")] == [f"{kind} {LOCKS[kind]}: stolen laptop"]
        await admin.still_there()
        if kind == "node":
            await until(lambda: not hub.nodes.online())
            for who in ("ann", "admin"):
                assert not await may_open(certificates, hub.port, who)
            listed = await ask(admin, "admin.nodes.request", "admin.nodes.response")
            assert listed["nodes"][0]["locked"] == "the node is locked by admin: stolen laptop"
        else:
            assert await log_in_by_token(certificates, hub.port, "ann") == "auth.fail"
            assert await may_open(certificates, hub.port, "bob")
        await unlock(admin, kind)
        await until(lambda: bool(hub.nodes.online()))
        assert await may_open(certificates, hub.port, "ann")


@pytest.mark.parametrize("kind", LOCKS)
async def test_neither_edits_nor_restarts_undo_a_lock(certificates: Certificates, tmp_path: Path, kind: str) -> None:
    file, key = tmp_path / "authorized_keys", Ed25519PrivateKey.generate()
    line = f"ann {b64(key.public_key().public_bytes_raw())} developer,ops\n"
    file.write_text("")
    store = AuthorizedKeysStore.from_file(file)
    config = config_in(certificates, tmp_path, watched=(WatchedFiles((file,), store.reload),))
    by_key = PublicKeyAuthenticator(store)
    config = replace(config, authenticator=CompositeAuthenticator([config.authenticator, by_key]))

    async def is_out(hub: OmnyShellHub) -> None:
        if kind == "node":
            async with logged_in(certificates, hub.port, "node", "box") as other:
                await other.say("node.register", {"nodeId": " n1 ", "platform": {"os": "linux", "arch": "x64"}})
                assert (await other.hear_close())[0] == 1013
            assert not hub.nodes.online()
            return
        for token in ("ann-token", "new-token"):
            assert await log_in_by_token(certificates, hub.port, "ann", token) == "auth.fail"
        async with stranger(certificates, hub.port) as peer:
            assert (await log_in(peer, "client", "ann", key))["t"] == "auth.fail"

    async with site(certificates, tmp_path, config) as (hub, _, admin):
        assert (await lock(admin, kind))["ok"]
        await until(lambda: kind != "node" or not hub.nodes.online())
        await is_out(hub)
        file.write_text(line)
        await until(lambda: bool(actions(hub, "hub.reload")))
        await is_out(hub)
        more = replace(config_in(certificates, tmp_path, "ann:new-token:developer,ops"), watched=config.watched)
        hub.reload(more)
        await is_out(hub)
        if kind == "node":
            assert (await ask(admin, "admin.node.labels", nodeId="n1", labels={"allow-roles": "developer"}))["ok"]
            assert (await ask(admin, "admin.node.release", nodeId="n1"))["ok"]
            made = await ask(admin, "admin.invite.create", "admin.invite.created", kind="node", nodeId="n1")
            machine = Ed25519PrivateKey.generate()
            answer, _ = await try_join(certificates, hub.port, "node", made["token"], machine)
            assert answer["t"] == "join.accepted"
            async with stranger(certificates, hub.port) as joined:
                assert (await log_in(joined, "node", "node:n1", machine))["t"] == "auth.ok"
                await joined.say("node.register", {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64"}})
                assert (await joined.hear_close())[0] == 1013
        await is_out(hub)
    for _ in range(2):
        async with (
            OmnyShellHub(config) as hub,
            logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        ):
            await is_out(hub)
            (held,) = (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"]
            assert (held["kind"], held["name"], held["createdBy"]) == (kind, LOCKS[kind], "admin")
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        await unlock(admin, kind)
        if kind != "node":
            assert await log_in_by_token(certificates, hub.port, "ann") == "auth.ok"


async def test_what_a_locked_login_left_in_a_node_that_was_away_ends_when_it_comes(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = config_in(certificates, tmp_path)
    async with site(certificates, tmp_path, config) as (hub, node, admin):
        async with logged_in(certificates, hub.port, "client", "ann", FEATURES) as ann:
            await has_left(ann, node, "shell")
        port = hub.port
        await hub.stop()
        async with OmnyShellHub(replace(config, port=port, state_dir=tmp_path / "hub")) as again:
            async with logged_in(certificates, again.port, "client", "admin", ADMIN) as admin:
                assert (await lock(admin, "principal"))["ok"]
            await until(lambda: bool(again.nodes.online()))
            await until(lambda: sessions(node) == 0)


@pytest.mark.parametrize("kind", LOCKS)
async def test_what_was_left_in_a_node_that_was_away_all_the_time_ends_too(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    config = config_in(certificates, tmp_path)
    async with site(certificates, tmp_path, config) as (hub, node, _):
        async with logged_in(certificates, hub.port, "client", "ann", FEATURES) as ann:
            await has_left(ann, node, "exec")
        port = hub.port
        await hub.stop()
        # At another port the node does not find it.
        async with (
            OmnyShellHub(replace(config, port=free_port())) as elsewhere,
            logged_in(certificates, elsewhere.port, "client", "admin", ADMIN) as admin,
        ):
            assert (await lock(admin, kind))["ok"]
            await unlock(admin, kind)
        assert sessions(node) == 1
        async with OmnyShellHub(replace(config, port=port)) as again:
            await until(lambda: bool(again.nodes.online()))
            await until(lambda: sessions(node) == 0)


async def test_a_lock_for_a_time_ends_by_itself_also_while_no_hub_runs(
    certificates: Certificates, tmp_path: Path
) -> None:
    clock = JumpingClock()
    config = config_in(certificates, tmp_path, clock=clock)
    async with site(certificates, tmp_path, config) as (hub, _, admin):
        for kind in LOCKS:
            assert (await lock(admin, kind, ttlSeconds=1))["expiresAt"].endswith("Z")
        assert await log_in_by_token(certificates, hub.port, "ann") == "auth.fail"
        await until(lambda: len(actions(hub, "lock.ended")) == 3)
        assert (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"] == []
        await until(lambda: bool(hub.nodes.online()))
        assert await may_open(certificates, hub.port, "ann")
        assert (await lock(admin, "principal", ttlSeconds=60))["ok"]
        # A clock that leaps ends none while the hub runs.
        clock.jump(61)
        assert await log_in_by_token(certificates, hub.port, "ann") == "auth.fail"
    async with OmnyShellHub(config) as hub:
        assert await log_in_by_token(certificates, hub.port, "ann") == "auth.ok"
        await until(lambda: len(actions(hub, "lock.ended")) == 4)
        assert actions(hub, "lock.ended")[-1] == ("lock.ended", "ok", "principal ann")


async def test_a_locked_login_is_no_guess_and_fills_no_audit(certificates: Certificates, tmp_path: Path) -> None:
    config = config_in(certificates, tmp_path)
    async with site(certificates, tmp_path, config) as (hub, _, admin):
        assert (await lock(admin, "principal"))["ok"]
        for _ in range(40):
            assert await log_in_by_token(certificates, hub.port, "ann") == "auth.fail"
        # Somebody else, and the same somebody with a wrong token, are judged as ever.
        assert await log_in_by_token(certificates, hub.port, "bob") == "auth.ok"
        assert await log_in_by_token(certificates, hub.port, "bob", "wrong") == "auth.fail"
        hub._services.gate.flush()
        found = [each.detail for each in hub.audit if each.action == "auth.fail" and each.reason == "locked"]
        assert found[0] == "the principal ann is locked by admin"
        summed = [int(detail.split()[0]) for detail in found if detail.endswith("more attempts")]
        assert len(found) <= 4
        assert len(found) - len(summed) + sum(summed) == 40


async def test_what_cannot_be_locked_is_said(certificates: Certificates, tmp_path: Path) -> None:
    config = config_in(certificates, tmp_path)
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        for kind, name, more in (
            ("session", "x", {}),
            ("node", "@local", {}),
            ("node", "a/b", {}),
            ("principal", "", {}),
            ("role", "a,b", {}),
            ("role", "ops", {"why": "x" * 257}),
            ("role", "ops", {"why": "a\nb"}),
            ("role", "ops", {"why": "\x1b[2J"}),
            ("role", "ops", {"ttlSeconds": 0}),
            ("principal", "admin", {}),
            ("role", "admin", {}),
        ):
            answer = await ask(admin, "admin.lock.add", kind=kind, name=name, **more)
            assert (answer["ok"], answer["code"]) == (False, "bad_request"), (kind, name)
        assert (await ask(admin, "admin.lock.remove", kind="node", name="n1"))["code"] == "not_found"
        assert "nobody knows a principal 'alcie'" in (await lock(admin, "principal", "alcie"))["message"]
        async with logged_in(certificates, hub.port, "client", "ann", ADMIN) as ann:
            for request in ("admin.lock.add", "admin.lock.remove", "admin.locks.request"):
                refused = await ask(ann, request, kind="principal", name="bob")
                assert refused["code"] == "not_authorized"
        shown = (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"]
        assert [one["name"] for one in shown] == ["alcie"]


async def test_two_admins_who_lock_each_other_at_once_are_not_both_out(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = config_in(certificates, tmp_path, "eve:eve-token:admin")
    async with (
        OmnyShellHub(config) as hub,
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
        logged_in(certificates, hub.port, "client", "eve", ADMIN) as eve,
    ):
        await asyncio.gather(
            admin.say("admin.lock.add", {"requestId": "r", "kind": "principal", "name": "eve"}),
            eve.say("admin.lock.add", {"requestId": "r", "kind": "principal", "name": "admin"}),
        )
        await until(lambda: bool(actions(hub, "peer.revoked")))
        answers = [await log_in_by_token(certificates, hub.port, who) for who in ("admin", "eve")]
        assert sorted(answers) == ["auth.fail", "auth.ok"]


async def test_an_admin_whose_login_ends_does_not_lock_the_last_who_stays(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = config_in(certificates, tmp_path)
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.add", principal="temp", roles=["admin"]))["ok"]
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="temp", ttlSeconds=3600)
        async with stranger(certificates, hub.port) as temp:
            await temp.greet("client", features=["admin"])
            await temp.say("auth.request", {"method": "token", "principal": "temp", "token": made["token"]})
            await temp.hear("auth.ok")
            refused = await ask(temp, "admin.lock.add", kind="principal", name="admin")
            assert "make another admin first" in refused["message"]
            await ask(admin, "admin.token.add", "admin.token.added", principal="temp")
            assert (await ask(temp, "admin.lock.add", kind="principal", name="admin"))["ok"]
            assert await log_in_by_token(certificates, hub.port, "admin") == "auth.fail"


async def test_nobody_gets_locked_out_by_being_given_a_locked_role(certificates: Certificates, tmp_path: Path) -> None:
    config = config_in(certificates, tmp_path)
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.add", principal="eve", roles=["admin"]))["ok"]
        assert (await lock(admin, "role"))["ok"]
        for more in ({}, {"ttlSeconds": 60}):
            refused = await ask(admin, "admin.principal.roles", principal="eve", roles=["admin", "ops"], **more)
            assert "locks remove role ops" in refused["message"]
        invite = {"kind": "user", "principal": "eve", "roles": ["ops"]}
        made = await ask(admin, "admin.invite.create", "admin.invite.created", **invite, roleTtlSeconds=60)
        answer, _ = await try_join(certificates, hub.port, "client", made["token"], Ed25519PrivateKey.generate())
        assert answer["t"] == "join.refused"
        assert (await ask(admin, "admin.principal.roles", principal="eve", roles=["ops"]))["ok"]


async def test_removed_on_the_machine_while_no_hub_runs(
    certificates: Certificates, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_in(certificates, tmp_path)
    remove = ["locks", "remove", "principal", "ann", "--offline", "--state-dir", str(tmp_path / "hub")]
    async with OmnyShellHub(config) as hub, logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin:
        assert (await lock(admin, "principal"))["ok"]
        assert await asyncio.to_thread(run, remove) != 0
        assert "another hub uses the state directory" in capsys.readouterr().err
        assert await log_in_by_token(certificates, hub.port, "ann") == "auth.fail"
    assert await asyncio.to_thread(run, remove) == 0
    assert await asyncio.to_thread(run, remove) != 0
    assert "is not locked in" in capsys.readouterr().err
    for _ in range(2):
        async with OmnyShellHub(config) as hub:
            assert await log_in_by_token(certificates, hub.port, "ann") == "auth.ok"
            (found,) = actions(hub, "lock.remove")
            assert found[2].startswith("principal ann, offline at 20")
    assert not (tmp_path / "elsewhere").exists()
    assert await asyncio.to_thread(run, [*remove[:-1], str(tmp_path / "elsewhere")]) != 0
    assert not (tmp_path / "elsewhere").exists()
