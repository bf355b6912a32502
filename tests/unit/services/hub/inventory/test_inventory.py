"""What is live is described once: admins are answered what subscribers are told, whatever happened before."""

from datetime import UTC, datetime
from itertools import chain
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.interleavings import World

from omnyshell.model.admin import LockInfo, LockKind, NodeRecord, PeerInfo, SessionInfo
from omnyshell.model.live import LiveItem, LiveNode, NodePresence, Part, session_key
from omnyshell.model.schema import WireObject
from omnyshell.model.sessions import SessionState
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.messages.admin import (
    AllTunnelsRequest,
    HubInfoRequest,
    LiveSessionsRequest,
    NodeRecordsRequest,
    PeersRequest,
)
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.admin.reads import LiveReads
from omnyshell.services.hub.inventory.inventory import Inventory
from omnyshell.services.hub.live.sessions import LiveSessions
from omnyshell.services.hub.live.view import LiveView
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.services.hub.peers.peer import Peers

AT = datetime(2026, 1, 2, tzinfo=UTC)
ADMIN = Viewer("root", is_admin=True)
NOBODY = Viewer("eve", knows=lambda _node_id: False, watches=lambda _node_id: False)
RENAMED = {"ownerUserId": "principal"}


class Told:
    """A hub after some steps, what it tells subscribers, and what it answers admins."""

    def __init__(self, seed: int, steps: int = 150) -> None:
        self.world = world = World(seed)
        for _ in range(steps):
            world.step()
        peers: Peers[Any] = Peers()
        for peer in (*world.clients, *world.nodes):
            if peer.is_open:
                peers.logged_in(peer)
        self.locks = Locks(world.clock, [LockInfo(id="l", kind=LockKind.NODE, name="locked", created_at=AT)])
        self.inventory = Inventory(
            certificate=cast("Any", SimpleNamespace(current=SimpleNamespace(uid="hub_u", authority_fingerprint="f"))),
            started_at=AT,
            peers=peers,
            nodes=world.registry,
            owners=world.owners,
            locks=self.locks,
            takeovers=world.takeovers,
            departed=world.departed,
            sessions=world.router,
            tunnels=world.tunnels,
            clock=world.clock,
        )
        reads = LiveReads(self.inventory).reads
        self.ask = lambda kind: reads[kind](kind(request_id="r"))
        sessions = LiveSessions(lambda *_: None, world.clock, world.router.carried, lambda _: False, lambda _: False)
        self.view = LiveView(
            inventory=self.inventory,
            sessions=sessions,
            audit=world.audit,
            metrics=world.metrics,
            subscribers=lambda: 1,
            vitals=lambda _: None,
        )
        self.view.start()

    def items(self, part: Part, viewer: Viewer = ADMIN) -> dict[str, LiveItem]:
        described = {key: self.view.describe(part, key, viewer) for key in self.view.keys(part)}
        return {key: item for key, item in described.items() if item is not None}


def in_common(info: WireObject, item: LiveItem) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that both have, of each."""
    said, told = info.to_wire(), item.to_wire()
    told["online"] = isinstance(item, LiveNode) and item.is_online
    said = {RENAMED.get(name, name): value for name, value in said.items()}
    names = (said.keys() & told.keys()) - {"role"}
    return {name: said[name] for name in names}, {name: told[name] for name in names}


def live(told: Told) -> list[list[Any]]:
    return [list(told.inventory.peers()), list(told.inventory.sessions()), list(told.inventory.tunnels())]


def key_of(info: SessionInfo) -> str:
    return session_key(info.node_id, info.session_id)


@pytest.mark.parametrize("seed", range(10))
async def test_admins_are_answered_what_subscribers_are_told(seed: int) -> None:
    told = Told(seed)
    answers: dict[Part, dict[str, WireObject]] = {
        Part.PEERS: {each.peer_id: each for each in told.ask(PeersRequest).peers},
        Part.SESSIONS: {key_of(each): each for each in told.ask(LiveSessionsRequest).sessions},
        Part.TUNNELS: {each.tunnel_id: each for each in told.ask(AllTunnelsRequest).tunnels},
        Part.NODES: {each.node_id: each for each in told.ask(NodeRecordsRequest).nodes},
    }
    shared = {Part.PEERS: PeerInfo, Part.SESSIONS: SessionInfo, Part.TUNNELS: TunnelInfo, Part.NODES: NodeRecord}
    # What a resume leads to is another session, which its node tells.
    opening = {one.key for one in told.inventory.sessions() if one.resumed and one.state is SessionState.OPENING}
    for part in answers:
        items = told.items(part)
        items |= {one.key: one for one in told.inventory.sessions() if part is Part.SESSIONS and one.key in opening}
        assert answers[part].keys() == items.keys()
        for key, info in answers[part].items():
            assert isinstance(info, shared[part])
            said, also = in_common(info, items[key])
            assert said == also
            assert len(said) >= 3
    counts, hub = told.inventory.counts(), told.ask(HubInfoRequest)
    assert (hub.peers, hub.nodes, hub.sessions, hub.tunnels) == (len(answers[Part.PEERS]), *counts[:3])
    assert counts.sessions == len(answers[Part.SESSIONS])


async def test_what_an_admin_may_know_of_a_node_is_for_no_one_else() -> None:
    told = Told(1, steps=0)
    told.world.connect_node()
    (node,) = told.world.registry.connected()
    everybody = Viewer("ann", knows=lambda _node_id: True)
    item, seen = (cast("LiveNode", told.view.describe(Part.NODES, node.node_id, who)) for who in (ADMIN, everybody))
    assert (item.state, item.principal, item.address) == (NodePresence.ONLINE, node.peer.principal.id, "192.0.2.1")
    assert (seen.state, seen.labels) == (item.state, item.labels)
    assert (seen.principal, seen.address, seen.hub_labels, seen.connected_at, seen.locked) == ("", "", {}, None, "")
    for name in (node.node_id, "locked"):
        hidden = cast("LiveNode", told.view.describe(Part.NODES, name, NOBODY))
        assert hidden == LiveNode(node_id=name, state=NodePresence.OFFLINE, gone=True)
    assert "locked" in cast("LiveNode", told.view.describe(Part.NODES, "locked", ADMIN)).locked


async def test_an_item_is_the_callers_own() -> None:
    told = next(each for each in map(Told, range(100)) if all(live(each)))
    for item in chain(*live(told)):
        item.principal = "mallory"
    assert all(live(told))
    assert "mallory" not in {item.principal for item in chain(*live(told))}
