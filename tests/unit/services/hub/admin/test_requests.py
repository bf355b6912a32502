"""What admins ask for: each question's answer, each refusal with its code, and that a refusal changes nothing."""

from typing import Any

import pytest
from support.memory_hub import MemoryHub, MemoryPeer

from omnyshell.errors import ConfigException
from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages.admin import (
    AccessRequest,
    AdminRequest,
    AdminResult,
    AllTunnelsRequest,
    AuditAcknowledge,
    AuditRequest,
    CredentialRevoke,
    HubInfoRequest,
    InviteCreate,
    InviteRevoke,
    InvitesRequest,
    KeyAdd,
    LiveSessionsRequest,
    LockAdd,
    LockRemove,
    LocksRequest,
    NodeLabelsSet,
    NodeRecordsRequest,
    NodeRelease,
    PeerDrop,
    PeersRequest,
    PrincipalAdd,
    PrincipalRevoke,
    PrincipalRoles,
    PrincipalsRequest,
    SessionEnd,
    TokenAdd,
    TokenRotate,
    TunnelEnd,
)
from omnyshell.services.hub.ground.state_file import StateFile

REFUSED: list[tuple[type[AdminRequest], dict[str, Any], str, str]] = [
    (PrincipalAdd, {"principal": "dev"}, "bad_request", "configuration"),
    (PrincipalAdd, {"principal": "a b"}, "bad_request", "without spaces"),
    (PrincipalAdd, {"principal": ""}, "bad_request", "1 to"),
    (PrincipalAdd, {"principal": "ann"}, "bad_request", "already"),
    (PrincipalAdd, {"principal": "new", "display_name": "x" * 257}, "bad_request", "displayName"),
    (PrincipalAdd, {"principal": "new", "roles": tuple(map(str, range(65)))}, "bad_request", "at most 64"),
    (PrincipalAdd, {"principal": "new", "roles": ("two words",)}, "bad_request", "is no role"),
    (PrincipalAdd, {"principal": "new", "roles": ("r" * 129,)}, "bad_request", "is no role"),
    (PrincipalAdd, {"principal": "new", "roles": ("r",), "ttl_seconds": 0}, "bad_request", "ttlSeconds"),
    (PrincipalAdd, {"principal": "new", "ttl_seconds": 60}, "bad_request", "which roles"),
    (PrincipalRoles, {"principal": "ann", "roles": ("viewer",), "ttl_seconds": 60}, "bad_request", "already"),
    (PrincipalRoles, {"principal": "dev", "roles": ("viewer",)}, "bad_request", "configuration"),
    (PrincipalRoles, {"principal": "nobody"}, "not_found", "nobody"),
    (PrincipalRevoke, {"principal": "nobody"}, "not_found", "nobody"),
    (PrincipalRevoke, {"principal": "dev"}, "bad_request", "configuration"),
    (TokenAdd, {"principal": "nobody"}, "not_found", "nobody"),
    (TokenAdd, {"principal": "ann", "ttl_seconds": -1}, "bad_request", "ttlSeconds"),
    (TokenAdd, {"principal": "ann", "label": "x" * 257}, "bad_request", "label"),
    (TokenRotate, {"principal": "ann"}, "not_found", "no such token"),
    (TokenRotate, {"principal": "ann", "overlap_seconds": -1}, "bad_request", "overlapSeconds"),
    (TokenRotate, {"principal": "ann", "credential_id": "none"}, "not_found", "no such token"),
    (KeyAdd, {"principal": "ann", "public_key": "no key"}, "bad_request", "key"),
    (CredentialRevoke, {"principal": "ann", "credential_id": "none"}, "not_found", "no credential"),
    (PeerDrop, {"peer_id": "none"}, "not_found", "no connection"),
    (SessionEnd, {"session_ref": "none"}, "not_found", "no session"),
    (SessionEnd, {"session_ref": ""}, "not_found", "no session"),
    (SessionEnd, {"session_ref": "x", "node_id": "n9", "principal": "ann"}, "node_offline", "is offline"),
    (TunnelEnd, {"tunnel_ref": "none"}, "not_found", "no tunnel"),
    (TunnelEnd, {"tunnel_ref": ""}, "not_found", "no tunnel"),
    (NodeLabelsSet, {"node_id": "a b"}, "bad_request", "node id"),
    (NodeLabelsSet, {"node_id": "n1", "labels": {"": "x"}}, "bad_request", "no name"),
    (NodeLabelsSet, {"node_id": "n1", "labels": {"x": "y" * 16_384}}, "bad_request", "too many"),
    (NodeRelease, {"node_id": "n9"}, "not_found", "nobody holds"),
    (NodeRelease, {"node_id": "n1"}, "bad_request", "is connected"),
    (AuditAcknowledge, {}, "not_found", "nothing is wrong"),
    (InviteCreate, {"kind": "robot"}, "bad_request", "node or user"),
    (InviteCreate, {"kind": "node", "ttl_seconds": 0}, "bad_request", "ttlSeconds"),
    (InviteCreate, {"kind": "node", "ttl_seconds": 31 * 86_400}, "bad_request", "30 days"),
    (InviteCreate, {"kind": "node", "node_id": "n1"}, "bad_request", "belongs to 'box'"),
    (InviteCreate, {"kind": "node", "role_ttl_seconds": 60}, "bad_request", "roleTtlSeconds"),
    (InviteCreate, {"kind": "node", "node_id": "n2", "uses": 2}, "bad_request", "id of its own"),
    (InviteCreate, {"kind": "node", "uses": 0}, "bad_request", "uses"),
    (InviteCreate, {"kind": "node", "id_prefix": "x" * 65}, "bad_request", "idPrefix"),
    (InviteCreate, {"kind": "user", "principal": "dev"}, "bad_request", "configuration"),
    (InviteCreate, {"kind": "user", "principal": "new", "uses": 2}, "bad_request", "for nodes"),
    (InviteCreate, {"kind": "user", "principal": "new", "key_ttl_seconds": 0}, "bad_request", "keyTtlSeconds"),
    (InviteRevoke, {"invite_id": "none"}, "not_found", "no invite"),
    (LockAdd, {"kind": "planet", "name": "x"}, "bad_request", "kind"),
    (LockAdd, {"kind": "node", "name": "a b"}, "bad_request", "must be"),
    (LockAdd, {"kind": "role", "name": "x", "why": "two\nlines"}, "bad_request", "one line"),
    (LockAdd, {"kind": "role", "name": "x", "why": "x" * 257}, "bad_request", "why"),
    (LockAdd, {"kind": "principal", "name": "admin"}, "bad_request", "that is you"),
    (LockAdd, {"kind": "role", "name": "admin"}, "bad_request", "you have that role"),
    (LockRemove, {"kind": "role", "name": "x"}, "not_found", "not locked"),
    (LockRemove, {"kind": "planet", "name": "x"}, "bad_request", "kind"),
    (AccessRequest, {"node_id": "n9", "principal": "ann"}, "not_found", "nobody holds"),
    (AccessRequest, {"node_id": "n1", "principal": "a\nb"}, "bad_request", "must be"),
]

