"""Listings that stay short enough to be taken."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast, get_args, get_origin

import pytest
from support.declarations import every_message, fields_of
from support.in_one_test import in_one_test
from support.listings import made_at_once
from support.message_samples import sample

from omnyshell.ids import MAX_NODE_ID
from omnyshell.model.admin import AuditEntry, LockInfo, LockKind
from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.model.schema import WireObject, camel_case
from omnyshell.protocol.codec import FrameCodec, encode_control
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import ControlMessage, NodeCapabilitiesMessage, NodeListResponse, NodeRegister
from omnyshell.protocol.messages.admin import AccessResponse, AuditPageResponse, AuditResponse, LocksResponse
from omnyshell.protocol.messages.base import Way
from omnyshell.services.hub.nodes import listing
from omnyshell.services.hub.nodes.listing import KNOWN_FEATURES, LARGEST, SHORT_SIZE, steps_of_list
from omnyshell.services.hub.nodes.registry import MAX_SELF_DESCRIPTION, RegisteredNode
from omnyshell.services.hub.peers.bounded_lists import encode_bounded
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.peer import Peer

AT = datetime(2026, 1, 2, tzinfo=UTC)


def _node(name: str, label: str = "", shells: tuple[str, ...] = ()) -> RegisteredNode:
    labels = {"site": "a", "x": label}
    platform = PlatformInfo(os="linux", arch="x64")
    node = RegisteredNode(cast("Peer", None), NodeRegister(node_id=name, platform=platform, labels=labels))
    node.capabilities = NodeCapabilities(shells=shells)
    node.capabilities_size = len(encode_control(NodeCapabilitiesMessage(shells=shells)))
    return node


def list_response(
    nodes: Sequence[RegisteredNode], asked: Collection[str] = (), largest: int = LARGEST
) -> NodeListResponse:
    """The answer as a client reads it."""
    by_id = {node.node_id: node for node in nodes}
    told = made_at_once(steps_of_list(by_id, by_id.get, lambda _: True, asked=asked, largest=largest))
    message = FrameCodec().decode_control(encode_control(told)).message
    assert isinstance(message, NodeListResponse)
    return message


def read_back(node: NodeDescriptor) -> NodeDescriptor:
    return NodeDescriptor.from_wire(node.to_wire())


def test_what_fits_is_told_whole() -> None:
    nodes = [_node("a", "x" * 5000), _node("b")]
    told = list_response(nodes)
    assert told.nodes == tuple(read_back(node.describe()) for node in nodes)
    assert (told.shortened, told.left_out) == (0, 0)
    assert "shortened" not in encode_control(told).decode()


def test_of_many_fat_nodes_those_are_shortened_and_no_others() -> None:
    fat = [_node(f"fat{number}", "\x01" * 1300, ("\x01" * 1200,)) for number in range(3000)]
    assert fat[0].size <= MAX_SELF_DESCRIPTION
    thin = [_node(f"thin{number}") for number in range(100)]
    told = list_response([*fat, *thin], ["site"])
    assert len(encode_control(told)) < MAX_MESSAGE_FROM_HUB
    assert (told.shortened, told.left_out, len(told.nodes)) == (3000, 0, 3100)
    in_order = sorted(thin, key=lambda node: node.node_id)
    assert told.nodes[3000:] == tuple(read_back(node.describe()) for node in in_order)
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


def lists() -> list[type[ControlMessage]]:
    """The answers of a hub that list objects of a declaration; rights on a node, and pages, are bounded themselves."""
    return [
        declared
        for declared in every_message()
        if declared.WAY is Way.HUB_TO_CLIENT
        and declared.TYPE.endswith(".response")
        and list_in(declared)
        and declared not in (AccessResponse, AuditPageResponse)
    ]


def list_in(declared: type[ControlMessage]) -> str:
    """The field that is a list of objects, if any."""
    for one in fields_of(declared):
        item = get_args(one.kind)[:1]
        if get_origin(one.kind) is tuple and isinstance(item[0], type) and issubclass(item[0], WireObject):
            return one.field.name
    return ""


def test_every_list_that_a_hub_answers_may_be_cut() -> None:
    assert len(lists()) == 13
    assert {declared.TYPE: declared.LISTS for declared in every_message() if declared.LISTS} == {
        declared.TYPE: list_in(declared) for declared in lists()
    }


@in_one_test("declared", lists(), ids=lambda declared: declared.TYPE)
def test_a_list_that_is_too_long_is_cut_and_says_by_how_much(declared: type[ControlMessage]) -> None:
    data = sample(declared, every_field=True)
    name = camel_case(declared.LISTS)
    (kind,) = (one.kind for one in fields_of(declared) if one.field.name == declared.LISTS)
    item = sample(get_args(kind)[0], every_field=False)
    message = declared.from_wire({**data, "leftOut": 0, name: [item] * 400})
    whole = encode_control(message)
    assert encode_bounded(message, None, len(whole)) == whole
    largest = len(whole) // 2
    cut = encode_bounded(message, None, largest)
    assert largest * 0.9 - 1000 < len(cut) <= largest
    told = json.loads(cut)["d"]
    assert told["leftOut"] + len(told[name]) == 400
    assert {key: value for key, value in told.items() if key not in (name, "leftOut")} == {
        key: value for key, value in message.to_wire().items() if key not in (name, "leftOut")
    }
    # One item that has no room by itself is left out as well.
    assert json.loads(encode_bounded(message, None, 10))["d"]["leftOut"] == 400


def test_of_the_audit_the_newest_records_stay() -> None:
    records = tuple(AuditEntry(at=AT, action=f"a.{number}", outcome="ok") for number in range(100))
    message = AuditResponse(request_id="r", records=records)
    told = json.loads(encode_bounded(message, None, len(encode_control(message)) // 2))["d"]
    assert told["records"][-1]["action"] == "a.99"
    assert len(told["records"]) + told["leftOut"] == 100


def test_a_hub_sends_no_list_that_no_client_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LARGEST", 2000)
    monkeypatch.setattr(encode_bounded, "__defaults__", (None, 2000))
    sent: list[bytes] = []
    peer = SimpleNamespace(link=SimpleNamespace(send_urgent=lambda text, _channel: sent.append(text)))
    locks = tuple(LockInfo(id="i", kind=LockKind.NODE, name=f"n{number}", created_at=AT) for number in range(100))
    HubPeer.send(cast("HubPeer", peer), LocksResponse(request_id="r", locks=locks))
    (text,) = sent
    assert len(text) <= 2000
    assert json.loads(text)["d"]["leftOut"]
