"""Whose place who takes a session up has, where a principal has no more: its node may say what it likes."""

from collections.abc import Iterator

import pytest
from support.memory_hub import MemoryHub, MemoryPeer, memory_hub
from support.stack import Certificates

from omnyshell.errors import ErrorCodes
from omnyshell.protocol import messages as m
from omnyshell.services.hub.ground.limits import Allowance, Resource

KEEPS = ("shell", "exec", "detach")


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    """A hub at which a principal may have one session."""
    with memory_hub(certificates, quotas=(Allowance({Resource.SESSIONS: 1}, frozenset({"dev"})),)) as made:
        yield made


@pytest.fixture
def node(hub: MemoryHub) -> MemoryPeer:
    found = hub.registers(labels={"allow-roles": "developer"})
    found.says(m.NodeCapabilitiesMessage(shells=("sh",), features=KEEPS, max_sessions=9))
    return found


def takes_up(dev: MemoryPeer, node: MemoryPeer, ref: str) -> int:
    """Ask for a session that is attached; return the node's channel."""
    dev.says(m.SessionOpen(node_id="n1", mode="shell", resume_session_id=ref), 2)
    return node.hears_at(m.NodeSessionOpen)[0]


def another(session_id: str) -> str:
    """An id that begins like this one."""
    return session_id[:8] + session_id[8:].translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))


def test_a_node_that_frees_no_place_has_it_taken_from_the_one_before(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    _, session_id = hub.opens(dev, node, mode="shell")
    node.says(m.NodeSessionOpened(session_id=session_id), takes_up(dev, node, session_id))
    assert dev.hears(m.SessionDetached, 1).session_id == session_id
    assert dev.hears(m.SessionOpened, 2).session_id == session_id
    dev.says(m.SessionOpen(node_id="n1", mode="exec", command="true"), 3)
    assert dev.hears(m.SessionRejected, 3).reason == ErrorCodes.CAPACITY_EXCEEDED


def test_another_session_than_the_one_whose_place_was_meant_has_none(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    channel, session_id = hub.opens(dev, node, mode="shell")
    again = takes_up(dev, node, session_id[:8])
    node.says(m.NodeSessionOpened(session_id=another(session_id)), again)
    assert "has its 1 sessions" in dev.hears(m.SessionRejected, 2).message
    assert node.hears(m.ChannelClose, again)
    dev.sends(1, b"id\n")
    assert node.data(channel) == b"id\n"


def test_it_has_one_of_its_own_where_there_is_one_by_then(hub: MemoryHub, node: MemoryPeer) -> None:
    dev = hub.logs_in("dev")
    _, session_id = hub.opens(dev, node, mode="shell")
    again = takes_up(dev, node, session_id[:8])
    dev.says(m.ChannelClose(reason="client_closed"), 1)
    node.says(m.NodeSessionOpened(session_id=another(session_id)), again)
    assert dev.hears(m.SessionOpened, 2).session_id == another(session_id)
