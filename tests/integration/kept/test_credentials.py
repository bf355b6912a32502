"""What was left in a node ends with the credential that opened it, whatever else its owner can log in with."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.raw_admin import ADMIN, ask, b64, log_in
from support.raw_peer import RawPeer, logged_in, registered, stranger
from support.rights import grant
from support.stack import GRANTS, Certificates, hub_config, running_node, until

from omnyshell import HubConfig, OmnyShellHub, OmnyShellNode, TokenAuthenticator, TokenGrant
from omnyshell.clock import SystemClock
from omnyshell.security.authenticators import CompositeAuthenticator, PublicKeyAuthenticator, hash_token
from omnyshell.security.authorized_keys import AuthorizedKeysStore
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.watched_files import WatchedFiles
from omnyshell.services.hub.sessions import kept_judge as kept_judge
from omnyshell.services.node.sessions.answers import SessionAnswers
from omnyshell.services.node.sessions.references import find_session
from omnyshell.transport.backoff import Backoff, BackoffTimes

KINDS = ("shell", "exec")
LABELS = {"allow-roles": "developer,ops"}
GOOD, STOLEN = "ann:good-token:developer", "ann:stolen-token:developer"
OTHER = "bob:bob-token:developer"
FEATURES = ("rights", "resume-offset")


@pytest.fixture(autouse=True)
def _quick_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nodes come back at once, though they were lost a moment ago."""
    times = BackoffTimes(0.05, 0.2, 0.2)
    monkeypatch.setattr("omnyshell.services.node.node.Backoff", lambda: Backoff(times=times))


def tokens(*grants: str) -> TokenAuthenticator:
    return TokenAuthenticator(TokenGrant.parse(each) for each in (*GRANTS, *grants))


@asynccontextmanager
async def entered(certificates: Certificates, port: int, principal: str, token: str) -> AsyncIterator[RawPeer]:
    async with stranger(certificates, port) as peer:
        await peer.greet("client", features=list(FEATURES))
        await peer.say("auth.request", {"method": "token", "principal": principal, "token": token})
        await peer.hear("auth.ok")
        yield peer


async def open_one(peer: RawPeer, kind: str, **more: Any) -> str:
    """Open a shell, or a command, that its node keeps when the client is lost; returns its id."""
    asked = {"nodeId": "n1", "mode": kind, "command": "sleep 600", "offsets": True, **more}
    await peer.say("session.open", asked, 1)
    return str((await peer.hear("session.opened"))["d"]["sessionId"])


async def leave(certificates: Certificates, port: int, token: str, kind: str, principal: str = "ann") -> str:
    """Open a session and be lost."""
    async with entered(certificates, port, principal, token) as peer:
        return await open_one(peer, kind)


def ids(node: OmnyShellNode) -> set[str]:
    return {session.id for session in node._sessions.running()}


def waiting(node: OmnyShellNode) -> set[str]:
    return {session.id for session in node._sessions.running() if not session.is_attached}


async def left_are(node: OmnyShellNode, *expected: str) -> None:
    """Exactly these go on; what is not among them ends soon."""
    await until(lambda: ids(node) == set(expected))


