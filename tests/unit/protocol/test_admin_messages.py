"""Every message of the extension `admin` as raw JSON, written by hand from docs/extensions.md."""

import json
from typing import Any

import pytest
from support.in_one_test import in_one_test

from omnyshell import FrameCodec, ProtocolException
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.messages import admin

TS = "2026-01-02T03:04:05.678Z"
R = {"requestId": "r"}
F = "sha256:" + 64 * "0"
CREDENTIAL = {"id": "c", "kind": "key", "createdAt": TS}
PRINCIPAL = {"principal": "p"}
FULL_PRINCIPAL = PRINCIPAL | {"roles": [], "credentials": []}
INVITE = {"inviteId": "i", "kind": "node", "createdAt": TS, "expiresAt": TS}
SESSION = {
    "sessionId": "0a1b2c3d-0000-4000-8000-000000000000",
    "nodeId": "n",
    "principal": "p",
    "mode": "exec",
    "state": "open",
    "createdAt": TS,
}
PEER = {"peerId": "x", "role": "client", "principal": "p", "connectedAt": TS}
TUNNEL = {"tunnelId": "t", "nodeId": "n", "targetPort": 80, "publicPort": 9000, "createdAt": TS}
HUB = {"hubUid": "hub_u", "version": "v", "startedAt": TS}

# type, the least that can be read, what is written of it.
MINIMAL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("admin.result", R, R | {"ok": False}),
    ("admin.result", R | {"ok": True, "id": "i"}, R | {"ok": True, "id": "i"}),
    ("admin.hub.drain", R, R),
    ("admin.hub.draining.request", R, R),
    ("admin.hub.draining.response", R, R | {"drains": False, "nodes": 0, "clients": 0}),
    ("admin.hub.invite", R | {"hub": "b"}, R | {"hub": "b"}),
    ("admin.hub.invite.created", R, R | {"founder": ""}),
    (
        "admin.hub.invite.created",
        R | {"founder": "a", "invitation": "omnyhub-x", "expiresAt": TS},
        R | {"founder": "a", "invitation": "omnyhub-x", "expiresAt": TS},
    ),
    ("admin.hub.remove", R | {"hub": "b"}, R | {"hub": "b"}),
    ("admin.hub.request", R, R),
    (
        "admin.hub.response",
        R | HUB,
        R | HUB | {"peers": 0, "nodes": 0, "sessions": 0, "tunnels": 0, "caFingerprint": ""},
    ),
    ("admin.principals.request", R, R),
    ("admin.principals.response", R | {"principals": [PRINCIPAL]}, R | {"principals": [FULL_PRINCIPAL]}),
    (
        "admin.principals.response",
        R | {"principals": [PRINCIPAL | {"credentials": [CREDENTIAL]}]},
        R | {"principals": [FULL_PRINCIPAL | {"credentials": [CREDENTIAL]}]},
    ),
    ("admin.principal.add", R | {"principal": "p"}, R | {"principal": "p", "roles": []}),
    ("admin.principal.roles", R | {"principal": "p"}, R | {"principal": "p", "roles": []}),
    ("admin.principal.revoke", R | {"principal": "p"}, R | {"principal": "p"}),
    ("admin.token.add", R | {"principal": "p"}, R | {"principal": "p"}),
    ("admin.token.rotate", R | {"principal": "p"}, R | {"principal": "p", "overlapSeconds": 3600}),
    ("admin.token.added", R | {"credentialId": "c", "token": "t"}, R | {"credentialId": "c", "token": "t"}),
    ("admin.key.add", R | {"principal": "p", "publicKey": "k"}, R | {"principal": "p", "publicKey": "k"}),
    (
        "admin.key.add",
        R | {"principal": "p", "publicKey": "k", "application": "ssh:"},
        R | {"principal": "p", "publicKey": "k", "application": "ssh:"},
    ),
    (
        "admin.credential.revoke",
        R | {"principal": "p", "credentialId": "c"},
        R | {"principal": "p", "credentialId": "c"},
    ),
    ("admin.peers.request", R, R),
    ("admin.peers.response", R | {"peers": [PEER]}, R | {"peers": [PEER | {"address": ""}]}),
    ("admin.peer.drop", R | {"peerId": "x"}, R | {"peerId": "x"}),
    ("admin.sessions.request", R, R),
    (
        "admin.sessions.response",
        R | {"sessions": [SESSION]},
        R | {"sessions": [SESSION | {"address": "", "bytesIn": 0, "bytesOut": 0}]},
    ),
    ("admin.session.close", R | {"sessionRef": "s"}, R | {"sessionRef": "s"}),
    ("admin.tunnels.request", R, R),
    (
        "admin.tunnels.response",
        R | {"tunnels": [TUNNEL]},
        R | {"tunnels": [TUNNEL | {"ownerUserId": "", "targetHost": "localhost", "publicHost": ""}]},
    ),
    ("admin.tunnel.close", R | {"tunnelRef": "t"}, R | {"tunnelRef": "t"}),
    ("admin.nodes.request", R, R),
    (
        "admin.nodes.response",
        R | {"nodes": [{"nodeId": "n"}]},
        R | {"nodes": [{"nodeId": "n", "principal": "", "online": False, "hubLabels": {}}]},
    ),
    ("admin.access.request", R | {"nodeId": "n"}, R | {"nodeId": "n"}),
    (
        "admin.access.response",
        R | {"nodeId": "@local", "principal": "p", "rights": [{"right": "shell", "allowed": True, "narrowed": True}]},
        R
        | {"nodeId": "@local", "principal": "p", "known": False, "online": False, "roles": []}
        | {"rights": [{"right": "shell", "allowed": True, "why": "", "needed": [], "narrowed": True}]},
    ),
    ("admin.node.labels", R | {"nodeId": "n"}, R | {"nodeId": "n", "labels": {}}),
    ("admin.node.release", R | {"nodeId": "n"}, R | {"nodeId": "n"}),
    ("admin.invite.create", R | {"kind": "user"}, R | {"kind": "user", "roles": [], "labels": {}, "ttlSeconds": 900}),
    (
        "admin.invite.created",
        R | {"inviteId": "i", "token": "t", "expiresAt": TS, "caFingerprint": F},
        R | {"inviteId": "i", "token": "t", "expiresAt": TS, "caFingerprint": F},
    ),
    ("admin.invites.request", R, R),
    (
        "admin.invites.response",
        R | {"invites": [INVITE]},
        R | {"invites": [INVITE | {"roles": [], "labels": {}, "createdBy": ""}]},
    ),
    ("admin.invite.revoke", R | {"inviteId": "i"}, R | {"inviteId": "i"}),
    ("admin.audit.acknowledge", R, R),
    ("admin.audit.page.request", R | {"hub": "b", "after": 7}, R | {"hub": "b", "after": 7}),
    (
        "admin.audit.page.response",
        R | {"hub": "b", "hubs": ["a", "b"], "records": [{"at": TS, "action": "a"}], "after": 9, "isLast": True},
        R
        | {
            "hub": "b",
            "hubs": ["a", "b"],
            "records": [{"at": TS, "action": "a", "outcome": "ok"}],
            "after": 9,
            "isLast": True,
        },
    ),
    ("admin.locks.request", R, R),
    ("admin.locks.response", R, R | {"locks": []}),
    (
        "admin.locks.response",
        R | {"locks": [{"id": "l", "kind": "role", "name": "ops", "createdAt": TS}]},
        R | {"locks": [{"id": "l", "kind": "role", "name": "ops", "createdAt": TS}]},
    ),
    ("admin.lock.add", R | {"kind": "node", "name": "n"}, R | {"kind": "node", "name": "n"}),
    ("admin.lock.remove", R | {"kind": "node", "name": "n"}, R | {"kind": "node", "name": "n"}),
    ("admin.audit.request", R, R | {"limit": 200}),
    (
        "admin.audit.response",
        R | {"records": [{"at": TS, "action": "a"}]},
        R | {"records": [{"at": TS, "action": "a", "outcome": "ok"}]},
    ),
    (
        "join.request",
        {"token": "t", "publicKey": "k", "signature": "s"},
        {"token": "t", "publicKey": "k", "signature": "s"},
    ),
    (
        "join.request",
        {"token": "t", "publicKey": "k", "signature": "s", "host": "h", "port": 443},
        {"token": "t", "publicKey": "k", "signature": "s", "host": "h", "port": 443},
    ),
    (
        "join.accepted",
        {"kind": "node", "principal": "p"},
        {"kind": "node", "principal": "p", "roles": [], "labels": {}},
    ),
    ("join.refused", {"reason": "used"}, {"reason": "used", "message": ""}),
]