READS = (
    HubInfoRequest,
    PeersRequest,
    LiveSessionsRequest,
    AllTunnelsRequest,
    NodeRecordsRequest,
    AuditRequest,
    PrincipalsRequest,
    InvitesRequest,
    LocksRequest,
)
CHANGES = tuple(dict.fromkeys(kind for kind, *_ in REFUSED if kind is not AccessRequest))


@pytest.fixture
def admin(hub: MemoryHub) -> MemoryPeer:
    peer = hub.logs_in("admin")
    assert peer.asks(PrincipalAdd, principal="ann", roles=("viewer",)).ok
    hub.registers()
    return peer


def state_of(admin: MemoryPeer) -> list[Any]:
    reads = (PrincipalsRequest, InvitesRequest, LocksRequest, NodeRecordsRequest, PeersRequest, LiveSessionsRequest)
    found = [admin.asks(read) for read in reads]
    return [tuple(answer.to_wire()[answer.LISTS]) for answer in found]


def test_each_refusal_says_why_and_changes_nothing(hub: MemoryHub, admin: MemoryPeer) -> None:
    before = state_of(admin)
    for kind, fields, code, text in REFUSED:
        answer = admin.asks(kind, **fields)
        assert isinstance(answer, AdminResult), (kind, fields)
        assert (answer.ok, answer.code) == (False, code), (kind, fields, answer)
        assert text in (answer.message or ""), (kind, fields, answer)
    assert state_of(admin) == before
    denied = [record for record in hub.audited("admin.*") if record.outcome == "error"]
    assert len(denied) == len([kind for kind, *_ in REFUSED if kind is not AccessRequest])
    assert all(len(record.detail) < 1000 for record in denied)


