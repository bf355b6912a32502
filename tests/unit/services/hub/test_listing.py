"""Listings that stay short enough to be taken."""

from typing import cast

from omnyshell.model.nodes import NodeCapabilities, PlatformInfo
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import NodeCapabilitiesMessage, NodeRegister
from omnyshell.services.hub.listing import SHORT_SIZE, list_response
from omnyshell.services.hub.peers import Peer
from omnyshell.services.hub.registry import MAX_SELF_DESCRIPTION, RegisteredNode


def _node(name: str, label: str = "", shells: tuple[str, ...] = ()) -> RegisteredNode:
    labels = {"site": "a", "x": label}
    platform = PlatformInfo(os="linux", arch="x64")
    node = RegisteredNode(cast("Peer", None), NodeRegister(node_id=name, platform=platform, labels=labels))
    node.capabilities = NodeCapabilities(shells=shells)
    node.capabilities_size = len(encode_control(NodeCapabilitiesMessage(shells=shells)))
    return node


def test_what_fits_is_told_whole() -> None:
    nodes = [_node("a", "x" * 5000), _node("b")]
    told = list_response(nodes)
    assert told.nodes == tuple(node.describe() for node in nodes)
    assert (told.shortened, told.left_out) == (0, 0)
    assert "shortened" not in encode_control(told).decode()


def test_of_many_fat_nodes_those_are_shortened_and_no_others() -> None:
    fat = [_node(f"fat{number}", "\x01" * 1300, ("\x01" * 1200,)) for number in range(3000)]
    assert fat[0].size <= MAX_SELF_DESCRIPTION
    thin = [_node(f"thin{number}") for number in range(100)]
    told = list_response([*fat, *thin], ["site"])
    assert len(encode_control(told)) < MAX_MESSAGE_FROM_HUB
    assert (told.shortened, told.left_out, len(told.nodes)) == (3000, 0, 3100)
    assert told.nodes[3000:] == tuple(node.describe() for node in thin)
    assert told.nodes[0].labels == {"site": "a"}


def test_what_does_not_fit_shortened_is_counted() -> None:
    told = list_response([_node(f"n{number}", "x" * 2000) for number in range(10)], (), 5 * SHORT_SIZE)
    assert (len(told.nodes), told.shortened, told.left_out) == (5, 5, 5)
