"""When nodes are asked how their machines are, and who is told."""

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.model.live import Part
from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import OF_HUB, OF_NODE, VITALS
from omnyshell.protocol.messages.events import EventsSubscribe, EventsUnsubscribe, EventsUpdate
from omnyshell.protocol.messages.vitals import NodeVitalsRequest, NodeVitalsResponse, VitalsLook
from omnyshell.services.hub.live.view import LiveView
from omnyshell.services.hub.live.viewer import Viewer
from omnyshell.services.hub.live.vitals_polls import VitalsPolls

FOR_DEVELOPERS = {"allow-roles": "developer"}


class Looker:
    """A subscriber to nodes that knows their vitals as it was told."""

    def __init__(self, peer: MemoryPeer, name: str = "s") -> None:
        self.peer, self._name = peer, name
        self.vitals: dict[str, MachineVitals | None] = {}
        peer.says(EventsSubscribe(subscription_id=name, parts=("nodes",)))

    def looks(self, looks: bool = True) -> None:
        self.peer.says(VitalsLook(subscription_id=self._name, looks=looks))

    def hears(self) -> dict[str, MachineVitals | None]:
        for said in self.peer.heard(EventsUpdate):
            self.vitals |= {node.node_id: node.vitals for node in said.nodes if not node.gone}
            self.vitals |= {told.node_id: told.vitals for told in getattr(said, "node_vitals", ())}
        self.peer.inbox.clear()
        return self.vitals


def asked(node: MemoryPeer) -> list[str]:
    """Return the hub's questions to a node, and forget them."""
    found = [said.request_id for said in node.heard(NodeVitalsRequest)]
    node.inbox.clear()
    return found


def answers(node: MemoryPeer, **vitals: Any) -> None:
    (id_,) = asked(node)
    node.says(NodeVitalsResponse(request_id=id_, vitals=MachineVitals(**vitals)))


@pytest.fixture
def node(hub: MemoryHub) -> MemoryPeer:
    return hub.registers(labels=FOR_DEVELOPERS)


def test_a_node_is_asked_while_somebody_looks_and_not_before_nor_after(hub: MemoryHub, node: MemoryPeer) -> None:
    looker = Looker(hub.logs_in("admin"))
    hub.passes(30)
    assert asked(node) == []
    looker.looks()
    hub.passes(2)
    answers(node, load1=52)
    hub.passes(1)
    assert looker.hears() == {"n1": MachineVitals(load1=52)}
    hub.passes(11)
    answers(node, load1=7)
    looker.looks(False)
    hub.passes(30)
    assert asked(node) == []
    # Where the node's item is told anew, as its latency is measured, it is without any.
    assert looker.hears()["n1"] in (None, MachineVitals(load1=52))


@pytest.mark.parametrize("end", ["unsubscribe", "leave", "vanish"])
def test_interest_ends_with_the_subscription(hub: MemoryHub, node: MemoryPeer, end: str) -> None:
    peer = hub.logs_in("admin")
    Looker(peer).looks()
    hub.passes(2)
    assert len(asked(node)) == 1
    endings = {
        "unsubscribe": lambda: peer.says(EventsUnsubscribe(subscription_id="s")),
        "leave": peer.leaves,
        "vanish": peer.vanishes,
    }
    endings[end]()
    hub.passes(60)
    assert asked(node) == []


def test_a_node_says_it_once_in_ten_seconds_however_many_look(hub: MemoryHub, node: MemoryPeer) -> None:
    lookers = [Looker(hub.logs_in("admin"), f"s{number}") for number in range(3)]
    count = 0
    for _ in range(6):
        for looker in lookers:
            looker.looks(False)
            looker.looks()
        hub.passes(5)
        for id_ in asked(node):
            count += 1
            node.says(NodeVitalsResponse(request_id=id_, vitals=MachineVitals(load1=1)))
    assert count == 3
    hub.passes(1)
    assert [looker.hears() for looker in lookers] == [{"n1": MachineVitals(load1=1)}] * 3


class Fleet:
    """Nodes that answer at once, or never."""

    def __init__(self, count: int) -> None:
        self.clock = FakeClock()
        self.asked: list[str] = []
        self.answers = True
        peers = [SimpleNamespace(id=f"n{number}", features=OF_NODE, is_open=True) for number in range(count)]
        nodes = {peer.id: SimpleNamespace(node_id=peer.id, peer=peer) for peer in peers}
        faces = {"connected": staticmethod(nodes.values), "find": staticmethod(nodes.get)}
        registry = type("Registry", (), {**faces, "__len__": lambda _: count})()
        self.polls = VitalsPolls(cast("Any", registry), cast("Any", self), self.clock, lambda _: None)

    def ask(self, peer: Any, question: Any, _answered_by: Any, take: Any, _fail: Any) -> None:
        self.asked.append(peer.id)
        assert isinstance(question("q"), NodeVitalsRequest)
        if self.answers:
            take(NodeVitalsResponse(request_id="q", vitals=MachineVitals()))

    def pass_seconds(self, count: int) -> list[int]:
        """Return how many nodes are asked in each second."""
        found = []
        for _ in range(count):
            before = len(self.asked)
            self.polls.ask([Viewer("admin", is_admin=True)])
            found.append(len(self.asked) - before)
            self.clock.seconds += 1
        return found


@pytest.mark.parametrize(("count", "a_second"), [(500, 50), (5_000, 500)])
def test_many_nodes_are_asked_in_turns_each_once_in_ten_seconds(count: int, a_second: int) -> None:
    fleet = Fleet(count)
    assert fleet.pass_seconds(20) == [a_second] * 20
    assert set(Counter(fleet.asked).values()) == {2}


