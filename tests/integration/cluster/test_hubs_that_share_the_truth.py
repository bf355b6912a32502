"""Whole hubs, founded and invited as the command line does it, over one server of the engine."""

import argparse
import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import nats.errors
import pytest
from nats.aio.client import Client
from support.backups import back_up, restore
from support.commands import run_text
from support.deadline import DEADLINE
from support.engine import Engine
from support.ports import free_port
from support.raw_admin import ADMIN, ask
from support.raw_peer import RawPeer, logged_in, stranger
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, until
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellHub
from omnyshell.cli.cluster.members import show_status
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException
from omnyshell.model.targets import Target
from omnyshell.protocol.handshake import HELD_OFF
from omnyshell.protocol.limits import MOST_EPOCHS, MOST_JUMP
from omnyshell.security.authorizer import Action
from omnyshell.security.grants import Grant
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.joining import join
from omnyshell.services.hub.cluster.links.written import FILE as LINKS_FILE, read_links
from omnyshell.services.hub.cluster.members.engine_access import JOINING
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles, Standing
from omnyshell.services.hub.cluster.members.invitation import NotInvitedException, ask as ask_by, read_invitation
from omnyshell.services.hub.cluster.members.signing import sign
from omnyshell.services.hub.cluster.nats.connection import Credential, close
from omnyshell.services.hub.cluster.nats.servers import ServerSays
from omnyshell.services.hub.cluster.nats.streams import places_stream
from omnyshell.services.hub.cluster.order.order import EngineAwayException
from omnyshell.services.hub.cluster.places.records import Beat, Entry, decode, encode
from omnyshell.services.hub.cluster.shared import log as shared_log
from omnyshell.services.hub.cluster.shared.clocks import boot_clock
from omnyshell.services.hub.cluster.shared.subjects import subject_of_beat
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.state_file import STATE_FILE, StateFile
from omnyshell.services.hub.truth.changes import together
from omnyshell.services.hub.truth.member_changes import MemberKnows

CLOCK = SystemClock()


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine) as made:
        yield made


async def _until(what) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await what():
            await asyncio.sleep(0.02)


async def test_what_is_changed_at_one_hub_holds_at_all_and_ends_what_is_live_there(
    certificates: Certificates, hubs: Hubs
) -> None:
    a, b = hubs.running["a"], hubs.running["b"]
    assert {"early"} <= await hubs.principals("b")
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        token = (await ask(admin, "admin.token.add", "admin.token.added", principal="early"))["token"]

        async def is_known() -> bool:
            async with stranger(certificates, b.port) as early:
                await early.greet("client")
                await early.say("auth.request", {"method": "token", "principal": "early", "token": token})
                return (await early.hear())["t"] == "auth.ok"

        await _until(is_known)
        async with stranger(certificates, b.port) as early:
            await early.greet("client")
            await early.say("auth.request", {"method": "token", "principal": "early", "token": token})
            await early.hear("auth.ok")
            assert (await ask(admin, "admin.lock.add", kind="principal", name="early"))["ok"]
            assert (await early.hear("error"))["d"]["fatal"]
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.revoke", principal="early"))["ok"]

    async def is_gone() -> bool:
        return "early" not in await hubs.principals("a")

    await _until(is_gone)


