"""Lists of very many nodes: each is made in steps of a bounded size, for one connection after another."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.fake_peers import FakePeer
from support.still_loop import StillLoop

from omnyshell.model.nodes import PlatformInfo
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.messages import NodeListResponse, NodeRegister
from omnyshell.services.hub.nodes.listing import EACH, STEP, Steps, steps_of_list
from omnyshell.services.hub.nodes.listings import MOST_WAITING, Listings
from omnyshell.services.hub.nodes.registry import MAX_SELF_DESCRIPTION, RegisteredNode

MANY = 3000


class Asker(FakePeer):
    """A client, and how long was worked for it."""

    def __init__(self, name: str = "ann") -> None:
        super().__init__(name, "admin")
        self.work: list[float] = []

    def worked(self, seconds: float) -> None:
        self.work.append(seconds)

    @property
    def heard(self) -> list[NodeListResponse]:
        told = (FrameCodec().decode_control(encode_control(message)).message for _, message in self.inbox)
        return [message for message in told if isinstance(message, NodeListResponse)]


class Nodes:
    """A directory that counts what a step touches."""

    def __init__(self, count: int, label: str = "") -> None:
        self.by_id = {f"n{number}": _node(f"n{number}", label) for number in range(count)}
        self.touched: list[int] = []
        """Bytes of each node that was looked up or described since the step began."""

    def find(self, node_id: str) -> RegisteredNode:
        node = self.by_id[node_id]
        self.touched.append(node.size)
        return node

    def steps(self) -> Steps:
        return steps_of_list(self.by_id, self.find, lambda _: True, hub_of=self._hub_of)

    def _hub_of(self, node_id: str) -> str:
        self.touched.append(self.by_id[node_id].size)
        return "a"


def _node(node_id: str, label: str) -> RegisteredNode:
    said = NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64"), labels={"x": label})
    return RegisteredNode(cast("Any", None), said)


@pytest.mark.parametrize("label", ["", "x" * (MAX_SELF_DESCRIPTION - 500)], ids=["small", "large"])
def test_no_step_deals_with_more_than_a_bound(label: str) -> None:
    nodes = Nodes(MANY // 10 if label else MANY, label)
    steps, longest, count = nodes.steps(), 0, 0
    for _ in steps:
        count += 1
        # The node that spent the rest is dealt with to its end.
        longest = max(longest, sum(EACH + size for size in nodes.touched[:-1]))
        nodes.touched.clear()
    assert longest < STEP
    assert count > 20


@pytest.fixture
def loop() -> Iterator[StillLoop]:
    made = StillLoop()
    yield made
    made.close()


def test_a_list_of_many_nodes_comes_whole_and_sorted_and_others_get_turns_meanwhile(loop: StillLoop) -> None:
    listings, peer, nodes, turns = Listings(FakeClock()), Asker(), Nodes(MANY), []

    def meanwhile() -> None:
        turns.append(len(peer.inbox))
        if not peer.inbox:
            asyncio.get_running_loop().call_soon(meanwhile)

    loop.do(lambda: (listings.ask(peer, nodes.steps), meanwhile()))
    (told,) = peer.heard
    assert [node.node_id for node in told.nodes] == sorted(nodes.by_id)
    assert {node.hub for node in told.nodes} == {"a"}
    assert (told.left_out, told.shortened) == (0, 0)
    assert len(turns) == len(peer.work) + 1 > 50


def test_a_list_of_few_nodes_is_answered_within_the_call(loop: StillLoop) -> None:
    listings, peer = Listings(FakeClock()), Asker()
    # No loop runs: nothing can come later.
    for _ in range(3):
        listings.ask(peer, Nodes(10).steps)
    assert [len(told.nodes) for told in peer.heard] == [10] * 3
    assert not peer.work


def test_connections_take_turns_and_each_hears_its_lists_in_order(loop: StillLoop) -> None:
    listings, ann, bob, answered = Listings(FakeClock()), Asker("ann"), Asker("bob"), []

    def ask() -> None:
        for peer, count in ((ann, 1000), (ann, 2000), (ann, 10), (bob, 1500)):
            peer.send = lambda told, channel=None, peer=peer: (  # type: ignore[method-assign]
                answered.append((peer.name, len(told.nodes))),
                FakePeer.send(peer, told, channel),
            )
            listings.ask(peer, Nodes(count).steps)

    loop.do(ask)
    assert answered == [("ann", 1000), ("bob", 1500), ("ann", 2000), ("ann", 10)]


def test_who_leaves_costs_no_more_and_nobody_else_waits_for_it(loop: StillLoop) -> None:
    listings, gone, bob = Listings(FakeClock()), Asker("gone"), Asker("bob")
    wanted = Nodes(MANY)

    def ask() -> None:
        listings.ask(gone, wanted.steps)
        listings.ask(gone, wanted.steps)
        listings.ask(bob, Nodes(10).steps)
        listings.left(gone)
        listings.left(gone)
        wanted.touched.clear()

    loop.do(ask)
    assert (gone.heard, len(bob.heard), wanted.touched) == ([], 1, [])
    # And asked for anew, by one alone, when nobody waits.
    loop.do(lambda: listings.ask(bob, wanted.steps))
    assert len(bob.heard) == 2


def test_a_list_that_cannot_be_made_stops_no_other(loop: StillLoop) -> None:
    listings, peer = Listings(FakeClock()), Asker()

    def broken() -> Steps:
        yield
        raise ValueError("a node cannot be described")

    problems: list[object] = []
    loop.set_exception_handler(lambda _loop, context: problems.append(context.get("exception")))
    loop.do(lambda: (listings.ask(peer, broken), listings.ask(peer, Nodes(10).steps)))
    assert (len(problems), len(peer.heard)) == (1, 1)


def test_one_that_waits_for_too_many_lists_fails(loop: StillLoop) -> None:
    listings, peer, nodes = Listings(FakeClock()), Asker(), Nodes(1000)

    def ask() -> None:
        for _ in range(MOST_WAITING + 1):
            listings.ask(peer, nodes.steps)
        assert peer.is_open
        listings.ask(peer, nodes.steps)
        assert not peer.is_open
        listings.left(peer)

    loop.do(ask)
    assert not peer.heard
