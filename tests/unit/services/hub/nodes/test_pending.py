"""A registration whose answer comes later: what follows on its connection waits, whatever comes first."""

from itertools import permutations
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from support.clock import FakeClock
from support.fake_peers import FakePeer
from support.in_one_test import in_one_test
from support.truth_logs import SlowLog

from omnyshell import PlatformInfo
from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.protocol.messages import NodeCapabilitiesMessage, NodeHeartbeat, NodeRegister
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.node_service import NodeService
from omnyshell.services.hub.nodes.departed import DepartedNodes
from omnyshell.services.hub.nodes.heartbeat import HeartbeatMonitor
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.nodes.pending import ANSWER_TIMEOUT, MAX_HELD
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.nodes.takeovers import Takeovers
from omnyshell.services.hub.revocation.lock_keeper import LockKeeper

HOUR = 3_600.0


class Node(FakePeer):
    """A node, and how its connection ended."""

    end = ""

    def said(self) -> list[str]:
        return [message.TYPE for _, message in self.inbox]

    def fail(self, code: str, text: str, *, retry_after: int | None = None) -> None:
        self._end(text)

    def close(self, code: int, reason: str) -> None:
        self._end(reason)

    def send_away(self, code: int, reason: str) -> None:
        self._end(reason)

    def _end(self, why: str) -> None:
        if self._open:
            self._open, self.end = False, why


