"""Who is told what of a hub's live state, when, and what a subscriber that does not keep up gets."""

from typing import Any

import pytest
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages.admin import LockAdd, NodeLabelsSet, PeerDrop
from omnyshell.protocol.messages.events import (
    EventsDelta,
    EventsEnded,
    EventsLagged,
    EventsSnapshot,
    EventsSubscribe,
    EventsUnsubscribe,
    EventsUpdate,
)

FOR_DEVELOPERS = {"allow-roles": "developer"}
KEYS = {"nodes": "node_id", "sessions": "session_id", "tunnels": "tunnel_id", "peers": "peer_id"}


class Watcher:
    """Keeps what a subscription says, by the document's rules."""

    def __init__(self, hub: MemoryHub, peer: MemoryPeer, *parts: str, **fields: Any) -> None:
        self.hub, self.peer = hub, peer
        self.items: dict[str, dict[str, Any]] = {part: {} for part in KEYS}
        self.finals: list[Any] = []
        self.records: list[str] = []
        self.traffic: list[Any] = []
        self.metrics: Any = None
        self.scope = ""
        self.lagged = 0
        self._seq = 0
        peer.inbox.clear()
        peer.says(EventsSubscribe(subscription_id="s", parts=parts, **fields))
        self.look()

    def look(self, seconds: float = 0.5) -> None:
        """Let time pass, and take in what comes."""
        self.hub.passes(seconds)
        for _, said in self.peer.inbox:
            if isinstance(said, EventsLagged | EventsUpdate):
                self._seq += 1
                assert said.seq == self._seq
            if isinstance(said, EventsLagged):
                self.lagged += 1
            elif isinstance(said, EventsUpdate):
                self._take(said)
        self.peer.inbox.clear()

    def _take(self, said: EventsUpdate) -> None:
        if isinstance(said, EventsSnapshot):
            self.scope = said.scope.value
            if said.first:
                self.items = {part: {} for part in KEYS}
        for part, key in KEYS.items():
            for item in getattr(said, part):
                if item.gone:
                    self.items[part].pop(getattr(item, key), None)
                    self.finals.append(item)
                else:
                    self.items[part][getattr(item, key)] = item
        self.records += [record.action for record in said.records]
        self.metrics = said.metrics or self.metrics
        if isinstance(said, EventsDelta):
            self.traffic += said.session_traffic

    def only(self, part: str) -> Any:
        (item,) = self.items[part].values()
        return item


@pytest.fixture
def admin(hub: MemoryHub) -> MemoryPeer:
    return hub.logs_in("admin")


def test_an_admin_is_told_of_all_that_comes_changes_and_goes(hub: MemoryHub, admin: MemoryPeer) -> None:
    watcher = Watcher(hub, admin)
    assert (watcher.scope, watcher.items["nodes"]) == ("all", {})
    assert watcher.only("peers").principal == "admin"
    node = hub.registers(labels=FOR_DEVELOPERS)
    dev = hub.logs_in("dev")
    watcher.look()
    assert watcher.only("nodes").state == "online"
    assert {peer.principal for peer in watcher.items["peers"].values()} == {"admin", "box", "dev"}
    node.says(m.NodeCapabilitiesMessage(shells=("bash",), features=("exec",), max_sessions=7))
    channel, session_id = hub.opens(dev, node)
    watcher.look()
    assert watcher.only("nodes").capabilities.max_sessions == 7
    assert (watcher.only("sessions").session_id, watcher.only("sessions").principal) == (session_id, "dev")
    node.sends(channel, b"x" * 1000, DataOpcode.STDOUT)
    watcher.look(2)
    assert watcher.traffic[-1].bytes_out == 1000
    node.says(m.ChannelExit(exit_code=3), channel)
    node.says(m.ChannelClose(), channel)
    node.leaves()
    watcher.look(2)
    assert watcher.items["sessions"] == {}
    assert watcher.only("nodes").state == "offline"
    assert {"session.open", "node.register", "auth.ok"} <= set(watcher.records)
    assert watcher.metrics is not None


