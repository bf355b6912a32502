"""Locks, credentials and invites through the wire: what is made, who it holds for, and how long."""

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.messages.admin import (
    AccessRequest,
    CredentialRevoke,
    InviteCreate,
    InviteRevoke,
    InvitesRequest,
    JoinAccepted,
    JoinRefused,
    JoinRequest,
    KeyAdd,
    LockAdd,
    LockRemove,
    LocksRequest,
    NodeRecordsRequest,
    NodeRelease,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    PrincipalsRequest,
    TokenAdd,
    TokenRotate,
)
from omnyshell.security.credentials import LoginContext
from omnyshell.security.join_proof import join_message


@pytest.fixture
def admin(hub: MemoryHub) -> MemoryPeer:
    return hub.logs_in("admin")


class Joiner:
    """Somebody with a key of its own, who has yet to join."""

    def __init__(self, hub: MemoryHub, role: str = "node", address: str = "192.0.2.8") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.peer = hub.connects(address)
        self._role = role
        self._spki = hub.spki_sha256
        nonce = self.peer.hears(m.Hello).nonce
        assert nonce is not None
        self._nonce = nonce
        info: dict[str, object] = {"agent": "memory", "features": sorted(OF_HUB)}
        self.peer.says(m.Hello(role=role, protocol_version=1, min_version=1, info=info))

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    def joins(self, token: str, *, signed: str | None = None, **fields: Any) -> Any:
        """Ask to join; returns the answer, or with which code the hub closed."""
        context = LoginContext(nonce=self._nonce, role=self._role, spki_sha256=self._spki)
        proved = join_message(context, hashlib.sha256((signed or token).encode()).digest())
        signature = base64.b64encode(self.key.sign(proved)).decode()
        self.peer.says(JoinRequest(token=token, public_key=self.public_key, signature=signature, **fields))
        answers = self.peer.heard(JoinAccepted) or self.peer.heard(JoinRefused)
        return answers[0] if answers else self.peer.closed_with


def test_an_invited_node_has_its_id_and_labels_and_the_token_is_good_once(hub: MemoryHub, admin: MemoryPeer) -> None:
    made = admin.asks(InviteCreate, kind="node", node_id="web-1", labels={"env": "prod"})
    (invite,) = admin.asks(InvitesRequest).invites
    assert (invite.invite_id, invite.kind, invite.node_id) == (made.invite_id, "node", "web-1")
    joiner = Joiner(hub)
    joined = joiner.joins(made.token)
    assert (joined.principal, joined.node_id, joined.labels) == ("node:web-1", "web-1", {"env": "prod"})
    assert joiner.peer.closed_with == 1000
    assert admin.asks(InvitesRequest).invites == ()
    again = Joiner(hub).joins(made.token)
    assert again.reason == "used"
    (record,) = [record for record in admin.asks(NodeRecordsRequest).nodes if record.node_id == "web-1"]
    assert record.hub_labels == {"env": "prod"}
    assert admin.asks(NodeRelease, node_id="web-1").ok
    assert "node:web-1" not in {found.principal for found in admin.asks(PrincipalsRequest).principals}


def test_a_wrong_token_and_a_wrong_proof_are_one_refusal(hub: MemoryHub, admin: MemoryPeer) -> None:
    made = admin.asks(InviteCreate, kind="node", node_id="web-1")
    closed = [
        Joiner(hub, address="192.0.2.21").joins("x" * 43),
        Joiner(hub, address="192.0.2.22").joins(made.token, signed="another token"),
    ]
    assert closed == [4401, 4401]
    assert Joiner(hub).joins(made.token).node_id == "web-1"


@pytest.mark.parametrize(
    ("role", "made", "fields", "reason"),
    [
        ("client", {"kind": "node"}, {}, "other_kind"),
        ("node", {"kind": "user", "principal": "new"}, {}, "other_kind"),
        ("node", {"kind": "node", "node_id": "web-1"}, {"node_id": "web-2"}, "other_id"),
        ("node", {"kind": "node"}, {}, "bad_id"),
        ("node", {"kind": "node"}, {"node_id": "a b"}, "bad_id"),
        ("node", {"kind": "node"}, {"suggested_id": "n1"}, "id_taken"),
        ("node", {"kind": "node", "uses": 2, "id_prefix": "web-"}, {"node_id": "db-1"}, "other_id"),
        ("node", {"kind": "node", "uses": 2}, {"node_id": "n1"}, "id_taken"),
    ],
)
def test_a_join_that_is_refused_leaves_the_invite(
    hub: MemoryHub, admin: MemoryPeer, role: str, made: dict[str, Any], fields: dict[str, Any], reason: str
) -> None:
    hub.registers()
    token = admin.asks(InviteCreate, **made).token
    refused = Joiner(hub, role).joins(token, **fields)
    assert refused.reason == reason
    assert len(admin.asks(InvitesRequest).invites) == 1
    (record,) = hub.audited("invite.refused")
    assert (record.outcome, record.reason) == ("denied", reason)