class World:
    """The hub toward nodes, with a log that answers when it is told to."""

    def __init__(self, most: int = 10) -> None:
        self.clock, file = FakeClock(), StateFile(None)
        self.log = SlowLog(file)
        self.owners = NodeOwners(file, self.log)
        bus, metrics, audit = LocalEventBus(), HubMetrics(), AuditLog(self.clock)
        self.registry = NodeRegistry(
            self.owners, {}, bus, lambda _, held: "too many node ids" if held >= most else ""
        )  # fmt: skip
        self.locks = Locks(self.clock)
        self.service = NodeService(
            registry=self.registry,
            heartbeats=HeartbeatMonitor(HOUR),
            broker=MagicMock(),
            requests=MagicMock(),
            tunnels=MagicMock(),
            questions=MagicMock(),
            kept_judge=MagicMock(),
            lock_keeper=LockKeeper(
                locks=self.locks, log=self.log, nodes=self.registry, is_ending=lambda _: False, audit=audit
            ),
            departed=DepartedNodes(self.clock),
            takeovers=Takeovers(self.clock),
            audit=audit,
            metrics=metrics,
            clock=self.clock,
        )

    def register(self, peer: Node, node_id: str = "n1", **more: Any) -> None:
        message = NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64"), **more)
        self.service.register(cast("Any", peer), message, 0)

    def beat(self, peer: Node, seq: int = 1) -> None:
        self.service.heartbeat(cast("Any", peer), NodeHeartbeat(node_id="n1", seq=seq, ts=self.clock.now()), 0)

    def tell_capabilities(self, peer: Node) -> None:
        said = NodeCapabilitiesMessage()
        self.service.capabilities(cast("Any", peer), said, 0)

    def leave(self, peer: Node) -> None:
        peer.vanish()
        self.service.left(cast("Any", peer))

    def answer(self) -> None:
        self.log.answer()

    def refuse(self) -> None:
        self.log.asked.pop(0)[1].fail(ConfigException("the disk is full"))

    def holder(self, node_id: str = "n1") -> Any:
        node = self.registry.find(node_id)
        return node.peer if node is not None else None

    def tick(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.service.drop_silent(self.clock.monotonic())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def box() -> Node:
    return Node("box-1", "node")


def test_what_follows_waits_for_the_answer_and_comes_in_its_order(world: World, box: Node) -> None:
    world.register(box)
    world.tell_capabilities(box)
    world.beat(box, 1)
    world.register(box, labels={"env": "prod"})
    world.beat(box, 2)
    assert (box.inbox, world.holder()) == ([], None)
    world.answer()
    assert box.said() == ["node.registered", "node.heartbeat.ack", "node.registered", "node.heartbeat.ack"]
    node = world.registry.find("n1")
    assert node is not None
    assert node.labels == {"env": "prod"}
    assert world.log.asked == []


def test_an_answer_that_is_there_already_lets_nothing_come_between(world: World, box: Node) -> None:
    world.register(box)
    world.answer()
    world.leave(box)
    again = Node("box-2", "node")
    world.register(again)
    assert again.said() == ["node.registered"]
    assert world.log.asked == []


def test_who_is_refused_hears_why_and_nothing_that_followed_is_done(world: World, box: Node) -> None:
    world.register(box)
    eve = Node("eve-1", "node")
    world.register(eve)
    world.beat(eve)
    world.register(eve, "n2")
    world.answer()
    world.answer()
    assert (eve.inbox, eve.end) == ([], "This node id belongs to another principal")
    # What it asked for next was not asked.
    assert world.log.asked == []
    assert world.holder() is box


def test_where_the_answer_cannot_be_kept_no_id_is_given_away(world: World, box: Node) -> None:
    world.register(box)
    world.refuse()
    assert (box.end, dict(world.owners.owners()), world.holder()) == ("The hub cannot keep its records", {}, None)


def test_a_connection_that_ends_first_leaves_nothing_but_the_id(world: World, box: Node) -> None:
    world.register(box)
    world.beat(box)
    world.leave(box)
    again = Node("box-2", "node")
    # The same question is not put twice.
    world.register(again)
    assert len(world.log.asked) == 1
    world.answer()
    assert (box.inbox, world.holder(), again.said()) == ([], again, ["node.registered"])


@in_one_test("order", list(permutations(["answer", "leave", "take", "late"])))
def test_a_takeover_while_the_answer_is_awaited_leaves_the_last_one_that_is_there(order: tuple[str, ...]) -> None:
    """Whoever asked last and is there has the id; each that goes first, or late, takes nothing along."""
    world, first, second = World(), Node("box-1", "node"), Node("box-2", "node")
    world.register(first, instance="a")
    for step in order:
        if step == "answer":
            world.answer()
        elif step == "leave":
            world.leave(first)
        elif step == "take":
            world.register(second, instance="a")
        else:
            # The end of the older connection is told twice, as a half-open one's may be.
            world.leave(first)
    assert world.holder() is second
    assert second.said() == ["node.registered"]
    assert not first.is_open


def test_a_process_that_may_not_take_the_id_is_held_off_when_the_answer_comes(world: World, box: Node) -> None:
    world.register(box, instance="a")
    strangers = [Node(f"box-{number}", "node") for number in (2, 3)]
    for number, stranger in enumerate(strangers):
        world.register(stranger, instance=f"b{number}")
    world.answer()
    # One takes it from a live process, once; then it is contested.
    assert [peer.is_open for peer in (box, *strangers)] == [False, True, False]
    assert world.holder() is strangers[0]


def test_who_waits_too_long_is_sent_away_and_a_late_answer_changes_nothing(world: World, box: Node) -> None:
    world.register(box)
    world.beat(box)
    world.tick(ANSWER_TIMEOUT - 0.1)
    assert box.is_open
    world.tick(0.1)
    assert "not answered in time" in box.end
    world.answer()
    assert (box.inbox, world.holder()) == ([], None)
    # The id is its own all the same.
    again = Node("box-2", "node")
    world.register(again)
    assert world.holder() is again


class Choked(Node):
    """A node that takes nothing more: its connection is there until what waits has gone."""

    @property
    def is_open(self) -> bool:
        return True


def test_who_was_sent_away_and_has_not_gone_yet_is_not_entered(world: World) -> None:
    box = Choked("box-1", "node")
    world.register(box)
    world.tick(ANSWER_TIMEOUT)
    world.answer()
    assert (box.inbox, world.holder()) == ([], None)


def test_nothing_is_asked_for_who_was_refused_and_has_not_gone_yet(world: World, box: Node) -> None:
    world.register(box)
    eve = Choked("eve-1", "node")
    world.register(eve)
    world.register(eve, "n2")
    world.answer()
    world.answer()
    assert (eve.end, world.log.asked) == ("This node id belongs to another principal", [])


def test_what_waits_is_bounded(world: World, box: Node) -> None:
    world.register(box)
    for seq in range(MAX_HELD):
        world.beat(box, seq)
    assert box.is_open
    world.beat(box, MAX_HELD)
    assert "Too much" in box.end
    world.answer()
    assert (box.inbox, world.holder()) == ([], None)


def test_a_node_that_is_locked_meanwhile_is_turned_away(world: World, box: Node) -> None:
    world.register(box)
    world.locks._held[LockKind.NODE, "n1"] = LockInfo(
        id="l", kind=LockKind.NODE, name="n1", created_at=world.clock.now()
    )  # fmt: skip
    world.answer()
    assert (box.end, world.holder()) == ("the node is locked", None)


def test_ids_that_are_asked_for_count_as_had() -> None:
    world = World(most=3)
    peers = [Node(f"box-{number}", "node") for number in range(5)]
    for number, peer in enumerate(peers):
        world.register(peer, f"n{number}")
    assert [peer.end for peer in peers[3:]] == ["too many node ids"] * 2
    while world.log.asked:
        world.answer()
    assert world.owners.count_of("box") == 3
    assert [peer.said() for peer in peers[:3]] == [["node.registered"]] * 3


def test_a_connection_that_ends_while_its_answer_is_dealt_with_is_left_alone(world: World, box: Node) -> None:
    world.register(box)
    world.beat(box)
    box.vanish()
    world.answer()
    assert (box.inbox, world.holder()) == ([], None)
