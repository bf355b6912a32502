"""Listings that stay short enough to be taken."""

from typing import cast

from omnyshell.ids import MAX_NODE_ID
from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import NodeCapabilitiesMessage, NodeListResponse, NodeRegister
from omnyshell.services.hub.listing import KNOWN_FEATURES, SHORT_SIZE, list_response
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


def test_what_clients_decide_by_is_told_of_shortened_nodes_too() -> None:
    fat = _node("fat", "x" * 5000)
    fat.capabilities = NodeCapabilities(
        shells=("bash",), features=("exec", "shell", INTERACTIVE, "tunnel", "of-its-own"), max_sessions=7
    )
    (told,) = list_response([fat], (), SHORT_SIZE).nodes
    assert told.labels == {}
    assert told.capabilities == NodeCapabilities(features=("exec", INTERACTIVE, "shell", "tunnel"), max_sessions=7)
    everything = NodeDescriptor(
        node_id="n" * MAX_NODE_ID,
        platform=PlatformInfo(os="\x01" * 64, arch="x" * 64),
        capabilities=NodeCapabilities(features=tuple(KNOWN_FEATURES), max_sessions=10**9),
        online=True,
    )
    assert len(encode_control(NodeListResponse(nodes=(everything,)))) <= SHORT_SIZE


def test_what_does_not_fit_shortened_is_counted() -> None:
    told = list_response([_node(f"n{number}", "x" * 2000) for number in range(10)], (), 5 * SHORT_SIZE)
    assert (len(told.nodes), told.shortened, told.left_out) == (5, 5, 5)
