"""What ends when somebody may not go on, in which order, and what stays."""

from dataclasses import replace

import pytest
from support.memory_hub import MemoryHub, MemoryPeer
from support.stack import GRANTS

from omnyshell import TokenAuthenticator, TokenGrant
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages.admin import (
    AdminResult,
    CredentialRevoke,
    LockAdd,
    NodeLabelsSet,
    PeerDrop,
    PeersRequest,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    TokenAdd,
    TokenRotate,
)

FOR_DEVELOPERS = {"allow-roles": "developer,operator"}


def grant(hub: MemoryHub, *grants: str) -> None:
    """Have other principals configured, as an edited file or a reload does."""
    config = hub.hub.config
    authenticator = TokenAuthenticator([TokenGrant.parse(text) for text in grants])
    hub.loop.do(lambda: hub.hub.reload(replace(config, authenticator=authenticator)))


def enrol(hub: MemoryHub, admin: MemoryPeer, name: str = "eve", **fields: object) -> tuple[str, str]:
    """Enrol a developer; returns its token and the id of that."""
    assert admin.asks(PrincipalAdd, principal=name, **{"roles": ("developer",), **fields}).ok
    added = admin.asks(TokenAdd, principal=name)
    return added.token, added.credential_id


def test_a_principal_that_is_not_granted_any_more_goes_with_its_sessions(hub: MemoryHub) -> None:
    node, dev, admin = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("dev"), hub.logs_in("admin")
    channel, _ = hub.opens(dev, node)
    theirs, _ = hub.opens(admin, node)
    grant(hub, *(text for text in GRANTS if not text.startswith("dev")))
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_CLOSED
    assert dev.hears(m.ChannelClose, 1).message == "This login was revoked"
    error = dev.hears(m.ProtocolError)
    assert (error.code, error.message, error.fatal) == ("auth_failed", "This login was revoked", True)
    assert dev.closed_with == 4400
    assert [(said, at) for at, said in node.inbox if isinstance(said, m.ChannelClose)] == []
    node.sends(theirs, b"still here", DataOpcode.STDOUT)
    assert admin.data(1) == b"still here"
    (record,) = hub.audited("peer.revoked")
    assert (record.principal, record.reason, record.detail) == ("dev", "the principal was revoked", "client")


def test_a_node_that_is_not_granted_any_more_is_off_the_list_and_its_sessions_end(hub: MemoryHub) -> None:
    node, admin = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("admin")
    hub.opens(admin, node)
    grant(hub, *(text for text in GRANTS if not text.startswith("box")))
    assert node.closed_with == 4400
    assert admin.hears(m.ChannelClose, 1).reason == CloseReason.NODE_CLOSED
    admin.says(m.NodeListRequest())
    assert admin.hears(m.NodeListResponse).nodes == ()


@pytest.mark.parametrize("is_reading", [True, False])
def test_whoever_does_not_answer_the_close_is_cut_off(hub: MemoryHub, is_reading: bool) -> None:
    dev = hub.logs_in("dev")
    dev.stays_silent()
    dev.reads(is_reading)
    grant(hub, *(text for text in GRANTS if not text.startswith("dev")))
    assert dev.is_connected
    hub.passes(1.1)
    assert not dev.is_connected


