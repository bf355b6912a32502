"""What a member hub that was taken over says on its link: it may act as anybody, and breaks nothing else."""

import json
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings, strategies as st
from support.fake_peers import FakePeer
from support.two_plain_hubs import MemoryLink, TwoHubs

from omnyshell import NodeRegister, PlatformInfo
from omnyshell.protocol import messages as m
from omnyshell.protocol.codec import encode_control
from omnyshell.services.hub.cluster.links.link import HubLink, Stage

NAMES = st.sampled_from(["p1", "p2", ""])
ID = "00000000-0000-0000-0000-00000000000{}"


def _request(message: m.ControlMessage) -> Any:
    return json.loads(encode_control(message, 1 if message.SCOPED else None))


REQUESTS = st.sampled_from(
    [
        _request(m.SessionOpen(node_id="n1")),
        _request(m.SessionOpen(node_id="nowhere")),
        _request(m.SessionOpen(node_id="n1", resume_session_id=ID.format(1))),
        _request(m.DetachedSessionsRequest(request_id="r", node_id="n1")),
        _request(m.NodeListRequest()),
        _request(NodeRegister(node_id="n9", platform=PlatformInfo(os="linux", arch="x64"))),
        _request(m.TunnelOpenRequest(request_id="t", node_id="n1", target_port=80)),
        {"t": "session.open", "d": {"nodeId": 7}},
        {"t": "nothing"},
        [],
        "text",
    ]
)
WORDS = st.one_of(
    st.builds(
        lambda peer, roles: {
            "type": "peer.came",
            "peer": peer,
            "principal": "ann",
            "roles": roles,
            "address": "192.0.2.1",
            "features": [],
            "connected_at": "2026-01-02T03:04:05Z",
        },
        NAMES,
        st.sampled_from([["admin"], [], ["admin", "x" * 300], "admin"]),
    ),
    st.builds(lambda peer: {"type": "peer.left", "peer": peer}, NAMES),
    st.builds(lambda peer: {"type": "peer.ended", "peer": peer, "text": "x"}, NAMES),
    st.builds(
        lambda peer, channel, session, epoch, request: {
            "type": "open",
            "peer": peer,
            "channel": channel,
            "session": session,
            "epoch": epoch,
            "request": request,
        },
        NAMES,
        st.sampled_from([0, 1, 2, 3, 5, 2**31, 2**40, -1]),
        st.sampled_from([ID.format(1), ID.format(2), "short"]),
        st.sampled_from([0, 1, 2]),
        REQUESTS,
    ),
    st.builds(
        lambda peer, epoch, request: {"type": "ask", "peer": peer, "epoch": epoch, "request": request},
        NAMES,
        st.integers(0, 2),
        REQUESTS,
    ),
    st.builds(lambda peer, answer: {"type": "answered", "peer": peer, "answer": answer}, NAMES, REQUESTS),
    st.sampled_from([{"type": "later"}, {"type": "open"}, {"type": 1}, {}]),
    st.builds(
        lambda channel, kind: {"t": kind, "c": channel, "d": {"credit": 5, "stream": "stdin", "reason": "error"}},
        st.sampled_from([1, 2, 3]),
        st.sampled_from(["channel.window", "channel.close", "channel.eof", "session.detach.request", "channel.exit"]),
    ),
).map(lambda word: json.dumps(word, separators=(",", ":")).encode())


class Hostile:
    """Hub `b` with a node, and a link whose other side says anything."""

    def __init__(self) -> None:
        self.world = TwoHubs(0)
        node = FakePeer("box-0", "node")
        self.world.nodes.append(node)
        self.world.from_node(node, NodeRegister(node_id="n1", platform=PlatformInfo(os="linux", arch="x64")))
        self.refused: list[str] = []
        ours = cast("MemoryLink", self.world.links["b"].link)
        links = cast(
            "Any",
            SimpleNamespace(
                said=lambda _link, word: self.world.links["b"].said(ours, word),
                refused=lambda _hub, why: self.refused.append(why),
            ),
        )
        self.link = cast("Any", HubLink(links))
        self.link.link = SimpleNamespace(close=lambda *_: None)
        self.link.hub, self.link.stage, self.link.channels = "a", Stage.UP, ours.channels

    def check(self) -> None:
        self.world.check()
        assert self.world.b.registry.find("n9") is None
        assert not self.world.b.tunnels.tunnels
        assert self.world.b.registry.find("n1") is not None


@settings(max_examples=40)
@given(said=st.lists(WORDS, max_size=30))
def test_whatever_a_hub_says_the_other_one_keeps_its_books(said: list[bytes]) -> None:
    hostile = Hostile()
    for raw in said:
        hostile.link.text_received(raw)
        hostile.check()


@settings(max_examples=80)
@given(raw=st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b'{"type":"open"' + tail))
def test_bytes_that_are_no_words_are_dropped_or_end_the_link(raw: bytes) -> None:
    hostile = _heard_by()
    hostile.link.text_received(raw)
    hostile.link.binary_received(raw)
    hostile.check()


@pytest.mark.parametrize("channel", [2, 4])
def test_a_hub_opens_no_channel_of_the_others_numbers(channel: int) -> None:
    hostile = Hostile()
    word = {"type": "peer.came", "peer": "p1", "principal": "ann", "roles": ["admin"], "address": "192.0.2.1"}
    hostile.link.text_received(_compact(word | {"features": [], "connected_at": "2026-01-02T03:04:05Z"}))
    request = _request(m.SessionOpen(node_id="n1"))
    said = {"type": "open", "peer": "p1", "channel": channel, "session": ID.format(1), "epoch": 1, "request": request}
    hostile.link.text_received(_compact(said))
    assert not len(hostile.world.b.router)
    hostile.link.text_received(_compact(said | {"channel": channel - 1}))
    assert len(hostile.world.b.router) == 1


@cache
def _heard_by() -> Hostile:
    return Hostile()


def _compact(word: Any) -> bytes:
    return json.dumps(word, separators=(",", ":")).encode()
