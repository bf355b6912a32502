"""Opens, closes, detaches, kills and drops in any order; `soak.interleavings` runs many more."""

from typing import Any, cast

import pytest
from support.fake_peers import FakePeer
from support.interleavings import run_seed
from support.two_plain_hubs import TwoHubs

from omnyshell import NodeRegister, PlatformInfo, SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.forwards import ForwardDial


@pytest.mark.parametrize("first", range(0, 40, 10))
async def test_whatever_happens_in_whatever_order_the_hub_keeps_its_books(first: int) -> None:
    for seed in range(first, first + 10):
        run_seed(seed)


async def test_two_hubs_with_a_link_keep_their_books_whatever_happens_in_whatever_order() -> None:
    for seed in range(12):
        run_seed(seed, 400, TwoHubs)


async def test_the_hub_that_has_the_node_takes_back_what_the_other_one_knows_to_be_used() -> None:
    two = TwoHubs(0)
    client, node = FakePeer("bob-1", "admin"), FakePeer("box-1", "node")
    two.clients.append(client)
    two.nodes.append(node)
    two.from_node(node, NodeRegister(node_id="n1", platform=PlatformInfo(os="linux", arch="x64")))
    two.places.read()
    ask: dict[str, Any] = {"node_id": "n1", "mode": SessionMode.FORWARD}
    two.from_client(client, m.SessionOpen(**ask), 1)
    two.settle()
    (permission,) = node.asked
    two.from_node(node, m.NodeSessionOpened(session_id=permission), node.asked[permission])
    two.settle()
    two.from_client(client, m.SessionOpen(**ask, target="localhost:80", forward=permission, ahead=True), 2)
    two.settle()
    two.from_client(client, cast("Any", ForwardDial()), 2)
    (route,) = two.b.router.ahead_of("bob")
    assert not two.router.ahead_of("bob")
    two.b.broker.end(route, "error", "Its place was needed")
    two.settle()
    assert [(channel, said.unused) for channel, said in client.refused] == [(2, True)]
    assert not node.used