@in_one_test(("type_", "read", "written"), MINIMAL)
def test_the_least_is_read_and_written_in_full(type_: str, read: dict[str, Any], written: dict[str, Any]) -> None:
    codec = admin.register(FrameCodec())
    frame = codec.decode_control(json.dumps({"t": type_, "d": read}).encode())
    assert json.loads(encode_control(frame.message)) == {"t": type_, "d": written}


def test_the_table_has_every_message() -> None:
    assert {type_ for type_, _, _ in MINIMAL} == {message.TYPE for message in admin.MESSAGES}


@in_one_test(
    ("type_", "data"),
    [
        ("admin.hub.request", {}),
        ("admin.invite.create", R | {"kind": 5}),
        ("admin.token.rotate", R | {"principal": "p", "overlapSeconds": "1h"}),
        ("join.request", {"token": 1, "publicKey": "k", "signature": "s"}),
    ],
)
def test_what_is_missing_or_mistyped_is_undecodable(type_: str, data: dict[str, Any]) -> None:
    with pytest.raises(ProtocolException):
        admin.register(FrameCodec()).decode_control(json.dumps({"t": type_, "d": data}).encode())


def test_a_peer_that_does_not_use_it_does_not_know_it() -> None:
    assert not {message.TYPE for message in admin.MESSAGES} & FrameCodec().message_types
