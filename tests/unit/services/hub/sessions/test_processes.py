"""Who is told what runs in sessions, and what the audit has of it."""

from typing import Any

import pytest
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.model.vitals import SessionProcess
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import OF_HUB, VITALS
from omnyshell.protocol.messages.admin import NodeLabelsSet
from omnyshell.protocol.messages.vitals import (
    MOST_PROCESSES,
    NodeSessionProcessesRequest,
    NodeSessionProcessesResponse,
    SessionProcessesRequest,
    SessionProcessesResponse,
)

UUID = "0a1b2c3d-0000-4000-8000-000000000000"
ASK = SessionProcessesRequest(request_id="r", node_id="n1")


def process(**changes: Any) -> SessionProcess:
    return SessionProcess(**{"session_id": UUID, "pid": 7, "parent": 1, "user": "ann", "command": "sh"} | changes)


def answers(node: MemoryPeer, *processes: SessionProcess, **fields: Any) -> NodeSessionProcessesRequest:
    asked = node.hears(NodeSessionProcessesRequest)
    values = {"request_id": asked.request_id, "ok": True, "processes": processes}
    node.says(NodeSessionProcessesResponse(**values | fields))
    return asked


@pytest.fixture
def node(hub: MemoryHub) -> MemoryPeer:
    return hub.registers(labels={"allow-roles": "developer"})


@pytest.mark.parametrize(("principal", "whose"), [("dev", "dev"), ("admin", "")])
def test_an_owner_is_told_of_its_own_and_an_admin_of_everyones(
    hub: MemoryHub, node: MemoryPeer, principal: str, whose: str
) -> None:
    client = hub.logs_in(principal)
    client.says(ASK)
    assert answers(node, process(), left_out=2).principal == whose
    told = client.hears(SessionProcessesResponse)
    assert (told.request_id, told.ok, told.processes, told.left_out) == ("r", True, (process(),), 2)
    (record,) = hub.audited("session.processes")
    assert (record.outcome, record.principal, record.node_id) == ("ok", principal, "n1")


def test_secrets_in_command_lines_are_hidden_and_they_are_bounded(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    client.says(ASK)
    secret = process(command="PGPASSWORD=hunter2 psql --password=hunter2 " + "x" * 2_000)
    answers(node, *[secret] * (MOST_PROCESSES + 5))
    told = client.hears(SessionProcessesResponse)
    assert (len(told.processes), told.left_out) == (MOST_PROCESSES, 5)
    assert "hunter2" not in str(told)
    assert len(told.processes[0].command) < 600


def test_looking_again_and_again_is_one_record_a_minute(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    for _ in range(5):
        client.says(ASK)
        answers(node)
        hub.passes(3)
    assert len(hub.audited("session.processes")) == 1


def test_who_may_not_look_is_refused_and_audited(hub: MemoryHub) -> None:
    node = hub.registers(labels={"allow-roles": "ops"})
    client = hub.logs_in("dev")
    client.says(ASK)
    told = client.hears(SessionProcessesResponse)
    assert (told.ok, (told.message or "").partition(":")[0]) == (False, "Not authorized")
    assert not node.heard(NodeSessionProcessesRequest)
    (record,) = hub.audited("session.processes")
    assert (record.outcome, record.detail) == ("denied", "watch")


def test_what_a_node_does_not_answer_is_said_in_words(hub: MemoryHub) -> None:
    client = hub.logs_in("admin")
    client.says(ASK)
    assert client.hears(SessionProcessesResponse).message == "Node offline"
    old = hub.logs_in("box", "node", features=OF_HUB - {VITALS})
    old.says(m.NodeRegister(node_id="n1", platform=hub.platform))
    client.says(ASK)
    assert client.hears(SessionProcessesResponse).message == "The node does not tell of processes"
    assert not old.heard(NodeSessionProcessesRequest)
    node = hub.registers("n2")
    client.says(SessionProcessesRequest(request_id="r", node_id="n2"))
    answers(node, ok=False, message="busy")
    assert client.hears(SessionProcessesResponse).message == "busy"
    client.says(SessionProcessesRequest(request_id="r", node_id="n2"))
    hub.passes(60)
    assert client.hears(SessionProcessesResponse).message == "Timed out"
    client.says(SessionProcessesRequest(request_id="r", node_id="n2"))
    node.leaves()
    assert client.hears(SessionProcessesResponse).message == "Node offline"


def test_a_client_has_few_questions_at_a_time(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    for _ in range(6):
        client.says(ASK)
    refused = client.heard(SessionProcessesResponse)
    assert [told.message for told in refused] == ["Too many requests at once"] * 2
    client.inbox.clear()
    for _ in range(4):
        answers(node)
    client.says(ASK)
    answers(node)
    assert [told.ok for told in client.heard(SessionProcessesResponse)] == [True] * 5


def test_an_answer_that_comes_after_the_client_left_goes_nowhere(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    client.says(ASK)
    client.leaves()
    answers(node, process())
    assert hub.audited("session.processes") == []


def test_who_may_not_look_any_more_when_the_node_answers_is_refused(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    client.says(ASK)
    hub.logs_in("admin").asks(NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"})
    answers(node, process())
    told = client.hears(SessionProcessesResponse)
    assert (told.processes, (told.message or "").partition(":")[0]) == ((), "Not authorized")


def test_it_takes_the_extension(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev", features=OF_HUB - {VITALS})
    client.says(ASK)
    assert not node.heard(NodeSessionProcessesRequest)
    assert not client.heard(SessionProcessesResponse)


def test_no_number_of_a_node_makes_an_answer_that_cannot_be_read(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    client.says(ASK)
    answers(node, *[process()] * (MOST_PROCESSES + 5), left_out=2**63 - 1)
    assert 0 < client.hears(SessionProcessesResponse).left_out < 2**63


def test_a_node_says_no_denial_into_the_audit(hub: MemoryHub, node: MemoryPeer) -> None:
    client = hub.logs_in("dev")
    client.says(ASK)
    answers(node, ok=False, message="Not authorized: says the node")
    assert not client.hears(SessionProcessesResponse).ok
    (record,) = hub.audited("session.processes")
    assert (record.outcome, record.reason) == ("error", "Not authorized: says the node")
