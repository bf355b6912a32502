"""One subscription at a hub shows what is live at all, over real links."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.engine import Engine
from support.following import following, sees
from support.raw_admin import ADMIN, ask
from support.raw_peer import logged_in
from support.several_hubs import Hubs, two_hubs
from support.stack import Certificates, connected_client, running_node, within

from omnyshell import PtySpec, SessionMode, SessionState
from omnyshell.model.live import HubLease

SIZE = PtySpec(cols=80, rows=24)
LISTED = {"allow-roles": "developer"}


@pytest.fixture
async def hubs(certificates: Certificates, tmp_path: Path, engine: Engine) -> AsyncIterator[Hubs]:
    async with two_hubs(certificates, tmp_path, engine, linked=True) as made:
        yield made


async def test_who_follows_one_hub_sees_all_of_them_and_how_old_what_is_known_of_each_is(
    certificates: Certificates, hubs: Hubs, tmp_path: Path
) -> None:
    """Two seconds: founding and inviting takes most of it, and what it has found is asked of the same hubs."""
    a, b = hubs.running["a"], hubs.running["b"]
    async with (
        running_node(certificates, a.port, tmp_path / "n1", labels=LISTED),
        running_node(certificates, b.port, tmp_path / "n2", "n2", labels=LISTED),
        following(certificates, a.port) as at_a,
        following(certificates, b.port) as at_b,
        following(certificates, a.port, "dev") as of_dev,
        connected_client(certificates, b.port, "dev") as client,
    ):
        for state in (at_a, at_b, of_dev):
            await sees(
                state,
                lambda state=state: {key: node.hub for key, node in state.nodes.items()} == {"n1": "a", "n2": "b"},
            )
        assert at_a.nodes["n2"].epoch == b.nodes.find("n2").epoch > 0
        assert of_dev.nodes["n2"].address == ""
        session = await within(client.open_session("n2", mode=SessionMode.SHELL, pty=SIZE, env={"SHELL": "/bin/sh"}))
        for state in (at_a, at_b, of_dev):
            (found,) = await sees(state, lambda state=state: tuple(state.sessions.values()))
            assert (found.session_id, found.hub, found.principal) == (session.id, "b", "dev")
        roles = {"node": {"a", "b"}, "client": {"a", "b"}}
        told = {role: {peer.hub for peer in at_a.peers.values() if peer.role == role} for role in roles}
        assert told == roles
        assert {peer.principal for peer in of_dev.peers.values()} == {"dev"}
        known = set(at_b.peers)
        for features, hubs_told in ((ADMIN, {None}), ((*ADMIN, "whole-view"), {"a", "b"})):
            async with logged_in(certificates, a.port, "client", "admin", features) as raw:
                found = (await ask(raw, "admin.peers.request", "admin.peers.response"))["peers"]
                assert {each.get("hub") for each in found} == hubs_told
                assert {each["peerId"] for each in found} >= known
                (one,) = (await ask(raw, "admin.sessions.request", "admin.sessions.response"))["sessions"]
                assert one["sessionId"] == session.id
                found = (await ask(raw, "admin.nodes.request", "admin.nodes.response"))["nodes"]
                assert {each["nodeId"]: each["online"] for each in found} == {"n1": True, "n2": True}
                there = next(each.peer_id for each in at_a.peers.values() if each.hub == "b" and each.role == "node")
                refused = await ask(raw, "admin.peer.drop", peerId=there)
                assert (refused["ok"], refused["code"]) == (False, "not_found")
                assert "at hub 'b'" in refused["message"]
        async with connected_client(certificates, a.port) as lists:
            assert {each.node_id: each.hub for each in await lists.list_nodes()} == {"n1": "a", "n2": "b"}
        await within(session.detach(60))
        await sees(at_a, lambda: {each.state for each in at_a.sessions.values()} == {SessionState.DETACHED})
        await sees(at_a, lambda: all(hub.is_told and hub.version for hub in at_a.hubs.values()))
        await sees(at_a, lambda: {key: (hub.lease, hub.nodes, hub.own) for key, hub in at_a.hubs.items()} == {
            "a": (HubLease.HELD, 1, True), "b": (HubLease.HELD, 1, False),
        })  # fmt: skip
        assert at_a.hubs["b"].link_since is not None
        assert at_a.hubs["b"].place
        assert of_dev.hubs["b"].place == ""
        await b.stop()
        row = await sees(at_a, lambda: not at_a.hubs["b"].is_told and at_a.hubs["b"])
        assert row.known_at is not None
        assert at_a.nodes["n2"].hub == "b"