def test_few_nodes_are_asked_at_once() -> None:
    assert Fleet(40).pass_seconds(12) == [40, *[0] * 9, 40, 0]


def test_nodes_that_do_not_answer_cost_a_bounded_amount() -> None:
    fleet = Fleet(5_000)
    fleet.answers = False
    assert fleet.pass_seconds(30) == [500, 500, *[0] * 28]


def test_who_may_not_know_a_node_has_it_asked_nothing(hub: MemoryHub, node: MemoryPeer) -> None:
    other = hub.registers("n2", labels={"allow-roles": "ops"})
    looker = Looker(hub.logs_in("dev"))
    looker.looks()
    hub.passes(2)
    answers(node, load1=1)
    hub.passes(1)
    assert asked(other) == []
    assert looker.hears() == {"n1": MachineVitals(load1=1)}
    Looker(hub.logs_in("admin")).looks()
    hub.passes(11)
    answers(other, load1=2)
    hub.passes(1)
    assert looker.hears() == {"n1": MachineVitals(load1=1)}


def test_who_does_not_look_is_told_of_no_vitals(hub: MemoryHub, node: MemoryPeer) -> None:
    bystander = Looker(hub.logs_in("admin"), "b")
    Looker(hub.logs_in("admin")).looks()
    hub.passes(2)
    answers(node, load1=1)
    node.says(m.NodeCapabilitiesMessage(max_sessions=7))
    hub.passes(1)
    assert bystander.hears() == {"n1": None}
    bystander.looks()
    hub.passes(1)
    assert bystander.hears() == {"n1": MachineVitals(load1=1)}


def test_a_node_that_changes_otherwise_keeps_its_vitals_and_one_that_leaves_does_not(
    hub: MemoryHub, node: MemoryPeer
) -> None:
    looker = Looker(hub.logs_in("admin"))
    looker.looks()
    hub.passes(2)
    answers(node, load1=1)
    node.says(m.NodeCapabilitiesMessage(max_sessions=7))
    hub.passes(1)
    assert looker.hears() == {"n1": MachineVitals(load1=1)}
    node.leaves()
    hub.passes(1)
    assert looker.hears() == {"n1": None}
    again = hub.registers(labels=FOR_DEVELOPERS)
    hub.passes(2)
    answers(again, load1=2)
    hub.passes(1)
    assert looker.hears() == {"n1": MachineVitals(load1=2)}


def test_what_a_node_said_long_ago_does_not_count(hub: MemoryHub, node: MemoryPeer) -> None:
    looker = Looker(hub.logs_in("admin"))
    looker.looks()
    hub.passes(2)
    answers(node, load1=1)
    hub.passes(70)
    assert looker.hears()["n1"] in (None, MachineVitals())
    assert len(asked(node)) <= 7


def test_an_answer_to_an_earlier_connection_of_the_node_does_not_count(hub: MemoryHub, node: MemoryPeer) -> None:
    looker = Looker(hub.logs_in("admin"))
    looker.looks()
    hub.passes(2)
    (id_,) = asked(node)
    again = hub.registers(labels=FOR_DEVELOPERS)
    again.says(NodeVitalsResponse(request_id=id_, vitals=MachineVitals(load1=99)))
    hub.passes(11)
    answers(again, load1=2)
    hub.passes(1)
    assert looker.hears() == {"n1": MachineVitals(load1=2)}


def test_it_takes_both_sides(hub: MemoryHub) -> None:
    old = hub.logs_in("box", "node", features=OF_HUB - {VITALS})
    old.says(m.NodeRegister(node_id="n1", platform=hub.platform))
    peer = hub.logs_in("admin", features=OF_HUB - {VITALS})
    Looker(peer).looks()
    Looker(hub.logs_in("admin")).looks()
    new = hub.registers("n2")
    hub.passes(2)
    assert asked(old) == []
    answers(new, load1=1)
    hub.passes(1)
    assert not any(getattr(said, "node_vitals", ()) for said in peer.heard(EventsUpdate))


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"load1":-1}',
        b'{"cpus":"4"}',
        b'{"memoryTotal":9223372036854775808}',
        b'{"kernel":"\\u001b]0;x\\u0007"}',
        b'{"os":"' + b"x" * 129 + b'"}',
        b"[]",
    ],
)
def test_a_hostile_answer_is_none(hub: MemoryHub, node: MemoryPeer, hostile: bytes) -> None:
    looker = Looker(hub.logs_in("admin"))
    looker.looks()
    hub.passes(2)
    (id_,) = asked(node)
    node.says_raw(b'{"t":"node.vitals.response","d":{"requestId":"%s","vitals":%s}}' % (id_.encode(), hostile))
    hub.passes(1)
    assert looker.hears() == {"n1": None}


def test_whoever_looks_again_and_again_costs_no_more_than_once(hub: MemoryHub, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {f"n{number}": hub.registers(f"n{number}", labels=FOR_DEVELOPERS) for number in range(1, 6)}
    looker = Looker(hub.logs_in("dev"))
    looker.looks()
    hub.passes(2)
    for node in nodes.values():
        answers(node, load1=5)
    hub.passes(1)
    looker.hears()
    told, traffic = [], LiveView.traffic

    def noted(view: LiveView, part: Part, key: str, viewer: Viewer) -> Any:
        told.append(key)
        return traffic(view, part, key, viewer)

    monkeypatch.setattr(LiveView, "traffic", noted)
    for _ in range(100):
        looker.looks(False)
        looker.looks()
    assert told == []
    hub.passes(0.2)
    assert sorted(told) == sorted(nodes)
    assert looker.hears() == dict.fromkeys(nodes, MachineVitals(load1=5))