async def test_a_hub_is_started_anew_without_the_engine_and_says_what_it_cannot_do(
    certificates: Certificates, hubs: Hubs, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second and more: a start without the engine waits for it."""
    await hubs.running["b"].stop()
    engine.kill(0)
    monkeypatch.setattr("omnyshell.services.hub.cluster.hub_in_cluster.START_TIMEOUT", 1.0)
    b = await hubs.start("b")
    assert {"early"} <= await hubs.principals("b")
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        refused = await ask(admin, "admin.principal.add", principal="late", roles=["dev"])
        assert (refused["ok"], refused["code"]) == (False, "engine_away")
        monkeypatch.setattr("omnyshell.services.hub.cluster.shared.places.boot_clock", lambda: boot_clock() + 301)
        async with stranger(certificates, b.port) as late:
            await late.greet("client")
            await late.say("auth.request", {"method": "token", "principal": "admin", "token": "admin-token"})
            told = (await late.hear("error"))["d"]
            assert (told["code"], told["fatal"]) == ("engine_away", True)
            assert "out of touch" in told["message"]
        # Who is logged in already stays.
        assert (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"] == []


async def test_a_hub_leaves_with_what_it_knows_and_does_not_start_alone_before(
    certificates: Certificates, hubs: Hubs
) -> None:
    await hubs.running["b"].stop()
    state = hubs.state("b")
    (state / "cluster").rename(state / "elsewhere")
    with pytest.raises(ConfigException, match="cluster leave"):
        await hubs.start("b")
    (state / "elsewhere").rename(state / "cluster")
    ran = run_text("cluster", "status", "--state-dir", str(state), "--json")
    assert '"members": [\n    "a",\n    "b"\n  ]' in ran.stdout, ran.stderr
    assert run_text("cluster", "leave", "--state-dir", str(state)).returncode == 0
    await hubs.start("b")
    assert {"early"} <= await hubs.principals("b")
    with closing(StateFile(state / STATE_FILE)) as file:
        assert file.run("SELECT hub FROM members") == []


async def test_a_hub_that_is_restored_is_a_member_again_and_learns_what_it_missed(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    await hubs.running["b"].stop()
    for hub in ("a", "b"):
        state = hubs.state(hub) / "cluster"
        manifest = back_up(certificates, hubs.state(hub), tmp_path / f"{hub}.backup")
        held = {each.name for each in manifest.files if each.name.startswith("state/cluster/")}
        assert held == {f"state/cluster/{path.name}" for path in state.iterdir() if path.name != LINKS_FILE}
    async with logged_in(certificates, hubs.running["a"].port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.add", principal="late", roles=["dev"]))["ok"]
    restore(tmp_path / "b.backup", hubs.state("b"), replace=True)
    files = {path.name: path for path in (hubs.state("b") / "cluster").iterdir()}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert (hubs.state("b") / "cluster").stat().st_mode & 0o777 == 0o700
    await hubs.start("b")

    async def is_known() -> bool:
        return "late" in await hubs.principals("b")

    await _until(is_known)


async def test_the_status_tells_what_hubs_have_applied_where_their_files_differ_and_how_servers_store(
    certificates: Certificates, hubs: Hubs, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A second and more: a server and a hub are started anew."""
    words = ("cluster", "status", "--state-dir", str(hubs.state("a")))

    async def told() -> dict:
        return json.loads((await asyncio.to_thread(run_text, *words, "--json")).stdout)

    found = await told()
    assert [(hub["hub"], hub["has_stopped"]) for hub in found["hubs"]] == [("a", False), ("b", False)]
    assert all(hub["age"] < DEADLINE and hub["files"] for hub in found["hubs"])
    assert found["unlike"] == {}
    assert [(each["name"], each["is_synced"]) for each in found["servers"]] == [("s0", True)]
    engine.kill(0)
    engine.sync = '"2m"'
    engine.start(0)
    hubs.changed["b"] = {"grants": (Grant(frozenset({Action.EXEC}), roles=frozenset({"dev"}), nodes=("*",)),)}
    hubs.are_reached("b")
    await hubs.restart("b")

    async def is_seen() -> bool:
        found = await told()
        b = found["hubs"][1]
        return found["unlike"] and not found["servers"][0]["is_synced"] and b["applied"] > 0 and b["url"]

    await _until(is_seen)
    assert list((await told())["unlike"]) == ["grants"]
    shown = (await asyncio.to_thread(run_text, *words)).stdout
    assert "grants differ: a / b" in shown
    assert "s0 acknowledges what is not on its disk yet" in shown
    assert "no node or client of another hub can go to a: set public-url there" in shown

    async def is_warned() -> bool:
        return "s0 acknowledges what is not on its disk" in caplog.text

    await _until(is_warned)


async def test_the_status_says_what_the_engine_answers_where_nobody_says_how_hubs_are_or_servers_store(
    hubs: Hubs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nobody(*_asked: object) -> NoReturn:
        raise EngineAwayException("there is no leader")

    for name in ("_of_hub", "servers_of"):
        monkeypatch.setattr(f"omnyshell.services.hub.cluster.status.{name}", nobody)
    options = argparse.Namespace(state_dir=str(hubs.state("a")), hub_config=None, json=False)
    assert await asyncio.to_thread(show_status, options) == 0
    shown = capsys.readouterr().out
    assert "1 copies, 1 of them current" in shown
    assert "nobody says now how the hubs are" in shown
    assert [line.split()[0] for line in shown.splitlines()[-2:]] == ["a", "b"]


async def test_the_status_names_a_server_that_stores_nothing_any_more(
    hubs: Hubs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def off(*_asked: object) -> tuple[ServerSays, ...]:
        return (ServerSays("s0", "2.15.1", is_synced=False, is_off=True),)

    monkeypatch.setattr("omnyshell.services.hub.cluster.status.servers_of", off)
    options = argparse.Namespace(state_dir=str(hubs.state("a")), hub_config=None, json=False)
    assert await asyncio.to_thread(show_status, options) == 0
    shown = capsys.readouterr().out
    assert "server s0 stores nothing: its JetStream is off" in shown
    assert "sync_interval" not in shown


async def test_who_is_no_member_or_has_principals_already_does_not_join(hubs: Hubs, tmp_path: Path) -> None:
    line = hubs.invite("d")
    ran = run_text("hub", "join", line, "--state-dir", str(hubs.state("a")))
    assert "runs: stop it, and start it again" in ran.stderr
    await hubs.running["a"].stop()
    ran = run_text("hub", "join", line, "--state-dir", str(hubs.state("a")))
    assert "has principals of its own" in ran.stderr
    ran = run_text("hub", "join", line[:-9], "--state-dir", str(tmp_path / "new"))
    assert "no whole invitation" in ran.stderr
    ran = run_text("cluster", "invite", "c", "--state-dir", str(hubs.state("b")))
    assert "the hub that founded the cluster does" in ran.stderr
    new = tmp_path / "new"
    ran = run_text("cluster", "status", "--state-dir", str(new))
    assert "is alone: `omnyshell cluster init` makes it the first of several" in ran.stderr
    new.mkdir(0o700, exist_ok=True)
    assert run_text("cluster", "init", "a", "--engine", "nats://127.0.0.1:1", "--state-dir", str(new)).returncode == 0
    for words in (("status",), ("remove", "b")):
        ran = run_text("cluster", *words, "--state-dir", str(new))
        assert "was not started yet; start it: omnyshell hub start" in ran.stderr
    # A look leaves nothing behind that would keep the hub from joining.
    assert not (new / STATE_FILE).exists()


async def test_an_invitation_is_good_once_for_a_while_and_for_keys_that_nobody_else_has_seen(
    hubs: Hubs, tmp_path: Path
) -> None:
    older, line, new = hubs.invite("c"), hubs.invite("c"), ClusterFiles(tmp_path / "new")
    with pytest.raises(NotInvitedException, match="not the newest"):
        await join(new, older, ClusterSettings(), CLOCK)
    assert not new.exist()
    assert (await join(new, line, ClusterSettings(), CLOCK)).hub == "c"
    with pytest.raises(
        NotInvitedException, match="was used: if that was somebody else, `omnyshell cluster remove c` now"
    ):
        await join(ClusterFiles(tmp_path / "thief"), line, ClusterSettings(), CLOCK)
    with pytest.raises(ConfigException, match="is a hub already: `omnyshell cluster remove c` first"):
        hubs.invite("c")
    ran = await asyncio.to_thread(run_text, "cluster", "remove", "c", "--state-dir", str(hubs.state("a")))
    assert ran.returncode == 0, ran.stderr
    with pytest.raises(NotInvitedException, match="there is no invitation"):
        await join(ClusterFiles(tmp_path / "thief"), line, ClusterSettings(), CLOCK)
    assert (await join(ClusterFiles(tmp_path / "again"), hubs.invite("c"), ClusterSettings(), CLOCK)).hub == "c"


async def test_who_is_invited_has_the_hub_that_founded_write_nowhere_and_lose_nothing(
    hubs: Hubs, engine: Engine, tmp_path: Path
) -> None:
    """That hub's answers go where it may write and who asks may not: a record there would end its lease for good."""
    invitation, cluster = read_invitation(hubs.invite("c")), hubs.running["a"]._cluster
    assert cluster is not None
    generation, before, client = invitation.identity.generation, cluster.known(), cluster._connection._client
    question = msgspec.json.encode(msgspec.structs.replace(ask_by(invitation)[2], signature=b"false"))
    ticket = Credential(invitation.ticket_token, Ed25519PrivateKey.from_seed(invitation.ticket))
    for reply in ("", subject_of_beat(generation, "a"), f"omnyshell.{generation}.truth.a", "_INBOX_b.x"):
        await _publish(engine, ticket, f"{JOINING}.c", question, reply)
    # Who asks is answered one after another.
    assert (await join(ClusterFiles(tmp_path / "c"), hubs.invite("c"), ClusterSettings(), CLOCK)).hub == "c"
    assert cluster._connection._client is client
    await until(lambda: "c" in cluster.hubs())
    assert cluster.known() == before + 1
    said = await cluster._connection.last_of(places_stream(generation), subject_of_beat(generation, "a"))
    assert said is not None
    assert isinstance(decode(said[0]), Beat)


@contextmanager
def _silent_servers(count: int) -> Iterator[tuple[str, ...]]:
    """Addresses at which connections are taken and nothing is said."""
    with ExitStack() as listening:
        sockets = [listening.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        yield tuple(f"nats://127.0.0.1:{each.getsockname()[1]}" for each in sockets)


async def test_servers_that_say_nothing_keep_nobody_who_joins_and_are_named_where_none_speaks(
    hubs: Hubs, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second: the next server is tried 0.7 s after one that says nothing, and two limits are let end."""
    line = hubs.invite("c")
    with _silent_servers(2) as silent:
        nobody = ClusterFiles(tmp_path / "nobody")
        with monkeypatch.context() as short:
            short.setattr("omnyshell.services.hub.cluster.nats.connection.CONNECT_TIMEOUT", 0.1)
            short.setattr("omnyshell.services.hub.cluster.joining.TIMEOUT", 0.5)
            named = "; ".join(f"{server}: it says nothing" for server in sorted(silent))
            with pytest.raises(EngineAwayException, match=re.escape(f"was reached within 0.5 s: {named}")):
                await join(nobody, line, ClusterSettings(engine=silent), CLOCK)
        assert not nobody.exist()
        both = ClusterSettings(engine=(silent[0], *engine.urls))
        assert (await join(ClusterFiles(tmp_path / "new"), line, both, CLOCK)).hub == "c"
    await hubs.running["a"].stop()
    monkeypatch.setattr("omnyshell.services.hub.cluster.joining.TIMEOUT", 0.5)
    with pytest.raises(EngineAwayException, match=r"hub 'a' has not answered for 0\.5 s: does it run"):
        await join(ClusterFiles(tmp_path / "later"), hubs.invite("d"), ClusterSettings(), CLOCK)


PLATFORM = {"os": "linux", "arch": "x64"}


@contextmanager
def _short_claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a hub wait shortly for what is not to come: what is, may take its time on a busy machine."""
    with monkeypatch.context() as patch:
        patch.setattr("omnyshell.services.hub.cluster.shared.places.CLAIM_TIMEOUT", 1.0)
        yield


async def _register(node: RawPeer, process: str, **extra: Any) -> None:
    await node.say("node.register", {"nodeId": "n1", "platform": PLATFORM, "instance": process, **extra})


async def test_a_node_id_is_one_process_s_at_all_hubs_and_the_process_moves_with_it(
    certificates: Certificates, hubs: Hubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second and more: who is in the way is waited for."""
    a, b = hubs.running["a"], hubs.running["b"]
    async with logged_in(certificates, a.port, "node", "box") as first:
        await _register(first, "one")
        assert "epoch" not in (await first.hear("node.registered"))["d"]
        with _short_claims(monkeypatch):
            async with logged_in(certificates, b.port, "node", "box") as other:
                await _register(other, "two")
                assert await other.hear_close() == (1013, HELD_OFF)
        async with logged_in(certificates, b.port, "node", "box", ("epochs",)) as same:
            for reported, epoch in ((1, 2), (2, 2), (7, 8)):
                await _register(same, "one", epoch=reported)
                assert (await same.hear("node.registered"))["d"]["epoch"] == epoch
            assert (await first.hear_close())[0] == 1013
            assert (list(a.nodes.online()), list(b.nodes.online())) == ([], ["n1"])

    async def comes() -> bool:
        async with logged_in(certificates, a.port, "node", "box") as other:
            await _register(other, "two")
            with suppress(ConnectionClosed):
                return (await other.hear())["t"] == "node.registered"
        return False

    await _until(comes)


async def test_without_the_engine_nodes_that_are_there_are_served_and_others_are_sent_away(
    certificates: Certificates, hubs: Hubs, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second and more, as above."""
    a = hubs.running["a"]
    async with logged_in(certificates, a.port, "node", "box") as node:
        await _register(node, "one")
        await node.hear("node.registered")
        engine.kill(0)
        with _short_claims(monkeypatch):
            async with logged_in(certificates, a.port, "node", "box") as other:
                await other.say("node.register", {"nodeId": "n2", "platform": PLATFORM})
                assert (await other.hear_close())[0] == 1013
        async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
            await admin.say("node.list.request", {"requestId": "r"})
            assert [each["nodeId"] for each in (await admin.hear("node.list.response"))["d"]["nodes"]] == ["n1"]


async def test_who_is_revoked_while_the_engine_is_away_is_out_at_once_and_everywhere_when_it_is_back(
    certificates: Certificates, hubs: Hubs, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some seconds: without the engine, and with it again."""
    monkeypatch.setattr("omnyshell.services.hub.cluster.hub_in_cluster.START_TIMEOUT", 1.0)
    a, b = hubs.running["a"], hubs.running["b"]
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        made = await ask(admin, "admin.token.add", "admin.token.added", principal="early")
        token = made["token"]
        engine.kill(0)
        async with stranger(certificates, a.port) as early:
            await early.greet("client")
            await early.say("auth.request", {"method": "token", "principal": "early", "token": token})
            await early.hear("auth.ok")
            refused = await ask(admin, "admin.credential.revoke", principal="early", credentialId=made["credentialId"])
            assert refused["code"] == "engine_away"
            assert "`omnyshell locks add principal early` shuts 'early' out at once" in refused["message"]
            assert (await ask(admin, "admin.principal.revoke", principal="early"))["ok"]
            assert (await early.hear("error"))["d"]["fatal"]
        assert (await ask(admin, "admin.principal.add", principal="late", roles=["dev"]))["code"] == "engine_away"
        locked = (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"]
        assert [(each["kind"], each["name"]) for each in locked] == [("principal", "early")]
    await hubs.restart("a")
    async with stranger(certificates, hubs.running["a"].port) as early:
        await early.greet("client")
        await early.say("auth.request", {"method": "token", "principal": "early", "token": token})
        await early.hear("auth.fail")
    engine.start(0)

    async def is_gone() -> bool:
        return "early" not in await hubs.principals("b")

    await _until(is_gone)
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"] == []

    async def is_lifted() -> bool:
        async with logged_in(certificates, hubs.running["a"].port, "client", "admin", ADMIN) as admin:
            return not (await ask(admin, "admin.locks.request", "admin.locks.response"))["locks"]

    await _until(is_lifted)


async def test_a_hub_that_was_removed_changes_nothing_opens_nothing_and_is_barred_from_the_engine(
    certificates: Certificates, hubs: Hubs, engine: Engine
) -> None:
    b, a_s_files = hubs.running["b"], ClusterFiles(hubs.state("a"))
    assert "no member; members are" in run_text("cluster", "remove", "x", "--state-dir", str(hubs.state("a"))).stderr
    assert "itself" in run_text("cluster", "remove", "a", "--state-dir", str(hubs.state("a"))).stderr
    ran = run_text("cluster", "remove", "b", "--state-dir", str(hubs.state("a")))
    assert (ran.returncode, "nats-server --signal reload" in ran.stderr) == (0, True)
    assert f"engine.conf of each: {engine.urls[0].removeprefix('nats://')}\n" in ran.stderr

    async def is_over() -> bool:
        return b._cluster is not None and not b._cluster.is_serving()

    await _until(is_over)
    ran = await asyncio.to_thread(run_text, "cluster", "remove", "a", "--state-dir", str(hubs.state("b")))
    assert "this hub was removed by another one" in ran.stderr
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        assert not (await ask(admin, "admin.principal.add", principal="late", roles=["dev"]))["ok"]
    assert await hubs.principals("a") == await hubs.principals("b")
    standing = ClusterFiles(hubs.state("b")).read()
    tokens = (standing.engine_token, standing.watch_token)
    assert [await _is_let_in(engine, token, standing.engine_key) for token in tokens] == [True, True]
    engine.access = (a_s_files.directory / ENGINE_CONFIG).read_text()
    engine.reload(0)

    async def is_barred() -> bool:
        return not any([await _is_let_in(engine, token, standing.engine_key) for token in tokens])

    await _until(is_barred)
    await _until(lambda: _is_lost(b))
    async with logged_in(certificates, hubs.running["a"].port, "client", "admin", ADMIN) as admin:
        assert (await ask(admin, "admin.principal.add", principal="late", roles=["dev"]))["ok"]
    assert "is no member" in run_text("cluster", "remove", "b", "--state-dir", str(hubs.state("a"))).stderr


async def test_no_member_can_take_a_node_id_so_that_it_stays_taken(
    certificates: Certificates, hubs: Hubs, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some seconds: a hub is started anew."""
    await hubs.running["b"].stop()
    standing = ClusterFiles(hubs.state("b")).read()
    async with logged_in(certificates, hubs.running["a"].port, "node", "box") as node:
        await _register(node, "one")
        await node.hear("node.registered")
        # What nobody could go beyond counts for nobody; what counts takes the node away, and no more.
        await _write_place(engine, standing, Entry("n1", 1, MOST_EPOCHS - 1, "thief's"))
        await _write_place(engine, standing, Entry("n1", 1, 1 + MOST_JUMP, "thief's"))
        assert (await node.hear_close())[0] == 1013
    assert await _epoch_now(certificates, hubs, 1) == MOST_JUMP + 2
    assert run_text("cluster", "remove", "b", "--state-dir", str(hubs.state("a"))).returncode == 0
    # A hub that reads all of it anew knows no more of the thief's.
    await hubs.restart("a")
    assert await _epoch_now(certificates, hubs, MOST_JUMP + 2) == MOST_JUMP + 3


async def test_a_hub_that_is_too_old_for_a_change_goes_by_what_it_knew_and_says_so(
    certificates: Certificates, hubs: Hubs, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some seconds: a hub is started anew."""
    # A hub says again what it knows whenever the engine is back.
    monkeypatch.setattr(shared_log, "LEVEL", 2)
    a, standing = hubs.running["a"], ClusterFiles(hubs.state("b")).read()
    assert a._cluster is not None
    log, own = a._cluster._begun(), standing.identity
    await log.append(together(MemberKnows("a", 2)))
    await hubs.running["b"]._cluster._begun().append(together(MemberKnows("b", 2)))

    async def is_agreed() -> bool:
        return log.members.level == 2

    await _until(is_agreed)
    newer = b'{"changes":[{"type":"NewerChange"}],"level":2}'
    newer = sign(standing.key, own.generation, log.applied_seq + 1, "b", newer, log._same.digest)
    await _write(engine, standing, f"omnyshell.{own.generation}.truth.b", newer)

    async def is_too_old() -> bool:
        return log.too_old_for > 0

    await _until(is_too_old)
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        refused = await ask(admin, "admin.principal.add", principal="late", roles=["dev"])
        assert (refused["ok"], "upgrade this hub" in refused["message"]) == (False, True)
    told = run_text("cluster", "status", "--state-dir", str(hubs.state("a")))
    assert f"this hub is too old for change {log.applied_seq + 1}" in told.stdout
    monkeypatch.setattr("omnyshell.services.hub.cluster.hub_in_cluster.START_TIMEOUT", 1.0)
    await hubs.restart("a")
    a = hubs.running["a"]
    async with logged_in(certificates, a.port, "client", "admin"):
        assert a._cluster is not None
        a._cluster.places.too_old_for = lambda: a._cluster._settings.stale_after + 1
    async with stranger(certificates, a.port) as late:
        await late.greet("client")
        await late.say("auth.request", {"method": "token", "principal": "admin", "token": "admin-token"})
        assert "cannot know who may still log in" in json.dumps(await late.hear())


async def _epoch_now(certificates: Certificates, hubs: Hubs, reported: int) -> int:
    async with logged_in(certificates, hubs.running["a"].port, "node", "box", ("epochs",)) as node:
        await _register(node, "one", epoch=reported)
        return int((await node.hear("node.registered"))["d"]["epoch"])


async def _write_place(engine: Engine, standing: Standing, entry: Entry) -> None:
    """Write what a hub says of a node, by the credential that it has."""
    own, name = standing.identity, base64.urlsafe_b64encode(entry.node_id.encode()).decode().rstrip("=")
    await _write(engine, standing, f"omnyshell.{own.generation}.places.{own.hub}.node.{name}", encode(entry))


async def _write(engine: Engine, standing: Standing, subject: str, data: bytes) -> None:
    await _publish(engine, Credential(standing.engine_token, standing.engine_key), subject, data)


async def _publish(engine: Engine, credential: Credential, subject: str, data: bytes, reply: str = "") -> None:
    client = Client()
    await client.connect(
        engine.urls[0], user_jwt_cb=lambda: bytearray(credential.jwt.encode()), signature_cb=credential.signature
    )
    await client.publish(subject, data, reply)
    await client.flush()
    await close(client)


async def _is_lost(hub: OmnyShellHub) -> bool:
    return hub._cluster is not None and not hub._cluster._connection.is_connected


async def _is_let_in(engine: Engine, token: str, key: Ed25519PrivateKey) -> bool:
    client, credential = Client(), Credential(token, key)
    try:
        await client.connect(
            engine.urls[0],
            user_jwt_cb=lambda: bytearray(token.encode()),
            signature_cb=credential.signature,
            connect_timeout=int(DEADLINE),
            allow_reconnect=False,
            error_cb=_ignored,
        )
    except (nats.errors.Error, ConnectionError):
        # Who is not may be cut off before it has said anything.
        return False
    finally:
        await close(client)
    return True


async def _ignored(_problem: Exception) -> None:
    """What the library would print."""


async def test_hubs_that_are_told_where_to_listen_have_a_link_and_status_shows_it(hubs: Hubs) -> None:
    """Two starts over the engine, and a beat that says where one listens."""
    port = free_port()
    target = Target("127.0.0.1", port)
    hubs.changed["b"] = {"cluster": ClusterSettings(links=target, links_at=target)}
    await hubs.restart("b")
    files = {hub: ClusterFiles(hubs.state(hub)).directory for hub in "ab"}

    async def is_up() -> bool:
        return set(read_links(files["a"])) == {"b"} and set(read_links(files["b"])) == {"a"}

    await _until(is_up)
    ran = await asyncio.to_thread(run_text, "cluster", "status", "--state-dir", str(hubs.state("a")))
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert any(line[:1] == ["a"] and line[-2:] == ["this", "hub"] for line in lines), ran.stderr
    assert any(line[:1] == ["b"] and "since" in line for line in lines), ran.stdout
    await hubs.running["b"].stop()

    async def is_down() -> bool:
        return not read_links(files["a"]) and not read_links(files["b"])

    await _until(is_down)


async def test_an_admin_of_any_hub_removes_one_and_the_one_that_founded_invites(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    a, b = hubs.running["a"], hubs.running["b"]
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        told = await ask(admin, "admin.hub.invite", "admin.hub.invite.created", hub="c")
        assert (told["founder"], "invitation" in told) == ("a", False)
        for hub, why in (("b", "itself: ask another"), ("c", "no member; members are a, b"), ("C!", "no hub's id")):
            refused = await ask(admin, "admin.hub.remove", hub=hub)
            assert (refused["ok"], refused["code"], why in refused["message"]) == (False, "bad_request", True), hub
        refused = await ask(admin, "admin.hub.invite", hub="a")
        assert "is a hub already" in refused["message"]
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        told = await ask(admin, "admin.hub.invite", "admin.hub.invite.created", hub="c")
        joined = await join(ClusterFiles(tmp_path / "new"), told["invitation"], ClusterSettings(), CLOCK)
        assert joined.hub == "c"
        await until(lambda: "c" in b._cluster.hubs())
    async with logged_in(certificates, b.port, "client", "admin", ADMIN) as admin:
        done = await ask(admin, "admin.hub.remove", hub="c")
        assert (done["ok"], "`omnyshell cluster remove c` at hub 'a'" in done["message"]) == (True, True)
        await until(lambda: "c" not in a._cluster.hubs())
    async with logged_in(certificates, a.port, "client", "admin", ADMIN) as admin:
        done = await ask(admin, "admin.hub.remove", hub="b")
        assert (done["ok"], "until its servers have read" in done["message"]) == (True, True)
        assert a._cluster.hubs() == ("a",)
    noted = [(record.action, record.detail) for record in a.audit.newest_first() if record.action.startswith("hub.")]
    assert ("hub.invite", "c") in noted
    told = [record.detail for record in b.audit.newest_first() if record.action == "hub.invite"]
    assert "c, for which hub 'a' is to be asked" in told
    assert ("hub.remove", "b") in noted
