"""Lines above a screen, from node to client: for whom, on what right, and what the audit says."""

import pytest
from support.memory_hub import PLATFORM, MemoryHub, MemoryPeer

from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import HISTORY, OF_HUB, OF_NODE
from omnyshell.protocol.messages.history import (
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
    SessionHistoryRequest,
    SessionHistoryResponse,
)

WITHOUT = OF_HUB - {HISTORY}


def ask(**fields: object) -> SessionHistoryRequest:
    return SessionHistoryRequest(**{"request_id": "r", "node_id": "n1", "session_ref": "s", **fields})


def answers(node: MemoryPeer, **fields: object) -> NodeSessionHistoryRequest:
    asked = node.hears(NodeSessionHistoryRequest)
    node.says(NodeSessionHistoryResponse(**{"request_id": asked.request_id, "ok": True, **fields}))
    return asked


def test_pages_pass_and_are_one_record(hub: MemoryHub) -> None:
    client, node = hub.logs_in("admin"), hub.registers()
    for before in (None, 200, 100):
        client.says(ask(before=before, lines=100))
        asked = answers(node, lines="eA0K", count=1, before=(before or 300) - 100)
        assert (asked.principal, asked.session_ref, asked.before, asked.lines) == ("admin", "s", before, 100)
        told = client.hears(SessionHistoryResponse)
        assert (told.request_id, told.lines, told.count, told.before) == ("r", "eA0K", 1, (before or 300) - 100)
    (record,) = hub.audited("session.peek")
    assert (record.outcome, record.principal, record.detail) == ("ok", "admin", "s")


def test_it_takes_the_right_to_watch(hub: MemoryHub) -> None:
    hub.registers(labels={"allow-roles": "nobody"})
    stranger = hub.logs_in("dev")
    stranger.says(ask())
    told = stranger.hears(SessionHistoryResponse)
    assert not told.ok
    assert (told.message or "").startswith("Not authorized")
    assert [(record.outcome, record.detail) for record in hub.audited("session.peek")] == [("denied", "watch s")]


def test_a_node_without_the_extension_is_not_asked(hub: MemoryHub) -> None:
    node = hub.logs_in("box", "node", WITHOUT)
    node.says(m.NodeRegister(node_id="n1", platform=PLATFORM))
    client = hub.logs_in("admin")
    client.says(ask())
    assert client.hears(SessionHistoryResponse).message == "The node keeps no history"
    assert not node.heard(NodeSessionHistoryRequest)


def test_a_client_without_the_extension_is_not_answered(hub: MemoryHub) -> None:
    node = hub.registers()
    client = hub.logs_in("admin", features=WITHOUT)
    client.says(ask())
    client.says(m.SessionScreenRequest(request_id="q", node_id="n1", session_ref="s", history=True))
    asked = node.hears(m.NodeSessionScreenRequest)
    assert not asked.history
    node.says(m.NodeSessionScreenResponse(request_id=asked.request_id, ok=True, history_end=7))
    assert client.hears(m.SessionScreenResponse).history_end is None
    assert not node.heard(NodeSessionHistoryRequest)
    assert not client.heard(SessionHistoryResponse)


def test_an_answer_counts_from_the_node_that_was_asked_alone(hub: MemoryHub) -> None:
    node, other = hub.registers(), hub.registers("n2")
    client = hub.logs_in("admin")
    client.says(ask())
    asked = node.hears(NodeSessionHistoryRequest)
    other.says(NodeSessionHistoryResponse(request_id=asked.request_id, ok=True, lines="eA0K"))
    node.says(m.NodeSessionScreenResponse(request_id=asked.request_id, ok=True))
    assert not client.heard(SessionHistoryResponse)
    node.says(NodeSessionHistoryResponse(request_id=asked.request_id, ok=True, count=2))
    assert client.hears(SessionHistoryResponse).count == 2


@pytest.mark.parametrize(("features", "passes"), [(OF_HUB, True), (WITHOUT, False)])
def test_the_place_above_the_screen_passes_between_those_that_announced_it(
    hub: MemoryHub, features: frozenset[str], passes: bool
) -> None:
    node, client = hub.registers(), hub.logs_in("admin", features=features)
    request = m.SessionOpen(
        node_id="n1", mode=SessionMode.SHELL, pty=PtySpec(), resume_session_id="0a1b", history=True, offsets=True
    )
    client.says(request, 1)
    channel, asked = node.hears_at(m.NodeSessionOpen)
    assert asked.history is passes
    node.says(m.NodeSessionOpened(session_id="0a1b2c3d-0000-4000-8000-000000000000", history_end=41), channel)
    assert client.hears(m.SessionOpened, 1).history_end == (41 if passes else None)


def test_the_extension_is_announced() -> None:
    assert HISTORY in OF_HUB & OF_NODE
