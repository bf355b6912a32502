"""What is closed for good, and whose node does not say that it has ended: the hub knows it for a minute at most."""

from datetime import UTC, datetime

import pytest
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.model.sessions import CloseReason, DetachedSessionInfo, PtySpec, SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.events import NodeLiveSessionsRequest, NodeLiveSessionsResponse
from omnyshell.services.hub.sessions import kept_judge
from omnyshell.services.hub.sessions.kept_judge import ASK_AGAIN, SOON

KEPT = {"mode": SessionMode.SHELL, "pty": PtySpec()}
A_MINUTE = ASK_AGAIN + 1
AT = datetime(2026, 1, 2, tzinfo=UTC)


def keeping_node(hub: MemoryHub) -> MemoryPeer:
    """A node that keeps sessions of clients that are lost."""
    node = hub.registers()
    node.says(m.NodeCapabilitiesMessage(features=("detach",)))
    lists(node)
    return node


def lists(node: MemoryPeer, *sessions: str) -> None:
    """Answer the question which sessions there are."""
    asked = node.hears(NodeLiveSessionsRequest)
    infos = tuple(
        DetachedSessionInfo(session_id=each, short_id=each[:8], node_id="n1", owner_user_id="admin", created_at=AT)
        for each in sessions
    )
    node.says(NodeLiveSessionsResponse(request_id=asked.request_id, sessions=infos))


def known(hub: MemoryHub) -> tuple[int, int]:
    """How many sessions the hub takes to be at the node, and of how many it remembers what opened them."""
    kept = hub.hub._services.kept
    return len(kept.at("n1")), len(kept.gone("n1"))


def test_what_a_client_has_closed_is_forgotten_once_its_node_lists_it_no_more(hub: MemoryHub) -> None:
    node, client = keeping_node(hub), hub.logs_in("admin")
    for channel, reason in ((1, CloseReason.CLIENT_CLOSED), (2, CloseReason.CLIENT_DISCONNECTED)):
        hub.opens(client, node, channel, **KEPT)
        client.says(m.ChannelClose(reason=reason), channel)
    assert known(hub) == (2, 0)
    hub.passes(A_MINUTE)
    lists(node)
    # Of what may be there yet, under another process of the same name, it is remembered what opened it.
    assert known(hub) == (0, 1)


def test_another_process_of_the_node_makes_nothing_forgotten_that_was_closed_at_the_first(hub: MemoryHub) -> None:
    node, client = keeping_node(hub), hub.logs_in("admin")
    hub.opens(client, node, 1, **KEPT)
    client.says(m.ChannelClose(reason=CloseReason.CLIENT_CLOSED), 1)
    node.vanishes()
    hub.passes(1.0)
    keeping_node(hub)
    assert known(hub) == (0, 1)


def test_a_closed_session_that_its_node_lists_is_known_as_before(hub: MemoryHub) -> None:
    node, client = keeping_node(hub), hub.logs_in("admin")
    _, session = hub.opens(client, node, 1, **KEPT)
    client.says(m.ChannelClose(reason=CloseReason.CLIENT_CLOSED), 1)
    hub.passes(A_MINUTE)
    lists(node, session)
    hub.passes(A_MINUTE)
    lists(node)
    assert known(hub) == (0, 1)


def test_what_was_closed_takes_no_place_of_what_its_owner_has_left(
    hub: MemoryHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As connections of a forward, which a program may make and close by the thousand."""
    monkeypatch.setattr(kept_judge, "MOST_OF_OWNER", 2)
    node, client = keeping_node(hub), hub.logs_in("admin")
    _, left = hub.opens(client, node, 1, **KEPT)
    client.says(m.ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED), 1)
    for channel in range(2, 9):
        hub.opens(client, node, channel, **KEPT)
        client.says(m.ChannelClose(reason=CloseReason.CLIENT_CLOSED), channel)
    hub.passes(SOON)
    # It is asked earlier than else, and to end nothing.
    lists(node, left)
    assert (known(hub), node.heard(m.NodeDetachedSessionKillRequest)) == ((1, 0), [])
