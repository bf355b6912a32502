"""Sessions that were left in nodes: which are ended, when, and what a node that was away is asked for."""

from datetime import timedelta
from typing import Any

import pytest
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.model.sessions import DetachedSessionInfo, PtySpec, SessionMode
from omnyshell.protocol import messages as m
from omnyshell.protocol.messages.admin import (
    LockAdd,
    NodeLabelsSet,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    TokenAdd,
)
from omnyshell.protocol.messages.events import NodeLiveSessionsRequest, NodeLiveSessionsResponse

FOR_DEVELOPERS = {"allow-roles": "developer"}
KEEPS = ("shell", "exec", "detach")


class Keeping:
    """Eve, who left a shell in a node, and the admin."""

    def __init__(self, hub: MemoryHub) -> None:
        self.hub = hub
        self.admin = hub.logs_in("admin")
        self.admin.asks(PrincipalAdd, principal="eve", roles=("developer",))
        self.token = self.admin.asks(TokenAdd, principal="eve").token
        self.node = self.comes()
        self.session_id = self.leaves_a_shell()

    def comes(self) -> MemoryPeer:
        """The node registers, and says that it keeps sessions."""
        node = self.hub.registers(labels=FOR_DEVELOPERS)
        node.says(m.NodeCapabilitiesMessage(shells=("sh",), features=KEEPS, max_sessions=9))
        return node

    def leaves_a_shell(self) -> str:
        eve = self.hub.logs_in("eve", token=self.token)
        _, session_id = self.hub.opens(eve, self.node, mode=SessionMode.SHELL, pty=PtySpec(cols=80, rows=24))
        eve.vanishes()
        self.hub.passes(1)
        return session_id

    def told(self, *infos: DetachedSessionInfo) -> None:
        """The node answers what it was last asked for everyone's sessions."""
        asked = self.node.hears(NodeLiveSessionsRequest)
        self.node.says(NodeLiveSessionsResponse(request_id=asked.request_id, sessions=infos))

    def info(self, session_id: str, owner: str = "eve") -> DetachedSessionInfo:
        return DetachedSessionInfo(
            session_id=session_id,
            short_id=session_id[:8],
            node_id="n1",
            owner_user_id=owner,
            created_at=self.hub.hub.config.clock.now() - timedelta(minutes=1),
        )

    def ended(self) -> list[tuple[str, str]]:
        """What the node is asked to end, of whom; it does so."""
        asked = self.node.heard(m.NodeDetachedSessionKillRequest)
        self.node.inbox = [
            item for item in self.node.inbox if not isinstance(item[1], m.NodeDetachedSessionKillRequest)
        ]
        for each in asked:
            self.node.says(m.NodeDetachedSessionKillResponse(request_id=each.request_id, ok=True))
        return [(each.session_ref, each.principal) for each in asked]


@pytest.fixture
def keeping(hub: MemoryHub) -> Keeping:
    return Keeping(hub)


WAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "revoked": (PrincipalRevoke, {"principal": "eve"}),
    "other roles": (PrincipalRoles, {"principal": "eve", "roles": ("viewer",)}),
    "locked": (LockAdd, {"kind": "principal", "name": "eve"}),
    "role locked": (LockAdd, {"kind": "role", "name": "developer"}),
    "labels": (NodeLabelsSet, {"node_id": "n1", "labels": {"allow-roles": "ops"}}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_shell_whose_owner_may_not_have_it_is_ended_in_its_node(keeping: Keeping, way: str) -> None:
    kind, fields = WAYS[way]
    assert keeping.admin.asks(kind, **fields).ok
    assert keeping.ended() == [(keeping.session_id, "eve")]
    keeping.hub.passes(120)
    assert keeping.ended() == []


@pytest.mark.parametrize("way", WAYS)
def test_a_node_that_was_away_ends_it_when_it_is_back(keeping: Keeping, way: str) -> None:
    kind, fields = WAYS[way]
    keeping.node.vanishes()
    keeping.admin.asks(kind, **fields)
    keeping.hub.passes(300)
    keeping.node = keeping.comes()
    keeping.told(keeping.info(keeping.session_id))
    assert keeping.ended() == [(keeping.session_id, "eve")]


def test_what_is_allowed_stays(keeping: Keeping) -> None:
    keeping.admin.asks(PrincipalAdd, principal="other", roles=("developer",))
    keeping.admin.asks(PrincipalRevoke, principal="other")
    keeping.admin.asks(NodeLabelsSet, node_id="n1", labels={"env": "prod"})
    keeping.node.vanishes()
    keeping.node = keeping.comes()
    keeping.told(keeping.info(keeping.session_id))
    assert keeping.ended() == []


def test_a_session_that_the_hub_does_not_know_is_judged_by_its_owner(keeping: Keeping) -> None:
    stranger, known = "1" * 8 + keeping.session_id[8:], "2" * 8 + keeping.session_id[8:]
    keeping.node.vanishes()
    keeping.node = keeping.comes()
    keeping.told(keeping.info(stranger, "mallory"), keeping.info(known, "eve"))
    assert keeping.ended() == [(stranger, "mallory")]


def test_one_that_a_node_has_no_more_is_not_asked_for(keeping: Keeping) -> None:
    keeping.node.vanishes()
    keeping.hub.passes(5)
    keeping.node = keeping.comes()
    keeping.told()
    keeping.admin.asks(PrincipalRevoke, principal="eve")
    assert keeping.ended() == []


def test_a_node_that_answers_wrongly_is_asked_again_and_nobody_is_harmed(keeping: Keeping) -> None:
    keeping.admin.asks(PrincipalRevoke, principal="eve")
    (asked,) = keeping.node.heard(m.NodeDetachedSessionKillRequest)
    keeping.node.says(m.NodeDetachedSessionKillResponse(request_id="made up", ok=True))
    keeping.node.says(m.NodeDetachedSessionKillResponse(request_id=asked.request_id, ok=False, message="busy"))
    keeping.node.says(m.NodeDetachedSessionKillResponse(request_id=asked.request_id, ok=True))
    keeping.hub.passes(120)
    assert keeping.node.closed_with is None
    assert keeping.admin.closed_with is None


def test_a_session_that_is_resumed_is_not_left_over(keeping: Keeping) -> None:
    eve = keeping.hub.logs_in("eve", token=keeping.token)
    eve.says(m.SessionOpen(node_id="n1", mode=SessionMode.SHELL, resume_session_id=keeping.session_id), 1)
    channel, asked = keeping.node.hears_at(m.NodeSessionOpen)
    assert asked.resume_session_id == keeping.session_id
    keeping.node.says(m.NodeSessionOpened(session_id=keeping.session_id), channel)
    assert eve.hears(m.SessionOpened, 1).session_id == keeping.session_id
    keeping.admin.asks(PrincipalRevoke, principal="eve")
    # By its channel, as any session that is carried; and by its id, where the node heeds that.
    assert keeping.node.hears(m.ChannelClose, channel)
