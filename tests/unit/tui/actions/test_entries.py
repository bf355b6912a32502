"""What gives access to a hub, and what revoking it means."""

from datetime import UTC, datetime, timedelta

from omnyshell.model.admin import CredentialInfo, CredentialKind, InviteInfo, InviteKind, PrincipalInfo, TimedRole
from omnyshell.protocol.messages.admin import CredentialRevoke, InviteRevoke, PrincipalRevoke
from omnyshell.tui.actions.entries import EntryKind, consequence, entries, to_revoke
from omnyshell.tui.actions.live import told

NOW = datetime(2026, 3, 14, tzinfo=UTC)
ANN = PrincipalInfo(
    principal="ann",
    roles=("admin", "developer"),
    created_at=NOW,
    credentials=(
        CredentialInfo(id="t1", kind=CredentialKind.TOKEN, label="laptop", created_at=NOW),
        CredentialInfo(id="k1", kind=CredentialKind.KEY, created_at=NOW),
    ),
)
OPS = PrincipalInfo(principal="ops", source="configuration")
WEB = InviteInfo(invite_id="i1", kind=InviteKind.NODE, labels={"env": "prod"}, created_at=NOW, expires_at=NOW)


def test_credentials_stand_below_their_principal_and_invites_at_the_end() -> None:
    found = entries([ANN, OPS], [WEB])
    assert [(entry.kind, entry.principal, entry.ident) for entry in found] == [
        (EntryKind.PRINCIPAL, "ann", ""),
        (EntryKind.TOKEN, "ann", "t1"),
        (EntryKind.KEY, "ann", "k1"),
        (EntryKind.PRINCIPAL, "ops", ""),
        (EntryKind.INVITE, "", "i1"),
    ]
    assert [entry.name for entry in found] == [
        "ann (admin, developer)",
        "token t1 of ann (laptop)",
        "key k1 of ann",
        "ops (no roles)",
        "invite i1 for a node (node, env=prod)",
    ]
    assert len({entry.key for entry in found}) == len(found)
    assert [entry.can_be_revoked for entry in found] == [True, True, True, False, True]


def test_roles_that_end_are_marked_with_the_next_end() -> None:
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(days=1)
    timed = (TimedRole(role="ops", expires_at=later), TimedRole(role="dba", expires_at=soon))
    (entry,) = entries([PrincipalInfo(principal="eve", roles=("dba", "developer", "ops"), timed_roles=timed)], [])
    assert (entry.what, entry.expires_at) == ("dba ◷, developer, ops ◷", soon)
    (entry,) = entries([OPS], [])
    assert entry.expires_at is None


def test_each_kind_is_revoked_by_its_own_request() -> None:
    principal, token, key, _, invite = (entry.revocation() for entry in entries([ANN, OPS], [WEB]))
    assert isinstance(principal, PrincipalRevoke)
    assert principal.principal == "ann"
    assert isinstance(token, CredentialRevoke)
    assert (token.principal, token.credential_id) == ("ann", "t1")
    assert isinstance(key, CredentialRevoke)
    assert key.credential_id == "k1"
    assert isinstance(invite, InviteRevoke)
    assert invite.invite_id == "i1"


def test_what_goes_with_a_principal_is_not_revoked_twice() -> None:
    found = entries([ANN], [WEB])
    assert [entry.kind for entry in to_revoke(found)] == [EntryKind.PRINCIPAL, EntryKind.INVITE]
    assert to_revoke(found[1:]) == found[1:]


def test_what_revoking_means_is_said() -> None:
    found = entries([ANN], [WEB])
    assert "any more" in consequence(found[3:], "ann")
    assert "this console" not in consequence(found[3:], "ann")
    assert "Connections made with" in consequence(found[1:2], "bob")
    assert "this console may lose the hub" in consequence(found[:1], "ann")


def test_of_many_failures_a_few_are_named() -> None:
    assert told(["a: no"], 1) == "a: no"
    assert told(["a: no"], 3) == "a: no (2 of 3 done)"
    assert told([f"{number}: no" for number in range(50)], 60) == "0: no; 1: no; 2: no; and 47 more (10 of 60 done)"