def test_others_are_told_of_what_is_theirs_alone(hub: MemoryHub, admin: MemoryPeer) -> None:
    mine, theirs = hub.registers(labels=FOR_DEVELOPERS), hub.registers("n2", labels={"allow-roles": "ops"})
    dev = hub.logs_in("dev")
    watcher = Watcher(hub, dev)
    assert watcher.scope == "own"
    assert set(watcher.items["nodes"]) == {"n1"}
    hub.opens(admin, theirs, 1, node_id="n2")
    hub.opens(admin, mine, 2)
    _, session_id = hub.opens(dev, mine, 3)
    watcher.look()
    assert set(watcher.items["sessions"]) == {session_id}
    assert set(watcher.records) <= {"auth.ok", "events.subscribe", "session.open"}
    assert len([action for action in watcher.records if action == "session.open"]) == 1
    # A node that it may know no more is gone for it, and back when it may again.
    admin.asks(NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"})
    watcher.look()
    assert watcher.items["nodes"] == {}
    admin.asks(NodeLabelsSet, node_id="n1", labels={})
    watcher.look()
    assert set(watcher.items["nodes"]) == {"n1"}


@pytest.mark.parametrize(
    ("who", "id_", "parts", "code"),
    [
        ("admin", "", (), "bad_request"),
        ("admin", "x" * 129, (), "bad_request"),
        ("admin", "s", ("weather",), "bad_request"),
        ("dev", "s", ("metrics",), "not_authorized"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused_and_audited(
    hub: MemoryHub, who: str, id_: str, parts: tuple[str, ...], code: str
) -> None:
    peer = hub.logs_in(who)
    peer.says(EventsSubscribe(subscription_id=id_, parts=parts))
    ended = peer.hears(EventsEnded)
    assert (ended.code, ended.subscription_id) == (code, id_[:128])
    (record,) = hub.audited("events.subscribe")
    assert (record.outcome, record.reason) == ("denied", code)
    hub.passes(2)
    assert peer.heard(EventsUpdate) == []


def test_a_connection_has_so_many_subscriptions_each_with_an_id_of_its_own(hub: MemoryHub, admin: MemoryPeer) -> None:
    for number in (0, 0, 1, 2, 3, 4):
        admin.says(EventsSubscribe(subscription_id=f"s{number}", parts=("nodes",)))
    assert [(said.subscription_id, said.code) for said in admin.heard(EventsEnded)] == [
        ("s0", "duplicate"),
        ("s4", "capacity_exceeded"),
    ]
    admin.says(EventsUnsubscribe(subscription_id="s1"))
    assert admin.heard(EventsEnded)[-1].code == "unsubscribed"
    admin.says(EventsSubscribe(subscription_id="s4", parts=("nodes",)))
    hub.passes(0.5)
    admin.inbox.clear()
    hub.registers()
    hub.passes(0.5)
    assert {said.subscription_id for said in admin.heard(EventsDelta)} == {"s0", "s2", "s3", "s4"}


def test_what_a_subscriber_asks_to_end_comes_no_more(hub: MemoryHub, admin: MemoryPeer) -> None:
    watcher = Watcher(hub, admin)
    admin.says(EventsUnsubscribe(subscription_id="s"))
    assert admin.hears(EventsEnded).code == "unsubscribed"
    hub.registers()
    hub.passes(30)
    assert admin.heard(EventsUpdate) == []
    again = Watcher(hub, admin)
    assert set(again.items["nodes"]) == {"n1"}
    assert watcher.items["nodes"] == {}


def test_one_that_reads_nothing_lags_and_then_gets_the_whole_state(hub: MemoryHub, admin: MemoryPeer) -> None:
    slow = hub.logs_in("admin")
    watcher, quick = Watcher(hub, slow), Watcher(hub, admin, "nodes")
    slow.reads(False)
    hub.registers()
    for number in range(40):
        admin.asks(NodeLabelsSet, node_id=f"n{number % 12}", labels={"x": "y" * 8000})
        hub.passes(0.1)
    quick.look(8)
    assert len(quick.items["nodes"]) == 12
    slow.reads(True)
    watcher.look(1)
    assert watcher.lagged == 1
    assert set(watcher.items["nodes"]) == set(quick.items["nodes"])


def test_locks_and_dropped_peers_are_seen(hub: MemoryHub, admin: MemoryPeer) -> None:
    dev, watcher = hub.logs_in("dev"), Watcher(hub, hub.logs_in("admin"))
    hub.registers()
    (theirs,) = [peer for peer in watcher.items["peers"].values() if peer.principal == "dev"]
    assert admin.asks(PeerDrop, peer_id=theirs.peer_id).ok
    admin.asks(LockAdd, kind="node", name="n1")
    watcher.look(3)
    assert dev.closed_with == 4400
    assert theirs.peer_id not in watcher.items["peers"]
    assert watcher.only("nodes").state != "online"