def test_other_roles_end_what_they_do_not_allow_and_have_the_peer_log_in_again(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    token, _ = enrol(hub, admin)
    node, eve = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("eve", token=token)
    channel, _ = hub.opens(eve, node)
    assert admin.asks(PrincipalRoles, principal="eve", roles=("viewer",)).ok
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_CLOSED
    assert eve.hears(m.ChannelClose, 1).message == "You may not do this on the node any more"
    error = eve.hears(m.ProtocolError)
    assert (error.code, error.retry_after) == ("auth_failed", 0)
    assert "log in again" in error.message
    (record,) = hub.audited("peer.revoked")
    assert record.reason == "its roles, or its credential, have changed"
    again = hub.logs_in("eve", token=token)
    assert again.hears(m.AuthOk).roles == ("viewer",)


def test_more_roles_leave_what_runs_in_its_node_to_be_taken_up(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    token, _ = enrol(hub, admin)
    node, eve = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("eve", token=token)
    hub.opens(eve, node)
    node.inbox.clear()
    assert admin.asks(PrincipalRoles, principal="eve", roles=("developer", "operator")).ok
    assert eve.closed_with == 4400
    # As when a connection is lost: the node is not told that anybody wanted an end.
    assert [said.message for said in node.heard(m.ChannelClose) if "may not" in (said.message or "")] == []


@pytest.mark.parametrize("how", ["credential", "principal", "lock", "role lock"])
def test_each_way_to_revoke_ends_the_login_at_once(hub: MemoryHub, how: str) -> None:
    admin = hub.logs_in("admin")
    token, credential = enrol(hub, admin)
    eve = hub.logs_in("eve", token=token)
    assert eve.hears(m.AuthOk).principal == "eve"
    # Its other token is good all the while.
    admin.asks(TokenAdd, principal="eve")
    ways = {
        "credential": lambda: admin.asks(CredentialRevoke, principal="eve", credential_id=credential),
        "principal": lambda: admin.asks(PrincipalRevoke, principal="eve"),
        "lock": lambda: admin.asks(LockAdd, kind="principal", name="eve", why="gone astray"),
        "role lock": lambda: admin.asks(LockAdd, kind="role", name="developer"),
    }
    assert ways[how]().ok
    text = "This login is locked" if "lock" in how else "This login was revoked"
    assert eve.hears(m.ProtocolError).message == text
    assert eve.closed_with == 4400
    assert hub.logs_in("eve", token=token).closed_with in (4401, 4503)
    reasons = {
        "credential": "its credential was revoked or has expired",
        "principal": "the principal was revoked",
    }
    (record,) = hub.audited("peer.revoked")
    assert record.reason == reasons.get(how, record.reason)
    assert ("gone astray" in record.reason) == (how == "lock")


def test_a_credential_that_is_rotated_ends_its_logins_when_its_overlap_is_over(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    token, _ = enrol(hub, admin)
    old = hub.logs_in("eve", token=token)
    rotated = admin.asks(TokenRotate, principal="eve", overlap_seconds=60)
    new = hub.logs_in("eve", token=rotated.token)
    hub.passes(59)
    assert old.closed_with is None
    hub.passes(3)
    assert old.hears(m.ProtocolError).message == "This login was revoked"
    assert new.closed_with is None


def test_roles_for_a_time_end_with_it(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    token, _ = enrol(hub, admin, roles=())
    assert admin.asks(PrincipalRoles, principal="eve", roles=("developer",), ttl_seconds=60).ok
    node, eve = hub.registers(labels=FOR_DEVELOPERS), hub.logs_in("eve", token=token)
    assert eve.hears(m.AuthOk).roles == ("developer",)
    channel, _ = hub.opens(eve, node)
    hub.passes(62)
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_CLOSED
    assert eve.hears(m.ChannelClose, 1).message == "You may not do this on the node any more"
    (ended,) = hub.audited("access.ended")
    assert (ended.principal, ended.detail.split(" until ")[0]) == ("eve", "role developer")
    assert hub.logs_in("eve", token=token).hears(m.AuthOk).roles == ()


def test_labels_of_the_hub_end_what_they_do_not_allow_and_leave_the_login(hub: MemoryHub) -> None:
    admin, dev = hub.logs_in("admin"), hub.logs_in("dev")
    node, other = hub.registers(labels=FOR_DEVELOPERS), hub.registers("n2", labels=FOR_DEVELOPERS)
    channel, _ = hub.opens(dev, node)
    theirs, _ = hub.opens(dev, other, 2, node_id="n2")
    assert admin.asks(NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"}).ok
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_CLOSED
    closed = dev.hears(m.ChannelClose, 1)
    assert (closed.reason, closed.message) == (CloseReason.ERROR, "You may not do this on the node any more")
    other.sends(theirs, b"goes on", DataOpcode.STDOUT)
    assert dev.data(2) == b"goes on"
    assert dev.closed_with is None


def test_a_request_that_waits_is_refused_when_it_is_not_allowed_any_more(hub: MemoryHub) -> None:
    admin, dev, node = hub.logs_in("admin"), hub.logs_in("dev"), hub.registers(labels=FOR_DEVELOPERS)
    dev.says(m.SessionOpen(node_id="n1"), 1)
    channel, asked = node.hears_at(m.NodeSessionOpen)
    assert admin.asks(NodeLabelsSet, node_id="n1", labels={"allow-roles": "ops"}).ok
    node.says(m.NodeSessionOpened(session_id=asked.session_id), channel)
    assert dev.heard(m.SessionOpened) == []
    assert node.hears(m.ChannelClose, channel).reason == CloseReason.CLIENT_CLOSED


def test_an_admin_who_ends_its_own_connection_hears_that_it_is_done(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    (mine,) = admin.asks(PeersRequest).peers
    result = admin.asks(PeerDrop, peer_id=mine.peer_id)
    assert result.ok
    assert admin.hears(m.ProtocolError).code == "not_authorized"
    assert admin.closed_with == 4400


def test_an_admin_who_takes_its_own_role_away_hears_that_it_is_done(hub: MemoryHub) -> None:
    token, _ = enrol(hub, hub.logs_in("admin"), roles=("admin",))
    eve = hub.logs_in("eve", token=token)
    result = eve.asks(PrincipalRoles, principal="eve", roles=("viewer",))
    assert result.ok
    assert eve.hears(m.ProtocolError).retry_after == 0
    assert eve.closed_with == 4400


def test_what_waits_behind_an_own_end_is_refused(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    token, _ = enrol(hub, admin, roles=("admin",))
    eve = hub.logs_in("eve", token=token)
    eve.says_together(
        PrincipalRevoke(request_id="a", principal="eve"),
        PrincipalAdd(request_id="b", principal="mallory", roles=("admin",)),
    )
    assert [said.ok for said in eve.heard(AdminResult)] == [True]
    assert admin.asks(PrincipalRevoke, principal="mallory").code == "not_found"


def test_two_admins_who_revoke_each_other_are_not_both_out(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    tokens = [enrol(hub, admin, name, roles=("admin",))[0] for name in ("ann", "bob")]
    ann, bob = (hub.logs_in(name, token=token) for name, token in zip(("ann", "bob"), tokens, strict=True))
    with hub.at_once():
        ann.says(PrincipalRevoke(request_id="r", principal="bob"))
        bob.says(PrincipalRevoke(request_id="r", principal="ann"))
    assert [ann.closed_with, bob.closed_with] == [None, 4400]


def test_a_refused_lock_changes_nothing(hub: MemoryHub) -> None:
    admin = hub.logs_in("admin")
    assert not admin.asks(LockAdd, kind="principal", name="admin").ok
    assert not admin.asks(LockAdd, kind="role", name="admin").ok
    assert admin.closed_with is None
    assert hub.audited("peer.revoked") == []