def test_an_invite_ends_by_itself_or_by_an_admin(hub: MemoryHub, admin: MemoryPeer) -> None:
    short = admin.asks(InviteCreate, kind="node", ttl_seconds=60)
    long = admin.asks(InviteCreate, kind="node")
    hub.passes(61)
    assert Joiner(hub).joins(short.token, suggested_id="a").reason == "expired"
    assert admin.asks(InviteRevoke, invite_id=long.invite_id).ok
    assert Joiner(hub).joins(long.token, suggested_id="a") == 4401


def test_machines_of_one_image_get_ids_of_their_own(hub: MemoryHub, admin: MemoryPeer) -> None:
    made = admin.asks(InviteCreate, kind="node", uses=3, id_prefix="web-")
    ids = [Joiner(hub).joins(made.token, suggested_id="image").node_id for _ in range(2)]
    assert ids == ["web-image", "web-image-2"]
    (left,) = admin.asks(InvitesRequest).invites
    assert (left.uses_left, left.id_prefix) == (1, "web-")
    assert Joiner(hub).joins(made.token, node_id="web-7").node_id == "web-7"
    assert Joiner(hub).joins(made.token, suggested_id="image").reason == "used"


def test_a_person_joins_with_roles_and_a_key_that_end(hub: MemoryHub, admin: MemoryPeer) -> None:
    made = admin.asks(
        InviteCreate, kind="user", principal="ann", roles=("developer",), role_ttl_seconds=60, key_ttl_seconds=600
    )
    joined = Joiner(hub, "client").joins(made.token)
    assert (joined.principal, joined.roles) == ("ann", ("developer",))
    (found,) = [found for found in admin.asks(PrincipalsRequest).principals if found.principal == "ann"]
    assert [(role.role) for role in found.timed_roles] == ["developer"]
    assert found.credentials[0].expires_at is not None
    hub.passes(61)
    (found,) = [found for found in admin.asks(PrincipalsRequest).principals if found.principal == "ann"]
    assert (found.roles, len(found.credentials)) == ((), 1)
    hub.passes(600)
    (found,) = [found for found in admin.asks(PrincipalsRequest).principals if found.principal == "ann"]
    assert found.credentials == ()
    ends = [record.detail.split(" until ")[0] for record in hub.audited("access.ended")]
    assert ends[0] == "role developer"
    assert ends[1].startswith("key ")


def test_a_locked_node_is_sent_away_and_comes_back_when_the_lock_ends(hub: MemoryHub, admin: MemoryPeer) -> None:
    node = hub.registers()
    answer = admin.asks(LockAdd, kind="node", name="n1", why="disk check", ttl_seconds=60)
    assert answer.ok
    assert answer.expires_at is not None
    hub.passes(2)
    assert node.closed_with == 1013
    back = hub.logs_in("box", "node")
    back.says(m.NodeRegister(node_id="n1", platform=hub.platform))
    assert back.closed_with == 1013
    (refused,) = hub.audited("node.rejected")
    assert "disk check" in refused.reason
    assert admin.asks(NodeRecordsRequest).nodes[0].locked
    hub.passes(60)
    assert admin.asks(LocksRequest).locks == ()
    (ended,) = hub.audited("lock.ended")
    assert (ended.node_id, ended.detail) == ("n1", "node n1")
    hub.registers()


def test_a_lock_that_is_removed_lets_the_login_in_again(hub: MemoryHub, admin: MemoryPeer) -> None:
    assert admin.asks(LockAdd, kind="principal", name="dev").ok
    assert hub.logs_in("dev").closed_with == 4401
    assert admin.asks(LockRemove, kind="principal", name="dev").ok
    assert hub.logs_in("dev").hears(m.AuthOk).principal == "dev"


def test_a_lock_of_nobody_says_so(hub: MemoryHub, admin: MemoryPeer) -> None:
    hub.registers()
    for kind, name, text in (
        ("principal", "nobody", "nobody knows a principal"),
        ("node", "n9", "nobody knows a node"),
        ("role", "chef", "nobody has the role"),
    ):
        assert text in admin.asks(LockAdd, kind=kind, name=name).message
    for kind, name in (("principal", "dev"), ("node", "n1"), ("role", "developer")):
        assert admin.asks(LockAdd, kind=kind, name=name).message is None
    assert len(admin.asks(LocksRequest).locks) == 6