@asynccontextmanager
async def site(
    certificates: Certificates, directory: Path, config: HubConfig, **more: Any
) -> AsyncIterator[tuple[OmnyShellHub, OmnyShellNode]]:
    async with (
        OmnyShellHub(config) as hub,
        running_node(certificates, hub.port, directory / "node", labels=LABELS, **more) as node,
    ):
        yield hub, node


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stolen_token_takes_along_what_it_left_and_nothing_else(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN, OTHER))
    async with site(certificates, tmp_path, config) as (hub, node):
        good = await leave(certificates, hub.port, "good-token", kind)
        bad = await leave(certificates, hub.port, "stolen-token", kind)
        others = await leave(certificates, hub.port, "bob-token", kind, "bob")
        await until(lambda: waiting(node) == {good, bad, others})
        hub.reload(replace(config, authenticator=tokens(GOOD, OTHER)))
        await left_are(node, good, others)
        await until(lambda: [each.session_id for each in hub.audit if each.action == "session.kill"] == [bad])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_that_an_admin_revokes_takes_along_what_it_left(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    config = hub_config(certificates, state_dir=tmp_path / "hub")
    async with (
        site(certificates, tmp_path, config) as (hub, node),
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
    ):
        await ask(admin, "admin.principal.add", principal="ann", roles=["developer"])
        good, stolen = [await ask(admin, "admin.token.add", "admin.token.added", principal="ann") for _ in "12"]
        kept = await leave(certificates, hub.port, good["token"], kind)
        await leave(certificates, hub.port, stolen["token"], kind)
        await until(lambda: len(waiting(node)) == 2)
        revoke = {"principal": "ann", "credentialId": stolen["credentialId"]}
        assert (await ask(admin, "admin.credential.revoke", **revoke))["ok"]
        await left_are(node, kept)
        assert (await ask(admin, "admin.principal.revoke", principal="ann"))["ok"]
        await left_are(node)


class JumpingClock(SystemClock):
    """The time of day jumps when it is told to."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def jump(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_and_a_role_that_end_take_along_what_they_allowed(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    clock = JumpingClock()
    config = hub_config(certificates, state_dir=tmp_path / "hub", clock=clock)
    async with (
        site(certificates, tmp_path, config) as (hub, node),
        logged_in(certificates, hub.port, "client", "admin", ADMIN) as admin,
    ):
        key = Ed25519PrivateKey.generate()
        public = b64(key.public_key().public_bytes_raw())
        await ask(admin, "admin.principal.add", principal="ann", roles=["developer"])
        token = (await ask(admin, "admin.token.add", "admin.token.added", principal="ann"))["token"]
        assert (await ask(admin, "admin.key.add", principal="ann", publicKey=public, ttlSeconds=60))["ok"]
        await ask(admin, "admin.principal.add", principal="eve")
        assert (await ask(admin, "admin.principal.roles", principal="eve", roles=["ops"], ttlSeconds=3600))["ok"]
        of_eve = (await ask(admin, "admin.token.add", "admin.token.added", principal="eve"))["token"]
        by_token = await leave(certificates, hub.port, token, kind)
        by_role = await leave(certificates, hub.port, of_eve, kind, "eve")
        async with stranger(certificates, hub.port) as peer:
            assert (await log_in(peer, "client", "ann", key))["t"] == "auth.ok"
            # Without extensions a command is not kept: the shell stands for both here.
            await peer.say("session.open", {"nodeId": "n1", "mode": "shell"}, 1)
            by_key = (await peer.hear("session.opened"))["d"]["sessionId"]
        await until(lambda: waiting(node) == {by_token, by_role, by_key})
        clock.jump(61)
        await left_are(node, by_token, by_role)
        clock.jump(3600)
        await left_are(node, by_token)


async def test_a_line_that_is_removed_takes_along_what_its_key_left(certificates: Certificates, tmp_path: Path) -> None:
    keys = [Ed25519PrivateKey.generate() for _ in "12"]
    lines = [f"ann {b64(key.public_key().public_bytes_raw())} developer" for key in keys]
    file = tmp_path / "authorized_keys"
    file.write_text("\n".join(lines) + "\n")
    store = AuthorizedKeysStore.from_file(file)
    config = hub_config(
        certificates,
        state_dir=tmp_path / "hub",
        authenticator=CompositeAuthenticator([tokens(GOOD), PublicKeyAuthenticator(store)]),
        watched=(WatchedFiles((file,), store.reload),),
    )
    async with site(certificates, tmp_path, config) as (hub, node):
        left = [await leave(certificates, hub.port, "good-token", "exec")]
        for key in keys:
            async with stranger(certificates, hub.port) as peer:
                assert (await log_in(peer, "client", "ann", key))["t"] == "auth.ok"
                await peer.say("session.open", {"nodeId": "n1", "mode": "shell"}, 1)
                left.append((await peer.hear("session.opened"))["d"]["sessionId"])
        await until(lambda: waiting(node) == set(left))
        file.write_text(f"{lines[1]}\n")
        await until(lambda: ids(node) == {left[0], left[2]})


@pytest.mark.parametrize("kind", KINDS)
async def test_a_grant_that_is_reloaded_ends_commands_and_shells_apart(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    config = hub_config(certificates, authenticator=tokens(GOOD, OTHER))
    async with site(certificates, tmp_path, config) as (hub, node):
        left = {each: await leave(certificates, hub.port, "good-token", each) for each in KINDS}
        bobs = await leave(certificates, hub.port, "bob-token", kind, "bob")
        await until(lambda: len(waiting(node)) == 3)
        hub.reload(replace(config, grants=(grant(principals=["ann"], rights=[kind], deny=True),)))
        del left[kind]
        await left_are(node, bobs, *left.values())


@pytest.mark.parametrize("kind", KINDS)
async def test_roles_of_a_credential_that_change_end_what_they_do_not_allow(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    """The other token, with other roles, neither upholds nor ends anything; a role more ends nothing."""
    config = hub_config(certificates, authenticator=tokens("ann:a-token:developer", "ann:b-token:ops"))
    async with site(certificates, tmp_path, config) as (hub, node):
        a = await leave(certificates, hub.port, "a-token", kind)
        b = await leave(certificates, hub.port, "b-token", kind)
        await until(lambda: waiting(node) == {a, b})
        hub.reload(replace(config, authenticator=tokens("ann:a-token:developer,dba", "ann:b-token:ops")))
        await asyncio.sleep(0.1)
        assert ids(node) == {a, b}
        hub.reload(replace(config, authenticator=tokens("ann:a-token:dba", "ann:b-token:ops")))
        await left_are(node, b)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("down", ["hub", "node"])
async def test_what_was_down_at_the_change_learns_of_it(
    certificates: Certificates, tmp_path: Path, kind: str, down: str
) -> None:
    """The hub that is started again, and the node that comes back, end what its credential does not uphold."""
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN))
    changed = replace(config, authenticator=tokens(GOOD))
    hub = OmnyShellHub(config)
    await hub.start()
    config, changed = (replace(each, port=hub.port) for each in (config, changed))
    try:
        async with running_node(certificates, hub.port, tmp_path / "node", labels=LABELS) as node:
            good = await leave(certificates, hub.port, "good-token", kind)
            bad = await leave(certificates, hub.port, "stolen-token", kind)
            await until(lambda: waiting(node) == {good, bad})
            if down == "hub":
                await hub.stop()
                hub = OmnyShellHub(changed)
                await hub.start()
            else:
                (there,) = hub.nodes.connected()
                with held_back(node):
                    there.peer.close(1012, "the way is down")
                    await until(lambda: len(hub.nodes) == 0)
                    hub.reload(changed)
                    assert ids(node) == {good, bad}
            await until(lambda: ids(node) == {good})
            # And once more: what is known is known after a further start.
            await hub.stop()
            hub = OmnyShellHub(replace(changed, authenticator=tokens()))
            await hub.start()
            await until(lambda: ids(node) == set())
    finally:
        await hub.stop()


def held_back(node: OmnyShellNode) -> Any:
    """Keep a node from dialing while the block runs."""
    gate, connect = asyncio.Event(), node._connect

    class Held:
        def __enter__(self) -> None:
            async def later() -> Any:
                await gate.wait()
                return await connect()

            node._connect = later  # type: ignore[method-assign]

        def __exit__(self, *_: object) -> None:
            gate.set()

    return Held()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_resume_by_another_credential_moves_the_session_to_that_one(
    certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN))
    async with site(certificates, tmp_path, config) as (hub, node):
        taken, left = [await leave(certificates, hub.port, "stolen-token", kind) for _ in "12"]
        async with entered(certificates, hub.port, "ann", "good-token") as peer:
            assert await open_one(peer, kind, resumeSessionId=taken) == taken
            hub.reload(replace(config, authenticator=tokens(GOOD)))
            await left_are(node, taken)
            await peer.still_there()
        hub.reload(replace(config, authenticator=tokens()))
        await left_are(node)
        assert left != taken


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["asked", "opened", "closed"])
async def test_leaving_at_any_moment_leaves_nothing_that_is_not_known(
    certificates: Certificates, tmp_path: Path, kind: str, when: str
) -> None:
    """Who asks for a session and is lost before the answer has left it all the same."""
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN))
    async with site(certificates, tmp_path, config) as (hub, node):
        async with entered(certificates, hub.port, "ann", "stolen-token") as peer:
            asked = {"nodeId": "n1", "mode": kind, "command": "sleep 600", "offsets": True}
            await peer.say("session.open", asked, 1)
            if when != "asked":
                await peer.hear("session.opened")
            if when == "closed":
                await peer.say("channel.close", {"reason": "client_disconnected"}, 1)
        await until(lambda: len(waiting(node)) == 1)
        hub.reload(replace(config, authenticator=tokens(GOOD)))
        await left_are(node)


async def test_what_ended_is_forgotten_and_what_is_stored_tells_no_token(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_judge, "ASK_AGAIN", 0.1)
    monkeypatch.setattr(kept_judge, "MISSED_TIME", 0.2)
    weak = "ann:weak:developer"
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(weak))

    def stored() -> list[Any]:
        with sqlite3.connect(tmp_path / "hub" / STATE_FILE) as db:
            return db.execute("SELECT session_id, evidence FROM kept_sessions ORDER BY session_id").fetchall()

    async with site(certificates, tmp_path, config) as (hub, node):
        async with entered(certificates, hub.port, "ann", "weak") as peer:
            await peer.say("session.open", {"nodeId": "n1", "command": "true", "offsets": True}, 1)
            while not isinstance(said := await peer.hear(), dict) or said["t"] != "channel.exit":
                pass
        await until(lambda: ids(node) == set())
        assert stored() == []
        left = [await leave(certificates, hub.port, "weak", kind) for kind in KINDS]
        await until(lambda: waiting(node) == set(left))
        await until(lambda: [id_ for id_, _ in stored()] == sorted(left))
        rows = stored()
        for file in (tmp_path / "hub").glob("hub.sqlite3*"):
            content = file.read_bytes()
            assert hash_token("weak") not in content
            assert hash_token("weak").hex().encode() not in content
        assert len({sealed for _, sealed in rows}) == 2
        # They end in their node, which tells when it is asked.
        for session in node._sessions.running():
            session.kill()
        await until(lambda: stored() == [])


async def test_what_a_hub_knew_by_name_alone_is_judged_by_name(certificates: Certificates, tmp_path: Path) -> None:
    """A hub without records, as one that is updated: its nodes tell what waits in them."""
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN, OTHER))
    hub = OmnyShellHub(config)
    await hub.start()
    config = replace(config, port=hub.port)
    try:
        async with running_node(certificates, hub.port, tmp_path / "node", labels=LABELS) as node:
            anns = await leave(certificates, hub.port, "stolen-token", "shell")
            bobs = await leave(certificates, hub.port, "bob-token", "exec", "bob")
            await until(lambda: waiting(node) == {anns, bobs})
            await hub.stop()
            with sqlite3.connect(tmp_path / "hub" / STATE_FILE) as db:
                db.execute("DROP TABLE kept_sessions")
                db.execute("INSERT INTO guests VALUES ('n1', 'ann')")
            hub = OmnyShellHub(config)
            await hub.start()
            await until(lambda: len(hub._services.kept.at("n1")) == 2)
            hub.reload(replace(config, authenticator=tokens(GOOD, OTHER)))
            await asyncio.sleep(0.1)
            assert ids(node) == {anns, bobs}
            hub.reload(replace(config, authenticator=tokens(GOOD)))
            await left_are(node, anns)
            hub.reload(replace(config, authenticator=tokens()))
            await left_are(node)
    finally:
        await hub.stop()


Change = Callable[[Path], object]


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(bytes(32))])
async def test_a_lost_key_ends_what_it_sealed(certificates: Certificates, tmp_path: Path, change: Change) -> None:
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD))
    hub = OmnyShellHub(config)
    await hub.start()
    config = replace(config, port=hub.port)
    try:
        async with running_node(certificates, hub.port, tmp_path / "node", labels=LABELS) as node:
            await leave(certificates, hub.port, "good-token", "shell")
            await until(lambda: len(waiting(node)) == 1)
            await hub.stop()
            change(tmp_path / "hub" / "sessions.key")
            hub = OmnyShellHub(config)
            await hub.start()
            await until(lambda: ids(node) == set())
    finally:
        await hub.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_node_of_another_version_ends_it_too(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """One that ends and lists no commands by their ids, as version 0.1."""
    monkeypatch.setattr("omnyshell.services.node.node.OF_NODE", frozenset({"events", "resume-offset"}))
    monkeypatch.setattr(
        SessionAnswers,
        "_find_killable",
        lambda answers, principal, ref: find_session(answers._sessions.shells_of(principal), ref),
    )
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN))
    async with site(certificates, tmp_path, config) as (hub, node):
        good = await leave(certificates, hub.port, "good-token", kind)
        bad = await leave(certificates, hub.port, "stolen-token", kind)
        await until(lambda: waiting(node) == {good, bad})
        hub.reload(replace(config, authenticator=tokens(GOOD)))
        await left_are(node, good)


async def test_another_process_under_the_node_id_makes_nothing_forgotten(
    certificates: Certificates, tmp_path: Path
) -> None:
    """It says that nothing is there: what is found again lives by the credential that it lived by."""
    config = hub_config(certificates, state_dir=tmp_path / "hub", authenticator=tokens(GOOD, STOLEN))
    async with site(certificates, tmp_path, config) as (hub, node):
        good = await leave(certificates, hub.port, "good-token", "shell")
        bad = await leave(certificates, hub.port, "stolen-token", "shell")
        await until(lambda: waiting(node) == {good, bad})
        with held_back(node):
            (there,) = hub.nodes.connected()
            there.peer.close(1012, "the way is down")
            await until(lambda: len(hub.nodes) == 0)
            async with registered(certificates, hub.port, features=("events",), labels=LABELS) as other:
                await other.say("node.capabilities", {"features": ["detach"]})
                asked = (await other.hear("node.sessions.live.request"))["d"]
                await other.say("node.sessions.live.response", {"requestId": asked["requestId"]})
                await other.still_there()
                assert hub._services.kept.at("n1") == []
        await until(lambda: len(hub._services.kept.at("n1")) == 2)
        hub.reload(replace(config, authenticator=tokens(GOOD)))
        await left_are(node, good)


async def test_what_an_owner_may_leave_is_bounded_and_nobody_pays_for_others(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_judge, "MOST_OF_OWNER", 3)
    config = hub_config(certificates, authenticator=tokens(GOOD, OTHER))
    async with site(certificates, tmp_path, config) as (hub, node):
        bobs = await leave(certificates, hub.port, "bob-token", "shell", "bob")
        anns = [await leave(certificates, hub.port, "good-token", "exec") for _ in range(6)]
        await left_are(node, bobs, *anns[3:])


async def test_more_than_a_node_reads_at_once_ends_too(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_judge, "MOST_AT_ONCE", 2)
    config = hub_config(certificates, authenticator=tokens(GOOD, STOLEN))
    async with site(certificates, tmp_path, config) as (hub, node):
        good = await leave(certificates, hub.port, "good-token", "exec")
        for _ in range(5):
            await leave(certificates, hub.port, "stolen-token", "exec")
        await until(lambda: len(waiting(node)) == 6)
        hub.reload(replace(config, authenticator=tokens(GOOD)))
        await until(lambda: ids(node) == {good})