def test_others_may_ask_for_nothing_and_their_asking_is_audited(hub: MemoryHub, admin: MemoryPeer) -> None:
    dev, before = hub.logs_in("dev"), state_of(admin)
    fields = {kind: values for kind, values, *_ in REFUSED}
    for kind in (*READS, *CHANGES):
        assert dev.asks(kind, **fields.get(kind, {})).code == "not_authorized"
    records = [record for record in hub.audited("admin.*") if record.outcome == "denied"]
    assert [record.action for record in records] == [kind.TYPE for kind in (*READS, *CHANGES)]
    assert {record.principal for record in records} == {"dev"}
    after = state_of(admin)
    assert after[:4] == before[:4]


def test_a_peer_that_did_not_announce_the_extension_gets_no_answer(hub: MemoryHub) -> None:
    old = hub.logs_in("admin", features=frozenset())
    old.says(PeersRequest(request_id="r"))
    assert old.heard(AdminRequest) == []
    assert hub.hub.metrics.frames_dropped == 1
    assert old.closed_with is None


def test_what_is_live_is_told_as_it_is(hub: MemoryHub, admin: MemoryPeer) -> None:
    node, dev = hub.registers("n2", labels={"allow-roles": "developer"}), hub.logs_in("dev", address="192.0.2.7")
    channel, session_id = hub.opens(dev, node, node_id="n2")
    dev.sends(1, b"four")
    node.sends(channel, b"sixsix", DataOpcode.STDOUT)
    (session,) = admin.asks(LiveSessionsRequest).sessions
    told = (session.session_id, session.node_id, session.principal, session.address)
    assert told == (session_id, "n2", "dev", "192.0.2.7")
    assert (session.bytes_in, session.bytes_out) == (4, 6)
    info = admin.asks(HubInfoRequest)
    assert (info.peers, info.nodes, info.sessions, info.tunnels) == (4, 2, 1, 0)
    assert info.hub_uid.startswith("hub_")
    peers = {(peer.principal, peer.role, peer.node_id) for peer in admin.asks(PeersRequest).peers}
    assert peers == {("admin", "client", None), ("box", "node", "n1"), ("box", "node", "n2"), ("dev", "client", None)}
    records = {record.node_id: record for record in admin.asks(NodeRecordsRequest).nodes}
    assert {name: (found.principal, found.online) for name, found in records.items()} == {
        "n1": ("box", True),
        "n2": ("box", True),
    }


@pytest.mark.parametrize("length", [36, 8])
def test_a_session_ends_by_its_id_or_how_that_begins(hub: MemoryHub, admin: MemoryPeer, length: int) -> None:
    node, dev = hub.registers("n2", labels={"allow-roles": "developer"}), hub.logs_in("dev")
    channel, session_id = hub.opens(dev, node, node_id="n2")
    assert admin.asks(SessionEnd, session_ref=session_id[:length].upper()).ok
    assert dev.hears(m.ChannelClose, 1).message == "admin ended this session"
    assert node.hears(m.ChannelClose, channel)
    assert admin.asks(LiveSessionsRequest).sessions == ()
    (record,) = [record for record in hub.audited("admin.session.close") if record.outcome == "ok"]
    assert (record.session_id, record.node_id, record.detail) == (session_id, "n2", "dev")


