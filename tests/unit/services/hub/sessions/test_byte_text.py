"""Requests with bytes that are no UTF-8: to which nodes they go, and what the audit keeps of them."""

import pytest
from support.memory_hub import PLATFORM, MemoryHub, MemoryPeer

from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import BYTE_TEXT, OF_HUB


def registers_without(hub: MemoryHub) -> MemoryPeer:
    node = hub.logs_in("box", "node", OF_HUB - {BYTE_TEXT})
    node.says(m.NodeRegister(node_id="n1", platform=PLATFORM))
    return node


def test_bytes_pass_to_a_node_that_knows_them(hub: MemoryHub) -> None:
    node, client = hub.registers(), hub.logs_in("admin")
    client.says(m.SessionOpen(node_id="n1", command="cat \0e9", cwd="/\0ff", env={"A": "\0fe"}), 1)
    channel, asked = node.hears_at(m.NodeSessionOpen)
    assert (asked.command, asked.cwd, asked.env) == ("cat \0e9", "/\0ff", {"A": "\0fe"})
    node.says(m.NodeSessionOpened(session_id=asked.session_id), channel)
    (record,) = hub.audited("session.open")
    assert record.command == r"cat \xe9"


@pytest.mark.parametrize(
    "fields", [{"command": "\0e9"}, {"args": ("a", "\0e9")}, {"cwd": "\0e9"}, {"env": {"A": "\0e9"}}]
)
def test_a_node_that_does_not_know_them_is_not_asked(hub: MemoryHub, fields: dict[str, object]) -> None:
    node, client = registers_without(hub), hub.logs_in("admin")
    client.says(m.SessionOpen(**{"node_id": "n1", "command": "true", **fields}), 1)
    told = client.hears(m.SessionRejected, 1)
    assert told.reason == "bad_request"
    assert "too old" in told.message
    assert not node.heard(m.NodeSessionOpen)
