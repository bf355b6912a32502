"""Our own client's view of a hub: what nodes keep, a hub that is lost, hubs and nodes that know no `events`."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.following import following, sees
from support.hub_process import hub_process
from support.raw_peer import registered
from support.stack import (
    Certificates,
    access,
    connected_client,
    hub_config,
    running_node,
    within,
)

from omnyshell import (
    OmnyShellClient,
    OmnyShellHub,
    PrincipalId,
    PtySpec,
    RemoteSession,
    SessionMode,
    SessionState,
    TokenCredentialProvider,
)
from omnyshell.model.live import LiveSession, Part, Scope
from omnyshell.protocol.extensions import EVENTS
from omnyshell.protocol.messages.admin import PrincipalAdd, PrincipalRevoke, PrincipalRoles, TokenAdd, TokenAdded
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState, Link, Source
from omnyshell.services.hub import assembly
from omnyshell.services.hub.live import session_polls

SIZE = PtySpec(cols=80, rows=24)


def only_session(state: HubState) -> LiveSession | None:
    return next(iter(state.sessions.values()), None)


async def shell(client: OmnyShellClient) -> RemoteSession:
    return await within(client.open_session("n1", mode=SessionMode.SHELL, pty=SIZE, env={"SHELL": "/bin/sh"}))


async def test_vitals_of_a_node_come_while_somebody_looks_also_to_a_feed_that_subscribes_again(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
    ):
        state = HubState()
        feed = LiveFeed(access(certificates, hub.port, "admin"), state, parts=(Part.NODES,))
        feed.look(looks=True)
        running = asyncio.create_task(feed.run())
        try:
            found = await sees(state, lambda: "n1" in state.nodes and state.nodes["n1"].vitals)
            assert (found.load, found.disk_share) != (None, None)
            feed.look(looks=False)
            feed.look(looks=True)
            assert state.nodes["n1"].vitals is None
            await sees(state, lambda: state.nodes["n1"].vitals == found)
        finally:
            await feed.aclose()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_shell_is_followed_through_detaching_resuming_and_its_end(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        connected_client(certificates, hub.port) as client,
        following(certificates, hub.port) as state,
    ):
        session = await shell(client)
        await session.write(b"cd / && exec cat\n")
        await sees(state, lambda: (found := only_session(state)) and found.command == "cat" and found.cwd == "/")
        await within(session.detach(60))
        await sees(state, lambda: (found := only_session(state)) and found.state is SessionState.DETACHED)
        await sees(state, lambda: (found := only_session(state)) and found.expires_at and found.detached_at)
        found = only_session(state)
        assert found is not None
        assert (found.command, found.cwd, found.principal, found.address) == ("cat", "/", "admin", "")
        again = await within(client.resume("n1", found.session_id, pty=SIZE))
        seen = await sees(state, lambda: (one := only_session(state)) and one.state is SessionState.OPEN and one)
        assert (seen.resumed, seen.created_at, seen.address) == (True, found.created_at, "127.0.0.1")
        await again.write(b"\x04")
        await within(again.wait())
        await sees(state, lambda: not state.sessions)
        assert await sees(state, lambda: state.nodes["n1"].latency) < DEADLINE
        await sees(state, lambda: state.round_trip is not None)


async def test_a_shell_whose_client_vanishes_is_detached_and_a_command_is_not(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        following(certificates, hub.port) as state,
    ):
        async with connected_client(certificates, hub.port, reconnect_timeout=0) as client:
            session = await shell(client)
            await within(client.open_session("n1", command="sleep 60"))
            await sees(state, lambda: len(state.sessions) == 2)
            assert client._connection is not None
            client._connection.link.abort()
            await sees(state, lambda: (found := only_session(state)) and found.state is SessionState.DETACHED)
            assert [found.session_id for found in state.sessions.values()] == [session.id]
        async with connected_client(certificates, hub.port) as client:
            await within(client.kill_session("n1", session.id))
            await sees(state, lambda: not state.sessions)


async def test_a_hub_that_was_killed_is_found_again_with_what_waits_in_nodes(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
        following(certificates, hub.port) as state,
    ):
        async with connected_client(certificates, hub.port, reconnect_timeout=0) as client:
            session = await shell(client)
            await within(session.detach(60))
        await sees(state, lambda: (found := only_session(state)) and found.state is SessionState.DETACHED)
        records = len(state.audit)
        hub.kill()
        await sees(state, lambda: state.link is Link.LOST)
        assert (set(state.nodes), len(state.sessions), state.link_error != "") == ({"n1"}, 1, True)
        assert (state.age(Part.NODES) or 0) >= 0
        await hub.start()
        await sees(state, lambda: state.link is Link.UP)
        await sees(state, lambda: state.metrics and state.nodes["n1"].is_online)
        found = await sees(state, lambda: (one := only_session(state)) and one.expires_at and one)
        assert (found.session_id, found.state) == (session.id, SessionState.DETACHED)
        assert len(state.audit) > records
        async with connected_client(certificates, hub.port) as client:
            await within(client.resume("n1", found.session_id, pty=SIZE))
            await sees(state, lambda: (one := only_session(state)) and one.state is SessionState.OPEN)


async def test_a_node_without_the_extension_is_asked_for_each_principal(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_polls, "ASK_AGAIN", 0.1)
    waiting = {
        "sessionId": "0b0e1f1e-0000-4000-8000-000000000001", "shortId": "0b0e1f1e", "nodeId": "liar",
        "ownerUserId": "dev", "createdAt": "2026-01-02T03:04:05.678Z", "expiresAt": "2036-01-02T03:04:05.678Z",
        "currentCommand": "vim\x1b[31m", "currentCwd": "/srv",
    }  # fmt: skip
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port) as node,
        following(certificates, hub.port) as state,
    ):
        await node.say("node.capabilities", {"features": ["exec", "shell", "detach"]})
        asked = set()
        for _ in range(3):
            request = (await node.hear("node.sessions.list.request"))["d"]
            asked.add(request["principal"])
            mine = [waiting] if request["principal"] == "dev" else []
            await node.say("node.sessions.list.response", {"requestId": request["requestId"], "sessions": mine})
        assert asked == {"admin", "box", "dev"}
        found = await sees(state, lambda: only_session(state))
        assert (found.node_id, found.principal, found.state) == ("n1", "dev", SessionState.DETACHED)
        assert (found.command, found.cwd) == ("vim\x1b[31m", "/srv")
        request = (await node.hear("node.sessions.list.request"))["d"]
        assert request["principal"] == "dev"
        await node.say("node.sessions.list.response", {"requestId": request["requestId"], "sessions": []})
        await sees(state, lambda: not state.sessions)


async def test_against_a_hub_without_the_extension_what_can_be_asked_is_asked(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "OF_HUB", assembly.OF_HUB - {EVENTS})
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path),
        connected_client(certificates, hub.port) as client,
    ):
        session = await shell(client)
        async with following(certificates, hub.port, poll_period=0.05) as state:
            assert (state.link, set(state.nodes)) == (Link.UP, {"n1"})
            sources = {part: state.source(part) for part in Part}
            assert sources == {
                Part.NODES: Source.POLLED, Part.SESSIONS: Source.POLLED, Part.TUNNELS: Source.POLLED,
                Part.PEERS: Source.UNKNOWN, Part.METRICS: Source.UNKNOWN, Part.AUDIT: Source.UNKNOWN,
                Part.HUBS: Source.UNKNOWN,
            }  # fmt: skip
            found = only_session(state)
            assert found is not None
            assert (found.session_id, found.state) == (session.id, SessionState.OPEN)
            await within(session.detach(60))
            await sees(state, lambda: (one := only_session(state)) and one.state is SessionState.DETACHED)
            async with registered(certificates, hub.port, "n2"):
                await sees(state, lambda: set(state.nodes) == {"n1", "n2"})
            await sees(state, lambda: set(state.nodes) == {"n1"})
            assert len(hub._services.events) == 0


async def test_a_role_that_is_taken_leaves_what_is_ones_own(certificates: Certificates, tmp_path: Path) -> None:
    async with (
        OmnyShellHub(hub_config(certificates, state_dir=tmp_path)) as hub,
        AdminClient(access(certificates, hub.port, "admin")) as admin,
    ):
        await admin.do(PrincipalAdd(request_id="", principal="ops", roles=("admin",)))
        token = (await admin.ask(TokenAdd(request_id="", principal="ops"), TokenAdded)).token
        mine = replace(
            access(certificates, hub.port, "ops"), credentials=TokenCredentialProvider(PrincipalId("ops"), token)
        )
        async with following(certificates, hub.port, access=mine) as state:
            assert (state.scope, state.metrics is not None, len(state.peers)) == (Scope.ALL, True, 2)
            await admin.do(PrincipalRoles(request_id="", principal="ops", roles=("developer",)))
            await sees(state, lambda: state.link is Link.UP and state.scope is Scope.OWN)
            assert (state.metrics, state.source(Part.METRICS)) == (None, Source.UNKNOWN)
            assert {record.principal for record in state.audit} == {"ops"}
            assert [peer.principal for peer in state.peers.values()] == ["ops"]
            await admin.do(PrincipalRevoke(request_id="", principal="ops"))
            await sees(state, lambda: state.link is Link.REFUSED)


async def test_a_feed_of_one_who_is_no_admin_and_one_who_is_refused(certificates: Certificates) -> None:
    async with OmnyShellHub(hub_config(certificates)) as hub:
        async with following(certificates, hub.port, "dev") as state:
            assert (state.scope, state.source(Part.METRICS)) == (Scope.OWN, Source.UNKNOWN)
            assert (state.source(Part.SESSIONS), len(state.peers)) == (Source.LIVE, 1)
        state = HubState()
        feed = LiveFeed(access(certificates, hub.port, "nobody"), state)
        await within(feed.run())
        assert (state.link, state.link_error != "") == (Link.REFUSED, True)