@pytest.mark.parametrize(("ok", "code"), [(True, None), (False, "not_found")])
def test_a_session_that_waits_in_its_node_is_ended_by_the_node(
    hub: MemoryHub, admin: MemoryPeer, ok: bool, code: str | None
) -> None:
    node = hub.registers("n2")
    admin.says(SessionEnd(request_id="r", session_ref="abc", node_id="n2", principal="dev"))
    assert admin.heard(AdminResult)[1:] == []
    asked = node.hears(m.NodeDetachedSessionKillRequest)
    assert (asked.session_ref, asked.principal) == ("abc", "dev")
    node.says(m.NodeDetachedSessionKillResponse(request_id=asked.request_id, ok=ok, message="so"))
    answer = admin.heard(AdminResult)[-1]
    assert (answer.request_id, answer.ok, answer.code, answer.message) == ("r", ok, code, "so")


def test_a_node_that_leaves_while_it_is_asked_disturbs_nobody(hub: MemoryHub, admin: MemoryPeer) -> None:
    node = hub.registers("n2")
    admin.says(SessionEnd(request_id="r", session_ref="abc", node_id="n2", principal="dev"))
    node.vanishes()
    assert admin.asks(HubInfoRequest).nodes == 1


def test_a_node_id_is_released_once_its_node_is_gone(hub: MemoryHub, admin: MemoryPeer) -> None:
    hub.registers("n2").leaves()
    assert admin.asks(NodeRelease, node_id="n2").ok
    assert "n2" not in {record.node_id for record in admin.asks(NodeRecordsRequest).nodes}
    assert admin.asks(NodeRelease, node_id="n2").code == "not_found"


def test_the_trail_is_told_newest_last_and_within_its_bounds(hub: MemoryHub, admin: MemoryPeer) -> None:
    for name in ("x1", "x2", "x3"):
        admin.asks(PrincipalAdd, principal=name)
    records = admin.asks(AuditRequest, action="principal.*", limit=2).records
    assert [record.detail.split()[0] for record in records] == ["x2", "x3"]
    assert len(admin.asks(AuditRequest, limit=-5).records) == 1
    assert admin.asks(AuditRequest, principal="nobody").records == ()
    assert admin.asks(AuditRequest, node_id="n1").records[0].action == "node.register"
    later = hub.hub.config.clock.now().replace(year=2100)
    assert admin.asks(AuditRequest, since=later).records == ()


def test_a_question_that_cannot_be_read_from_the_disk_is_answered(
    hub: MemoryHub, admin: MemoryPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ConfigException("the disk is gone")

    monkeypatch.setattr("omnyshell.services.hub.enrolment.store.EnrolmentStore.principals", fails)
    answer = admin.asks(PrincipalsRequest)
    assert (answer.code, answer.message) == ("internal_error", "the disk is gone")


def test_what_cannot_be_written_is_answered_and_told_in_the_trail(
    hub: MemoryHub, admin: MemoryPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = StateFile.run

    def full(file: StateFile, statement: str, *values: object) -> list[Any]:
        if not statement.lstrip().upper().startswith("SELECT"):
            raise ConfigException("the disk is full")
        return run(file, statement, *values)

    monkeypatch.setattr(StateFile, "run", full)
    answer = admin.asks(PrincipalAdd, principal="new")
    assert (answer.ok, answer.code) == (False, "internal_error")
    told = [(record.outcome, record.reason) for record in hub.audited("principal.add")][-2:]
    assert told == [("ok", ""), ("error", "the disk is full")]
    monkeypatch.undo()
    assert "new" not in {found.principal for found in admin.asks(PrincipalsRequest).principals}
    assert admin.asks(PrincipalAdd, principal="new").ok


def test_too_many_at_once_are_refused_and_the_others_are_done(hub: MemoryHub, admin: MemoryPeer) -> None:
    with hub.at_once():
        for number in range(300):
            admin.says(NodeLabelsSet(request_id=f"many{number}", node_id=f"m{number}", labels={"env": "x"}))
    # Whoever says so much is read more slowly.
    hub.passes(5)
    answers = [said for said in admin.heard(AdminResult) if said.request_id.startswith("many")]
    assert len(answers) == 300
    assert {said.code for said in answers if not said.ok} <= {"capacity_exceeded"}
    done = [said for said in answers if said.ok]
    assert len(done) >= 256
    assert sum(found.node_id.startswith("m") for found in admin.asks(NodeRecordsRequest).nodes) == len(done)
