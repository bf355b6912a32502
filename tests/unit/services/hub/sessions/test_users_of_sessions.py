"""What a node is told of who asks for a session of a user of its machine, and what the hub refuses by itself."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from support.memory_hub import PLATFORM, MemoryHub, MemoryPeer, memory_hub
from support.rights import config_of, grant
from support.stack import Certificates

from omnyshell.model.sessions import SessionAsker
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import LOGINS, OF_CLIENT, OF_HUB, OF_NODE
from omnyshell.protocol.messages.history import (
    NodeSessionHistoryRequest,
    SessionHistoryRequest,
    SessionHistoryResponse,
)

KEY = "ssh-ed25519 " + b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
SESSION = "0b0e1f1e-0000-4000-8000-000000000001"
WHOLE = ["shell", "exec", "watch"]
PEOPLE = {
    "dev": [],
    "narrow": [grant(principals=["narrow"], rights=WHOLE, logins=["dbms", "ann"])],
    "oncall": [
        grant(principals=["oncall"], rights=[*WHOLE, "kill"], logins=["dbms", "ann"]),
        grant(principals=["oncall"], rights=["others"], logins=["ann", "bea"]),
    ],
    "torn": [
        grant(principals=["torn"], rights=WHOLE, logins=["ann"]),
        grant(principals=["torn"], rights=["others"], logins=["bea"]),
    ],
    "whole": [grant(principals=["whole"], rights=["*"], logins=["ann"])],
    "no,login": [grant(principals=["no,login"], rights=["*"], logins=["{principal}"])],
}
BY_MODE = {"shell": {}, "exec": {"command": "id"}, "ssh": {"ssh_key": KEY}, "sftp": {}, "agent": {}}
"""All that makes one a user of the machine, with what its request needs."""

ASKED = {
    "dev": SessionAsker(principal="dev", roles=("developer", "ops")),
    "narrow": SessionAsker(principal="narrow", roles=("guest",), logins=("ann", "dbms")),
    "oncall": SessionAsker(principal="oncall", roles=("guest",), logins=("ann",)),
}


@pytest.fixture
def hub(certificates: Certificates) -> Iterator[MemoryHub]:
    grants = [one for theirs in PEOPLE.values() for one in theirs]
    roles = {"dev": "developer,ops"}
    tokens = [f"{name}:{name}-token:{roles.get(name, 'guest')}" for name in PEOPLE]
    config = config_of(certificates, grants, *tokens)
    with memory_hub(certificates, authenticator=config.authenticator, grants=config.grants) as made:
        yield made


def registered(hub: MemoryHub, features: frozenset[str] = OF_HUB) -> MemoryPeer:
    node = hub.logs_in("box", "node", features)
    node.says(m.NodeRegister(node_id="n1", platform=PLATFORM, labels={"allow-roles": "developer"}))
    node.says(m.NodeCapabilitiesMessage(features=("exec", "shell", "detach", *sorted(features))))
    return node


def requests(owner: str) -> Iterator[tuple[Any, int | None, type[m.ControlMessage], type[m.ControlMessage]]]:
    whose = {"node_id": "n1", **({"owner": owner} if owner else {})}
    yield m.SessionOpen(mode="shell", resume_session_id=SESSION, **whose), 7, m.NodeSessionOpen, m.SessionRejected
    ask = {"request_id": "r", "session_ref": SESSION, **whose}
    yield m.SessionScreenRequest(**ask), None, m.NodeSessionScreenRequest, m.SessionScreenResponse
    yield SessionHistoryRequest(**ask), None, NodeSessionHistoryRequest, SessionHistoryResponse


@pytest.mark.parametrize(("who", "owner"), [("dev", ""), ("narrow", ""), ("oncall", "dev")])
def test_the_node_is_told_who_asks_with_what_grants_narrow_both_rights_to(hub: MemoryHub, who: str, owner: str) -> None:
    node, client = registered(hub), hub.logs_in(who)
    for request, channel, asked, _ in requests(owner):
        client.says(request, channel)
        (found,) = node.heard(asked)
        assert (found.asker, found.principal) == (ASKED[who], owner or who)
        if isinstance(found, m.NodeSessionOpen):
            assert (found.user, found.roles, found.logins) == (None, (), ())


def test_whoever_is_narrowed_to_nobody_is_refused_by_the_hub(hub: MemoryHub) -> None:
    node, client = registered(hub), hub.logs_in("torn")
    for request, channel, asked, answer in requests("dev"):
        client.says(request, channel)
        assert not node.heard(asked)
        said = client.hears(answer, channel).message if channel else client.hears(answer).message
        assert said.startswith("Not authorized")
        assert "grants name nobody" in said


def test_whatever_makes_one_a_user_is_narrowed(hub: MemoryHub) -> None:
    node, client = registered(hub, OF_NODE), hub.logs_in("whole", features=OF_CLIENT)
    for channel, (mode, needs) in enumerate(BY_MODE.items()):
        client.says(m.SessionOpen(node_id="n1", mode=mode, user="bea", **needs), 4 * channel + 1)
        assert "grants name ann" in client.hears(m.SessionRejected, 4 * channel + 1).message, mode
        client.says(m.SessionOpen(node_id="n1", mode=mode, **needs), 4 * channel + 3)
        assert node.hears(m.NodeSessionOpen).logins == ("ann",), mode


def test_who_has_a_name_that_is_no_users_is_narrowed_to_nobody_by_it(hub: MemoryHub) -> None:
    """A node that was told of users whom nobody can name would not be told that anything is narrowed."""
    node, client = registered(hub), hub.logs_in("no,login")
    client.says(m.SessionOpen(node_id="n1", mode="exec", command="id"), 3)
    assert "grants name nobody" in client.hears(m.SessionRejected, 3).message
    assert not node.heard(m.NodeSessionOpen)


def test_an_older_node_is_told_nothing_and_not_asked_where_grants_narrow_it(hub: MemoryHub) -> None:
    node = registered(hub, OF_HUB - {LOGINS})
    dev, narrow = hub.logs_in("dev"), hub.logs_in("narrow")
    for request, channel, asked, _ in requests(""):
        dev.says(request, channel)
        (found,) = node.heard(asked)
        assert found.asker is None
    for request, channel, asked, answer in requests(""):
        narrow.says(request, channel)
        assert len(node.heard(asked)) == 1
        said = narrow.hears(answer, channel).message if channel else narrow.hears(answer).message
        assert "too old to say whose" in said


def opened(hub: MemoryHub, node: MemoryPeer, client: MemoryPeer, runs_as: str, **request: Any) -> None:
    client.says(m.SessionOpen(node_id="n1", mode="shell", **request), 3)
    channel, asked = node.hears_at(m.NodeSessionOpen)
    node.says(m.NodeSessionOpened(session_id=asked.session_id, user=runs_as), channel)


def test_as_whom_it_runs_is_in_the_audit(hub: MemoryHub) -> None:
    node, client = registered(hub), hub.logs_in("dev")
    opened(hub, node, client, "ann")
    client.hears(m.SessionOpened, 3)
    assert [one.detail for one in hub.audited("session.open")] == ["shell as ann"]


@pytest.mark.parametrize(("who", "request_"), [("dev", {"user": "dbms"}), ("narrow", {})])
def test_a_node_that_opens_it_as_somebody_else_is_not_believed(
    hub: MemoryHub, who: str, request_: dict[str, str]
) -> None:
    node, client = registered(hub), hub.logs_in(who)
    opened(hub, node, client, "bea", **request_)
    assert "another user" in client.hears(m.SessionRejected, 3).message
