"""Every message of the extension `events` as raw JSON, written by hand from docs/extensions.md."""

import json
from typing import Any

import pytest
from support.in_one_test import in_one_test

from omnyshell import FrameCodec, ProtocolException
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.messages import events

TS = "2026-01-02T03:04:05.678Z"
S = {"subscriptionId": "s"}
SUBSCRIBE = S | {"parts": ["nodes"], "auditSince": TS, "auditLimit": 1}
UPDATE = S | {"seq": 1, "at": TS}
SNAPSHOT = UPDATE | {"scope": "own"}
FULL_SNAPSHOT = SNAPSHOT | {"parts": []}
NODE = {"nodeId": "n", "state": "online"}
SESSION = {
    "sessionId": "0a1b2c3d-0000-4000-8000-000000000000",
    "nodeId": "n",
    "principal": "p",
    "mode": "exec",
    "state": "open",
    "createdAt": TS,
}
BYTES = {"bytesIn": 0, "bytesOut": 0}
TUNNEL = {
    "tunnelId": "t", "nodeId": "n", "principal": "p", "targetHost": "h", "targetPort": 80, "publicPort": 9000,
    "createdAt": TS,
}  # fmt: skip
CONNECTIONS = {"connections": 0, "connectionsTotal": 0}
PEER = {"peerId": "x", "role": "client", "principal": "p", "connectedAt": TS}
RECORD = {"at": TS, "action": "a"}
FIGURES = (
    "peers", "nodes", "sessions", "tunnels", "tunnelConnections", "subscribers", "logins", "loginFailures",
    "sessionsOpened", "sessionsRejected", "bytesRelayed", "relayRate", "framesRelayed", "framesDropped",
    "heartbeatTimeouts", "auditQueue", "auditLost", "auditBroken", "loopLagMicros",
)  # fmt: skip
METRICS = {"hubUid": "", "version": "", "startedAt": TS} | dict.fromkeys(FIGURES, 0)
COUNTED = {"nodeId": "n", "sessionId": "0a1b2c3d-0000-4000-8000-000000000000"}
FULL_NODE = NODE | {
    "gone": True, "uid": "nod_x", "displayName": "N", "labels": {"a": "b"}, "hubLabels": {"c": "d"},
    "platform": {"os": "linux", "arch": "x64", "agentVersion": "1", "hostname": "h"},
    "capabilities": {"shells": [], "features": ["exec"], "maxSessions": 5},
    "principal": "p", "address": "a", "sessions": 0, "latencyMicros": 7, "connectedAt": TS, "lastHeardAt": TS,
}  # fmt: skip
FULL_SESSION = SESSION | BYTES | {
    "gone": True, "address": "a", "command": "c", "cwd": "/", "resumed": True, "detachedAt": TS, "expiresAt": TS,
    "reason": "normal", "rateIn": 1, "rateOut": 2, "takenBy": "root", "watchedBy": ["ann", "root"],
}  # fmt: skip
LACKING = {"right": "expose", "allowed": False, "why": "it is a right of its own", "needed": ["admin"]}
NODE_APART = NODE | {"denied": [LACKING]}
ME = {"principal": "ann"}
OWN = ME | {"roles": ["dev"], "denied": [LACKING]}
FULL_TUNNEL = TUNNEL | CONNECTIONS | BYTES | {
    "gone": True, "publicHost": "h", "secure": True, "protocol": "http", "rateIn": 1, "rateOut": 2,
}  # fmt: skip
FULL_PEER = PEER | {"gone": True, "address": "a", "nodeId": "n"}
VITALS = {"vitals": {"load1": 7, "memoryUsed": 1}}
TOLD = {"nodeId": "n1"} | VITALS