def test_the_last_admin_whose_login_does_not_end_cannot_be_locked_out(hub: MemoryHub, admin: MemoryPeer) -> None:
    admin.asks(PrincipalAdd, principal="tmp", roles=("admin",), ttl_seconds=3600)
    tmp = hub.logs_in("tmp", token=admin.asks(TokenAdd, principal="tmp").token)
    assert "make another admin first" in tmp.asks(LockAdd, kind="principal", name="admin").message
    admin.asks(PrincipalAdd, principal="ann", roles=("admin",))
    admin.asks(TokenAdd, principal="ann")
    assert tmp.asks(LockAdd, kind="principal", name="admin").ok
    assert admin.closed_with == 4400


def test_an_admin_does_not_get_a_role_that_is_locked(hub: MemoryHub, admin: MemoryPeer) -> None:
    admin.asks(PrincipalAdd, principal="ann", roles=("admin",))
    admin.asks(LockAdd, kind="role", name="chef")
    assert "could not log in" in admin.asks(PrincipalRoles, principal="ann", roles=("admin", "chef")).message
    assert admin.asks(PrincipalRoles, principal="ann", roles=("chef",)).ok


def test_a_principal_has_the_credentials_that_were_made_for_it(hub: MemoryHub, admin: MemoryPeer) -> None:
    admin.asks(PrincipalAdd, principal="ann", display_name="Ann", roles=("viewer",))
    token = admin.asks(TokenAdd, principal="ann", label="laptop", ttl_seconds=3600)
    key = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    added = admin.asks(KeyAdd, principal="ann", public_key=key, label="work")
    (found,) = [found for found in admin.asks(PrincipalsRequest).principals if found.principal == "ann"]
    told = {(known.id, known.kind.value, known.label, known.public_key) for known in found.credentials}
    assert (token.credential_id, "token", "laptop", None) in told
    assert (added.id, "key", "work", key.rstrip("=")) in told
    assert (found.display_name, found.created_by, found.source) == ("Ann", "admin", "hub")
    assert admin.asks(CredentialRevoke, principal="ann", credential_id=added.id).ok
    assert hub.logs_in("ann", token=token.token).hears(m.AuthOk).roles == ("viewer",)
    assert admin.asks(PrincipalRevoke, principal="ann").ok
    assert hub.logs_in("ann", token=token.token).closed_with == 4401


def test_which_token_is_rotated_must_be_clear(hub: MemoryHub, admin: MemoryPeer) -> None:
    admin.asks(PrincipalAdd, principal="ann")
    tokens = [admin.asks(TokenAdd, principal="ann", ttl_seconds=ttl) for ttl in (None, 600)]
    rotated = admin.asks(TokenRotate, principal="ann")
    assert rotated.expires_at is None
    named = admin.asks(TokenRotate, principal="ann", credential_id=tokens[1].credential_id, overlap_seconds=0)
    assert named.expires_at == tokens[1].expires_at
    assert hub.logs_in("ann", token=tokens[1].token).closed_with == 4401
    assert hub.logs_in("ann", token=named.token).hears(m.AuthOk)
    admin.asks(TokenAdd, principal="ann")
    assert not admin.asks(TokenRotate, principal="ann").ok


def test_everybody_may_ask_what_they_may_do_and_admins_about_others(hub: MemoryHub, admin: MemoryPeer) -> None:
    hub.registers(labels={"allow-roles": "developer"})
    dev = hub.logs_in("dev")
    mine = dev.asks(AccessRequest, node_id="n1")
    assert (mine.principal, mine.known, mine.online, mine.roles) == ("dev", True, True, ("developer",))
    assert {right.right for right in mine.rights if right.allowed} >= {"exec", "shell"}
    theirs = admin.asks(AccessRequest, node_id="n1", principal="dev")
    assert theirs.rights == mine.rights
    assert dev.asks(AccessRequest, node_id="n1", principal="admin").code == "not_authorized"
    assert dev.asks(AccessRequest, node_id="n9").code == "not_found"
    assert [right.right for right in dev.asks(AccessRequest, node_id="@local").rights] == ["expose"]
    unknown = admin.asks(AccessRequest, node_id="n1", principal="nobody")
    assert (unknown.known, [right for right in unknown.rights if right.allowed]) == (False, [])
    admin.asks(LockAdd, kind="role", name="developer")
    locked = admin.asks(AccessRequest, node_id="n1", principal="dev")
    assert [right for right in locked.rights if right.allowed] == []


def test_what_is_looked_at_together_is_one_record(hub: MemoryHub, admin: MemoryPeer) -> None:
    for kind in (PrincipalsRequest, InvitesRequest, LocksRequest, InvitesRequest):
        admin.asks(kind)
    hub.passes(0.2)
    admin.asks(LocksRequest)
    hub.passes(0.2)
    together = f"{PrincipalsRequest.TYPE}, {InvitesRequest.TYPE}, {LocksRequest.TYPE}"
    assert sorted(record.detail for record in hub.audited("admin.read")) == sorted((LocksRequest.TYPE, together))
