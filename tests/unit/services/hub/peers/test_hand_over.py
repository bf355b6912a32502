"""Peers are told of other hubs, and handed over to those, nodes first and spread over time."""

from typing import Any, cast

from support.fake_peers import FakePeer

from omnyshell.model.hubs import OtherHub
from omnyshell.protocol.extensions import HUBS
from omnyshell.protocol.messages.hubs import HubsChanged, HubsMove
from omnyshell.services.hub.peers.hand_over import MOST_TOLD, SLOWEST, HandOver, Remaining

B, C = OtherHub(url="wss://b:1"), OtherHub(url="wss://c:1")


class Knowing(FakePeer):
    """One that knows of other hubs."""

    @property
    def features(self) -> frozenset[str]:
        return frozenset({HUBS})

    def send(self, message: Any, channel: int | None = None) -> None:
        self.inbox.append((channel, message))


class World:
    def __init__(self, *peers: FakePeer) -> None:
        self.peers, self.others, self.is_any_there = list(peers), (B,), True
        self.announced: list[bool] = []
        self.hand_over = HandOver(
            cast("Any", self), lambda: self.others, lambda: self.is_any_there, self.announced.append
        )

    def authenticated(self) -> list[FakePeer]:
        return list(self.peers)

    def moved(self) -> list[str]:
        return [peer.name for peer in self.peers if any(isinstance(said, HubsMove) for _, said in peer.inbox)]

    def leave(self, *names: str) -> None:
        self.peers = [peer for peer in self.peers if peer.name not in names]


def test_peers_are_told_once_of_each_change_a_part_of_them_at_a_time() -> None:
    world = World(*(Knowing(f"n{number}", "node") for number in range(MOST_TOLD + 1)), FakePeer("old", "node"))
    told = lambda: sum(len(peer.inbox) for peer in world.peers)  # noqa: E731
    world.hand_over.tick(0)
    assert told() == MOST_TOLD
    for now in (1, 2):
        world.hand_over.tick(now)
        assert told() == MOST_TOLD + 1
    world.others = (B, C)
    world.hand_over.tick(3)
    (_, first), (_, second) = world.peers[0].inbox
    assert (cast("HubsChanged", first).hubs, cast("HubsChanged", second).hubs) == ((B,), (B, C))
    assert world.peers[-1].inbox == []


def test_who_came_while_others_were_away_shortly_is_told_of_them_though_no_tick_has_seen_that() -> None:
    before, late = Knowing("before", "node"), Knowing("late", "node")
    world = World(before)
    world.hand_over.tick(0)
    world.others = ()
    assert world.hand_over.welcome() == ()
    world.peers.append(late)
    world.others = (B,)
    world.hand_over.tick(1)
    assert [[cast("HubsChanged", said).hubs for _, said in peer.inbox] for peer in (before, late)] == [
        [(B,)] * 2,
        [(B,)],
    ]


def test_nodes_go_first_over_the_time_that_was_said_and_old_peers_stay() -> None:
    clients = [Knowing(f"c{number}", "client") for number in range(20)]
    world = World(FakePeer("old", "client"), *clients, *(Knowing(f"n{number}", "node") for number in range(20)))
    world.hand_over.begin(2.0, 10.0)
    assert world.announced == [True]
    assert world.hand_over.is_under_way
    seen = []
    for step in range(1, 5):
        world.hand_over.tick(10.0 + step / 2)
        seen.append(len(world.moved()))
    assert seen == [10, 20, 30, 40]
    assert world.hand_over.remaining() == Remaining(nodes=20, clients=21)
    world.leave(*(f"n{number}" for number in range(20)), *(f"c{number}" for number in range(20)))
    assert world.hand_over.is_over()
    assert world.hand_over.remaining() == Remaining(0, 1)


def test_no_node_is_behind_a_client_and_who_comes_meanwhile_is_handed_over_too() -> None:
    world = World(*(Knowing(f"c{number}", "client") for number in range(5)), Knowing("n0", "node"))
    world.hand_over.begin(1e9, 0.0)
    world.hand_over.tick(1 / SLOWEST)
    assert world.moved() == ["n0"]
    world.peers.append(Knowing("n1", "node"))
    world.hand_over.tick(2 / SLOWEST)
    assert sorted(world.moved()) == ["n0", "n1"]
    world.hand_over.tick(100)
    assert len(world.moved()) == 7


def test_a_hub_that_takes_peers_again_hands_over_nobody_more() -> None:
    world = World(Knowing("n0", "node"), Knowing("n1", "node"))
    world.hand_over.begin(0.0, 0.0)
    world.hand_over.end()
    world.hand_over.end()
    world.hand_over.tick(5)
    assert (world.moved(), world.announced) == ([], [True, False])
    world.hand_over.begin(0.0, 10.0)
    world.hand_over.tick(11)
    assert world.moved() == ["n0", "n1"]


async def test_before_a_stop_peers_are_waited_for_where_another_hub_is_there() -> None:
    world = World(Knowing("n0", "node"))
    world.is_any_there = False
    await world.hand_over.hand_all_over(0)
    assert not world.hand_over.is_under_way
    world.is_any_there = True
    world.leave("n0")
    world.hand_over.begin(1.0, 0)
    world.hand_over.tick(1)
    await world.hand_over.hand_all_over(1)