# type, the least that can be read, what is written of it.
MINIMAL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("events.subscribe", S, S | {"auditLimit": 200}),
    ("events.subscribe", SUBSCRIBE, SUBSCRIBE),
    ("events.unsubscribe", S, S),
    ("events.snapshot", SNAPSHOT, FULL_SNAPSHOT),
    ("events.snapshot", SNAPSHOT | {"first": True, "last": True}, FULL_SNAPSHOT | {"first": True, "last": True}),
    ("events.snapshot", SNAPSHOT | {"nodes": [NODE]}, FULL_SNAPSHOT | {"nodes": [NODE]}),
    ("events.snapshot", SNAPSHOT | {"metrics": {"startedAt": TS}}, FULL_SNAPSHOT | {"metrics": METRICS}),
    ("events.snapshot", SNAPSHOT | {"own": ME}, FULL_SNAPSHOT | {"own": ME | {"roles": []}}),
    ("events.snapshot", SNAPSHOT | {"own": OWN}, FULL_SNAPSHOT | {"own": OWN}),
    ("events.delta", UPDATE, UPDATE),
    ("events.delta", UPDATE | {"own": OWN}, UPDATE | {"own": OWN}),
    ("events.delta", UPDATE | {"nodes": [NODE_APART]}, UPDATE | {"nodes": [NODE_APART]}),
    ("events.delta", UPDATE | {"nodes": [FULL_NODE]}, UPDATE | {"nodes": [FULL_NODE]}),
    ("events.delta", UPDATE | {"sessions": [SESSION]}, UPDATE | {"sessions": [SESSION | BYTES]}),
    ("events.delta", UPDATE | {"sessions": [FULL_SESSION]}, UPDATE | {"sessions": [FULL_SESSION]}),
    ("events.delta", UPDATE | {"tunnels": [TUNNEL]}, UPDATE | {"tunnels": [TUNNEL | CONNECTIONS | BYTES]}),
    ("events.delta", UPDATE | {"tunnels": [FULL_TUNNEL]}, UPDATE | {"tunnels": [FULL_TUNNEL]}),
    ("events.delta", UPDATE | {"peers": [PEER]}, UPDATE | {"peers": [PEER]}),
    ("events.delta", UPDATE | {"peers": [FULL_PEER]}, UPDATE | {"peers": [FULL_PEER]}),
    ("events.delta", UPDATE | {"records": [RECORD]}, UPDATE | {"records": [RECORD | {"outcome": "ok"}]}),
    ("events.delta", UPDATE | {"sessionTraffic": [COUNTED]}, UPDATE | {"sessionTraffic": [COUNTED | BYTES]}),
    (
        "events.delta",
        UPDATE | {"tunnelTraffic": [{"tunnelId": "t", "rateOut": 3}]},
        UPDATE | {"tunnelTraffic": [{"tunnelId": "t", "rateOut": 3} | CONNECTIONS | BYTES]},
    ),
    ("events.delta", UPDATE | {"nodes": [NODE | VITALS]}, UPDATE | {"nodes": [NODE | VITALS]}),
    ("events.delta", UPDATE | {"nodeVitals": [TOLD]}, UPDATE | {"nodeVitals": [TOLD]}),
    ("events.lagged", S | {"seq": 2}, S | {"seq": 2, "missedRecords": 0}),
    ("events.ended", S | {"code": "unsubscribed"}, S | {"code": "unsubscribed"}),
    ("events.ended", S | {"code": "c", "message": "m"}, S | {"code": "c", "message": "m"}),
    ("node.sessions.live.request", {"requestId": "r"}, {"requestId": "r"}),
    ("node.sessions.live.response", {"requestId": "r"}, {"requestId": "r", "sessions": []}),
]  # fmt: skip


@in_one_test(("type_", "read", "written"), MINIMAL)
def test_the_least_is_read_and_written_in_full(type_: str, read: dict[str, Any], written: dict[str, Any]) -> None:
    codec = events.register(FrameCodec())
    frame = codec.decode_control(json.dumps({"t": type_, "d": read}).encode())
    assert json.loads(encode_control(frame.message)) == {"t": type_, "d": written}


def test_the_table_has_every_message() -> None:
    assert {type_ for type_, _, _ in MINIMAL} == {message.TYPE for message in events.MESSAGES}


@in_one_test(
    ("type_", "data"),
    [
        ("events.subscribe", {}),
        ("events.subscribe", S | {"parts": "nodes"}),
        ("events.subscribe", S | {"auditSince": "yesterday"}),
        ("events.delta", S | {"seq": "1", "at": TS}),
        ("events.delta", UPDATE | {"sessions": [{"sessionId": "0a1b2c3d-0000-4000-8000-000000000000"}]}),
        ("events.snapshot", UPDATE),
    ],
)
def test_what_is_missing_or_mistyped_is_undecodable(type_: str, data: dict[str, Any]) -> None:
    with pytest.raises(ProtocolException):
        events.register(FrameCodec()).decode_control(json.dumps({"t": type_, "d": data}).encode())


def test_a_peer_that_does_not_use_it_does_not_know_it() -> None:
    assert not {message.TYPE for message in events.MESSAGES} & FrameCodec().message_types
