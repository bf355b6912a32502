"""One subscription shows what is live at all hubs, whatever happens in whichever order."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace
from support.live_hubs import LiveClient, LiveHubs, key_of, peer, session, tunnel
from support.truth_logs import BEGIN

from omnyshell.errors import ErrorCodes
from omnyshell.model.live import LiveNode, LiveSession, NodePresence, Part
from omnyshell.model.sessions import SessionState
from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol.extensions import OF_LIVE_FEED, WHOLE_VIEW
from omnyshell.protocol.messages.events import EventsSnapshot, Scope
from omnyshell.services.client.live.state import Change
from omnyshell.services.hub.live import subscription as subscription_module
from omnyshell.services.hub.live.elsewhere import part as part_module, telling as telling_module
from omnyshell.services.hub.live.elsewhere.part import HubPart
from omnyshell.services.hub.live.elsewhere.telling import FIRST_ANSWER, KEPT, SILENT
from omnyshell.services.hub.live.viewer import Viewer

ADMIN = Viewer("root", is_admin=True, features=OF_LIVE_FEED)
HUBS, NODES, NAMES = "abc", ("n", "m"), ("1", "2", "3")


class World(LiveHubs):
    """Hubs to which things happen as they may in a cluster."""

    def __init__(self, room: int) -> None:
        super().__init__(room)
        self._epoch = 0

    def connect(self, hub: str, node_id: str) -> None:
        """A node comes to a hub; one that had it before does not know that yet."""
        self._epoch += 1
        self.hubs[hub].connect(node_id, self._epoch)

    def disconnect(self, hub: str, node_id: str) -> None:
        self.hubs[hub].disconnect(node_id)

    def attach(self, hub: str, node_id: str, name: str, via: str) -> None:
        """A session begins at a node, by a client of that hub or of another one, which relays it then."""
        if self.hubs[hub]._find(node_id) is not None:
            for each in {hub, via}:
                self.hubs[each].put(Part.SESSIONS, session(node_id, name))

    def detach(self, hub: str, node_id: str, name: str) -> None:
        """A session is left to its node; who relayed it has it no more."""
        key = key_of(node_id, name)
        item = self.hubs[hub].items.items[Part.SESSIONS].get(key)
        if isinstance(item, LiveSession) and self.hubs[hub]._find(node_id) is not None:
            self.hubs[hub].put(Part.SESSIONS, replace(item, state=SessionState.DETACHED))
            for other in self.hubs[hub].others.values():
                other.end(Part.SESSIONS, key)

    def end(self, hub: str, node_id: str, name: str) -> None:
        self.hubs[hub].end(Part.SESSIONS, key_of(node_id, name))

    def open(self, hub: str, name: str) -> None:
        self.hubs[hub].put(Part.TUNNELS, tunnel(f"{hub}{name}"))
        self.hubs[hub].put(Part.PEERS, peer(f"{hub}{name}"))

    def close(self, hub: str, name: str) -> None:
        self.hubs[hub].end(Part.TUNNELS, f"{hub}{name}")
        self.hubs[hub].end(Part.PEERS, f"{hub}{name}")

    def link(self, hub: str, other: str) -> None:
        if hub != other:
            self.hubs[hub].link(self.hubs[other])

    def lose(self, hub: str, other: str) -> None:
        if hub != other:
            self.hubs[hub].lose(self.hubs[other])

    def hear(self, hub: str, other: str) -> None:
        self.hubs[hub].hears_next(self.hubs[other])

    def tell(self, hub: str) -> None:
        self.hubs[hub].subscribers.tell()

    # What is true

    def home_of(self, node_id: str) -> str:
        has = [(hub.items.epoch_of(node_id), name) for name, hub in self.hubs.items() if hub._find(node_id)]
        return max(has)[1] if has else ""

    def nodes(self) -> dict[str, str]:
        """Return which hub has each node that any has heard of; "" for one that is away."""
        return {id_: self.home_of(id_) for id_ in NODES if any(hub.items.epoch_of(id_) for hub in self.hubs.values())}

    def sessions(self) -> set[str]:
        found = set()
        for name, hub in self.hubs.items():
            for key, item in hub.items.items[Part.SESSIONS].items():
                assert isinstance(item, LiveSession)
                home = self.home_of(item.node_id)
                if home in ("", name) or item.state is not SessionState.DETACHED:
                    found.add(key)
        return found

    def keys(self, part: Part) -> dict[str, str]:
        return {key: name for name, hub in self.hubs.items() for key in hub.items.items[part]}


hub, node, name = st.sampled_from(HUBS), st.sampled_from(NODES), st.sampled_from(NAMES)
happens = st.one_of(
    st.tuples(st.just("connect"), hub, node),
    st.tuples(st.just("disconnect"), hub, node),
    st.tuples(st.just("attach"), hub, node, name, hub),
    st.tuples(st.just("detach"), hub, node, name),
    st.tuples(st.just("end"), hub, node, name),
    st.tuples(st.just("open"), hub, name),
    st.tuples(st.just("close"), hub, name),
    st.tuples(st.just("link"), hub, hub),
    st.tuples(st.just("lose"), hub, hub),
    st.tuples(st.just("hear"), hub, hub),
    st.tuples(st.just("tell"), hub),
)


@given(
    before=st.lists(happens, max_size=25),
    after=st.lists(happens, max_size=60),
    room=st.sampled_from((1, 4)),
    piece=st.sampled_from((1, 700, subscription_module.PIECE_SIZE)),
    bound=st.sampled_from((3, subscription_module.MAX_CHANGED)),
)
def test_the_view_is_the_union_of_all_hubs_each_thing_once(
    before: list[Any], after: list[Any], room: int, piece: int, bound: int
) -> None:
    sizes = subscription_module.PIECE_SIZE, subscription_module.MAX_CHANGED
    subscription_module.PIECE_SIZE, subscription_module.MAX_CHANGED = piece, bound
    try:
        world = World(room)
        for what, *arguments in before:
            getattr(world, what)(*arguments)
        clients = [LiveClient(world.hubs[each], ADMIN) for each in "ab"]
        for what, *arguments in after:
            getattr(world, what)(*arguments)
        world.link_all()
        world.passes(1)
    finally:
        subscription_module.PIECE_SIZE, subscription_module.MAX_CHANGED = sizes
    for client in clients:
        state = client.state
        assert {key: item.hub if item.is_online else "" for key, item in state.nodes.items()} == world.nodes()
        assert set(state.sessions) == world.sessions()
        for item in state.sessions.values():
            home = world.home_of(item.node_id)
            assert item.hub == home or not home or item.key not in world.hubs[home].items.items[Part.SESSIONS]
        for part, items in ((Part.TUNNELS, state.tunnels), (Part.PEERS, state.peers)):
            assert {key: item.hub for key, item in items.items()} == world.keys(part)
        assert {key: each.is_told for key, each in state.hubs.items()} == dict.fromkeys(HUBS, True)


def linked(room: int = 4) -> World:
    world = World(room)
    world.link_all()
    return world


def test_who_is_alone_in_asking_has_the_others_tell_and_nobody_else() -> None:
    world = linked()
    world.settle()
    assert [len(each.subscribers) for each in world.hubs.values()] == [0, 0, 0]
    clients = [LiveClient(world.hubs["a"], ADMIN) for _ in range(3)]
    world.settle()
    assert [len(each.subscribers) for each in world.hubs.values()] == [3, 1, 1]
    for client in clients:
        world.hubs["a"].subscribers.remove(lambda member, client=client: member.subscription is client.subscription)
    world.passes(15)
    assert [len(each.subscribers) for each in world.hubs.values()] == [0, 0, 0]
    assert not world.hubs["a"].whole.parts


def test_the_first_snapshot_waits_for_hubs_that_were_just_asked_and_not_long() -> None:
    world = linked()
    world.connect("b", "n")
    a = world.hubs["a"]
    a.elsewhere.want()
    assert a.elsewhere.is_awaited()
    world.settle()
    assert not a.elsewhere.is_awaited()
    world = linked()
    a = world.hubs["a"]
    a.elsewhere.want()
    world.clock.seconds += FIRST_ANSWER
    assert not a.elsewhere.is_awaited()


def test_what_a_lost_hub_told_stays_a_while_and_says_how_old_it_is() -> None:
    world = linked()
    world.connect("b", "n")
    world.attach("b", "n", "1", "b")
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    changes: list[Change] = []
    client.state.watch(changes.append)
    told_at = world.clock.now()
    world.lose("a", "b")
    world.passes(2)
    row = client.state.hubs["b"]
    assert (row.is_told, row.known_at) == (False, told_at)
    assert set(client.state.sessions) == {key_of("n", "1")}
    world.link("a", "b")
    world.passes(1)
    assert client.state.hubs["b"].is_told
    assert {change.part for change in changes} <= {Part.HUBS, Part.METRICS}
    world.lose("a", "b")
    world.passes(KEPT + 1)
    (ended,) = [change.after for change in changes if change.part is Part.SESSIONS]
    assert isinstance(ended, LiveSession)
    assert (ended.gone, ended.reason, ended.hub) == (True, ErrorCodes.HUB_UNREACHABLE, "b")
    assert not client.state.sessions
    assert not client.state.nodes
    assert not client.state.hubs["b"].is_told
    world.link("a", "b")
    world.passes(1)
    assert set(client.state.sessions) == {key_of("n", "1")}


def test_a_hub_that_is_silent_on_its_link_is_not_taken_to_be_told_of() -> None:
    world = linked()
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    world.clock.seconds += SILENT
    world.hubs["a"].elsewhere.sample()
    world.hubs["a"].subscribers.tell()
    assert {key: each.is_told for key, each in client.state.hubs.items()} == {"a": True, "b": False, "c": False}


def test_a_hub_that_was_silent_for_long_and_goes_on_tells_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling_module, "FORGOTTEN_AT_ONCE", 1)
    world = linked()
    world.connect("b", "n")
    world.connect("b", "m")
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    a, seen = world.hubs["a"], []
    world.clock.seconds += KEPT + 1
    for _ in range(3):
        a.elsewhere.sample()
        a.subscribers.tell()
        seen.append(len(client.state.nodes))
    assert seen == [1, 0, 0]
    world.passes(1)
    assert set(client.state.nodes) == {"n", "m"}
    assert client.state.hubs["b"].is_told


def test_a_session_that_goes_over_two_hubs_is_shown_once_and_ends_where_its_node_says() -> None:
    world = linked()
    world.connect("b", "n")
    world.attach("b", "n", "1", "a")
    client = LiveClient(world.hubs["c"], ADMIN)
    world.settle()
    changes: list[Change] = []
    client.state.watch(changes.append)
    (item,) = client.state.sessions.values()
    assert (item.hub, item.state) == ("b", SessionState.OPEN)
    world.hubs["a"].end(Part.SESSIONS, item.key)
    world.settle()
    assert not [change for change in changes if change.part is Part.SESSIONS and change.after.gone]
    world.detach("b", "n", "1")
    world.settle()
    assert [each.state for each in client.state.sessions.values()] == [SessionState.DETACHED]
    world.end("b", "n", "1")
    world.settle()
    assert not client.state.sessions


def test_what_waited_at_a_node_that_moved_is_told_by_the_hub_that_has_it_now() -> None:
    world = linked()
    world.connect("b", "n")
    world.attach("b", "n", "1", "b")
    world.detach("b", "n", "1")
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    world.connect("c", "n")
    world.disconnect("b", "n")
    world.settle()
    # The hub that had it before shows what was left there as away, and the one that has it now knows of none.
    assert not client.state.sessions
    world.hubs["c"].put(Part.SESSIONS, session("n", "1", state=SessionState.DETACHED))
    world.settle()
    (item,) = client.state.sessions.values()
    assert (item.hub, item.away) == ("c", False)
    world.disconnect("c", "n")
    world.settle()
    assert [each.away for each in client.state.sessions.values()] == [True]


def test_each_sees_what_this_hub_allows_and_old_clients_nothing_of_hubs() -> None:
    world = linked()
    b = world.hubs["b"]
    for node_id in NODES:
        b.connect(node_id, 1, address="192.0.2.9", sessions=3)
    for who in ("ann", "bob"):
        b.put(Part.SESSIONS, replace(session("n", who, who), address="192.0.2.1", watched_by=("eve",)))
        b.put(Part.TUNNELS, tunnel(who, who))
        b.put(Part.PEERS, peer(who, who))
    few = {"knows": lambda node_id: node_id == "n", "watches": lambda node_id: node_id == "n"}
    ann = LiveClient(world.hubs["a"], Viewer("ann", features=OF_LIVE_FEED, **few))
    old = LiveClient(world.hubs["a"], Viewer("root", is_admin=True))
    world.settle()
    (seen,) = ann.state.nodes.values()
    assert (seen.node_id, seen.hub, seen.epoch, seen.address, seen.sessions) == ("n", "b", 0, "", None)
    for items in (ann.state.sessions, ann.state.tunnels, ann.state.peers):
        assert [(each.principal, each.hub) for each in items.values()] == [("ann", "b")]
    assert {each.key: (each.lease, each.version, each.is_told) for each in ann.state.hubs.values()} == dict.fromkeys(
        HUBS, ("unknown", "", True)
    )
    assert {each.node_id: (each.hub, each.epoch) for each in old.state.nodes.values()} == {"n": ("", 0), "m": ("", 0)}
    assert {each.hub for each in (*old.state.sessions.values(), *old.state.tunnels.values())} == {""}
    assert not old.state.hubs
    b.end(Part.SESSIONS, key_of("n", "bob"))
    b.disconnect("n")
    world.settle()
    assert not ann.state.nodes
    assert set(old.state.nodes) == {"n", "m"}


def test_a_hub_that_does_not_keep_up_gets_a_snapshot_in_place_of_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "MAX_CHANGED", 100)
    world = linked(room=1)
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    b = world.hubs["b"]
    for number in range(subscription_module.MAX_CHANGED + 10):
        b.put(Part.PEERS, peer(f"p{number}"))
        b.subscribers.tell()
    assert len(b.to["a"].waiting) == 1
    (served,) = [member.subscription for member in b.subscribers]
    assert len(served._changed) <= subscription_module.MAX_CHANGED
    world.settle()
    assert len(client.state.peers) == subscription_module.MAX_CHANGED + 10


def test_what_cannot_be_read_ends_what_the_hub_tells_until_there_is_another_link() -> None:
    world = linked()
    world.connect("b", "n")
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    assert client.state.nodes["n"].is_online
    world.hubs["a"].hears.told("b", b'{"t":"events.delta","d":{"nodes":7}}')
    world.passes(1)
    assert not client.state.nodes
    assert not client.state.hubs["b"].is_told
    assert [member.subscription.id for member in world.hubs["b"].subscribers] == []
    world.link("a", "b")
    world.passes(1)
    assert client.state.nodes["n"].is_online


def test_machines_of_other_hubs_nodes_are_told_while_somebody_looks() -> None:
    world = linked()
    world.connect("b", "n")
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    world.hubs["b"].items.vitals["n"] = MachineVitals(cpus=4)
    client.subscription.look(world.hubs["a"].whole.keys(Part.NODES), looks=True)
    world.passes(2)
    assert client.state.nodes["n"].vitals == MachineVitals(cpus=4)
    world.hubs["b"].items.vitals["n"] = MachineVitals(cpus=8)
    world.hubs["b"].subscribers.mark_vitals("n")
    world.settle()
    assert client.state.nodes["n"].vitals == MachineVitals(cpus=8)
    client.subscription.look((), looks=False)
    world.passes(1)
    (served,) = [member.subscription for member in world.hubs["b"].subscribers]
    assert not served.looks


def test_what_one_hub_tells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "MAX_ITEMS", 5)
    world = linked()
    for number in range(10):
        world.hubs["b"].put(Part.PEERS, peer(f"p{number}"))
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    assert len(client.state.peers) == 5
    assert world.hubs["a"].whole.parts["b"].left_out == 5


def test_what_one_hub_tells_is_bounded_in_bytes_and_what_there_is_no_room_for_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(part_module, "MAX_BYTES", 10 * part_module.LARGE)
    part = HubPart("b")

    def tell(*nodes: LiveNode) -> int:
        part.take(
            EventsSnapshot(
                subscription_id="s",
                seq=1,
                at=BEGIN,
                scope=Scope.ALL,
                parts=("nodes",),
                nodes=nodes,
                first=True,
                last=True,
            )
        )
        return part.left_out

    assert tell(*(_large(f"n{number}", 4) for number in range(4)), _large("small", 0)) == 2
    assert part.keys(Part.NODES) == ("n0", "n1", "small")
    # One that grows beyond stays as it was, one that shrinks makes room.
    assert tell(_large("n0", 20), _large("n1", 1), _large("n2", 4)) == 3
    assert [len(part.node(node_id).display_name) // part_module.LARGE for node_id in ("n0", "n1", "n2")] == [4, 1, 4]
    tell()
    assert (part._bytes, part._large, len(part)) == (0, {}, 0)


def _large(node_id: str, size: int) -> LiveNode:
    return LiveNode(node_id=node_id, state=NodePresence.ONLINE, display_name="x" * size * part_module.LARGE)


def test_a_node_that_is_away_is_as_the_hub_remembers_that_heard_of_it_last() -> None:
    world = linked()
    world.connect("b", "n")
    world.clock.seconds += 10
    world.connect("c", "n")
    world.disconnect("c", "n")
    world.disconnect("b", "n")
    world.hubs["b"].put(Part.NODES, LiveNode(node_id="m", state=NodePresence.OFFLINE, principal="ann"))
    client = LiveClient(world.hubs["a"], ADMIN)
    world.settle()
    assert client.state.nodes["n"].last_heard_at == world.clock.now()
    assert WHOLE_VIEW in ADMIN.features
