"""Every message of docs/protocol.md as raw JSON, written by hand."""

import json
from typing import Any

from support.declarations import every_message
from support.in_one_test import in_one_test

from omnyshell import ControlFrame, FrameCodec
from omnyshell.protocol.messages import admin, events
from omnyshell.protocol.messages.extending import extension_messages

TS = "2026-01-02T03:04:05.678Z"
UUID = "0a1b2c3d-0000-4000-8000-000000000000"
PLATFORM = {"os": "linux", "arch": "x64", "agentVersion": "unknown", "hostname": "unknown"}
NODE = {"nodeId": "n1", "displayName": "", "platform": PLATFORM, "labels": {}, "online": False}
SESSION = {"sessionId": UUID, "shortId": "s", "nodeId": "n", "ownerUserId": "o", "createdAt": TS}
TUNNEL = {"tunnelId": "t", "nodeId": "n", "targetPort": 80, "publicPort": 9000, "createdAt": TS}
FULL_TUNNEL = TUNNEL | {"ownerUserId": "", "targetHost": "localhost", "publicHost": ""}
PTY = {"term": "xterm-256color", "cols": 80, "rows": 24}
SHORT = {"requestId": "r"}
FORWARD = {
    "sessionId": UUID,
    "nodeId": "n",
    "places": "127.0.0.1:80 -> web:80",
    "address": "192.0.2.1",
    "createdAt": "2026-01-02T03:04:05.678Z",
    "connections": 1,
    "bytesIn": 2,
    "bytesOut": 3,
}
PROCESS = {"sessionId": UUID, "pid": 7, "parent": 1, "user": "ann", "command": "sh", "cpuMillis": 40, "memory": 4096}
VITALS = {
    "os": "Debian GNU/Linux 13", "kernel": "6.12", "uptimeSeconds": 0, "cpus": 4, "load1": 52, "load5": 0,
    "load15": 1234, "memoryTotal": 17179869184, "memoryUsed": 0, "diskTotal": 9223372036854775807, "diskUsed": 1,
}  # fmt: skip

# type, channel, the least that can be read, what is written of it.
MINIMAL: list[tuple[str, int | None, dict[str, Any], dict[str, Any]]] = [
    ("hello", None, {"role": "hub", "protocolVersion": 1}, {"role": "hub", "protocolVersion": 1, "minVersion": 1}),
    ("auth.request", None, {"principal": "a"}, {"method": "", "principal": "a"}),
    (
        "auth.ok",
        None,
        {"principal": "a", "sessionToken": "t"},
        {"principal": "a", "displayName": "", "roles": [], "sessionToken": "t"},
    ),
    ("auth.fail", None, {}, {"reason": "auth_failed", "message": "Authentication failed"}),
    ("error", None, {}, {"code": "protocol_error", "message": "Protocol error", "fatal": False}),
    ("error", 5, {}, {"code": "protocol_error", "message": "Protocol error", "fatal": False}),
    ("ping", None, {"id": "i", "ts": TS}, {"id": "i", "ts": TS}),
    ("pong", None, {"id": "i", "ts": TS, "serverTs": TS}, {"id": "i", "ts": TS, "serverTs": TS}),
    (
        "node.register",
        None,
        {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64"}},
        {"nodeId": "n1", "displayName": "", "platform": PLATFORM, "labels": {}},
    ),
    ("node.registered", None, {"nodeId": "n1", "assignedAt": TS}, {"nodeId": "n1", "assignedAt": TS}),
    ("node.capabilities", None, {}, {"shells": [], "features": [], "maxSessions": 50}),
    (
        "node.heartbeat",
        None,
        {"nodeId": "n1", "seq": 4, "ts": TS},
        {"nodeId": "n1", "activeSessions": 0, "seq": 4, "ts": TS},
    ),
    ("node.heartbeat.ack", None, {"seq": 4, "ts": TS}, {"seq": 4, "ts": TS}),
    ("node.list.request", None, {}, {}),
    ("node.list.response", None, {"nodes": [{"nodeId": "n1", "platform": PLATFORM}]}, {"nodes": [NODE]}),
    ("session.open", 1, {"nodeId": "n1"}, {"nodeId": "n1", "mode": "exec"}),
    ("session.open", 1, {"nodeId": "n1", "pty": {}}, {"nodeId": "n1", "mode": "exec", "pty": PTY}),
    ("session.opened", 1, {"sessionId": UUID}, {"sessionId": UUID, "pty": False}),
    ("session.rejected", 1, {}, {"reason": "session_rejected", "message": "Session rejected"}),
    (
        "node.session.open",
        1,
        {"sessionId": UUID, "principal": "p", "mode": "shell"},
        {"sessionId": UUID, "principal": "p", "mode": "shell"},
    ),
    ("node.session.opened", 1, {"sessionId": UUID}, {"sessionId": UUID}),
    (
        "node.session.rejected",
        1,
        {},
        {"sessionId": "", "reason": "session_rejected", "message": "Session rejected"},
    ),
    ("channel.resize", 1, {}, {"cols": 80, "rows": 24}),
    ("channel.signal", 1, {"signal": "SIGINT"}, {"signal": "SIGINT"}),
    ("channel.eof", 1, {}, {"stream": "stdin"}),
    ("channel.exit", 1, {"ts": TS}, {"exitCode": 0, "ts": TS}),
    ("channel.close", 1, {}, {"reason": "normal"}),
    ("channel.close", 1, {"message": ""}, {"reason": "normal"}),
    ("channel.window", 1, {"credit": 9}, {"stream": "stdout", "credit": 9}),
    ("channel.paint", 1, {"size": 9}, {"size": 9}),
    ("session.detach.request", 1, {}, {}),
    ("node.session.detach", 1, {"sessionId": UUID, "principal": "p"}, {"sessionId": UUID, "principal": "p"}),
    ("node.session.detached", 1, {"sessionId": UUID}, {"sessionId": UUID, "shortId": ""}),
    ("session.detached", 1, {"sessionId": UUID}, {"sessionId": UUID, "shortId": ""}),
    ("sessions.list.request", None, SHORT | {"nodeId": "n"}, SHORT | {"nodeId": "n"}),
    (
        "sessions.list.response",
        None,
        SHORT | {"sessions": [SESSION, "no object"]},
        SHORT | {"sessions": [SESSION | {"mode": "shell", "state": "detached"}]},
    ),
    ("sessions.list.response", None, SHORT | {"sessions": "no list"}, SHORT | {"sessions": []}),
    ("node.sessions.list.request", None, SHORT | {"principal": "p"}, SHORT | {"principal": "p"}),
    ("node.sessions.list.response", None, SHORT, SHORT | {"sessions": []}),
    (
        "sessions.kill.request",
        None,
        SHORT | {"nodeId": "n", "sessionRef": ""},
        SHORT | {"nodeId": "n", "sessionRef": ""},
    ),
    ("sessions.kill.response", None, SHORT | {"message": ""}, SHORT | {"ok": False}),
    (
        "node.sessions.kill.request",
        None,
        SHORT | {"principal": "p", "sessionRef": "s"},
        SHORT | {"principal": "p", "sessionRef": "s"},
    ),
    ("node.sessions.kill.response", None, SHORT | {"ok": True, "message": "m"}, SHORT | {"ok": True, "message": "m"}),
    ("sessions.detach.request", None, SHORT | {"nodeId": "n", "sessionRef": ""}, SHORT | {"nodeId": "n"}),
    ("sessions.detach.response", None, SHORT | {"shortId": ""}, SHORT | {"ok": False}),
    ("node.sessions.detach.request", None, SHORT | {"principal": "p"}, SHORT | {"principal": "p"}),
    (
        "node.sessions.detach.response",
        None,
        SHORT | {"ok": True, "shortId": "s"},
        SHORT | {"ok": True, "shortId": "s"},
    ),
    (
        "sessions.screen.request",
        None,
        SHORT | {"nodeId": "n", "sessionRef": "s"},
        SHORT | {"nodeId": "n", "sessionRef": "s"},
    ),
    ("sessions.screen.response", None, SHORT | {"screen": "", "altScreen": False}, SHORT | {"ok": False}),
    (
        "node.sessions.screen.request",
        None,
        SHORT | {"principal": "p", "sessionRef": "s"},
        SHORT | {"principal": "p", "sessionRef": "s"},
    ),
    (
        "node.sessions.screen.response",
        None,
        SHORT | {"ok": True, "screen": "AA==", "altScreen": True},
        SHORT | {"ok": True, "screen": "AA==", "altScreen": True},
    ),
    (
        "sessions.history.request",
        None,
        SHORT | {"nodeId": "n", "sessionRef": "s"},
        SHORT | {"nodeId": "n", "sessionRef": "s", "lines": 500},
    ),
    ("sessions.history.response", None, SHORT | {"lines": ""}, SHORT | {"ok": False}),
    ("forwards.list.request", None, SHORT, SHORT),
    ("forwards.list.response", None, SHORT, SHORT | {"forwards": []}),
    ("forwards.close.request", None, SHORT | {"forwardRef": ""}, SHORT | {"forwardRef": ""}),
    ("forwards.close.response", None, SHORT, SHORT | {"ok": False}),
    ("forward.dial", 1, {}, {}),
    (
        "node.sessions.history.request",
        None,
        SHORT | {"principal": "p", "sessionRef": "s"},
        SHORT | {"principal": "p", "sessionRef": "s", "lines": 500},
    ),
    ("node.sessions.history.response", None, SHORT | {"ok": True}, SHORT | {"ok": True}),
    (
        "node.place.request",
        None,
        SHORT | {"generation": "g", "hub": "a", "epoch": 7},
        SHORT | {"generation": "g", "hub": "a", "epoch": 7},
    ),
    (
        "node.place.response",
        None,
        SHORT | {"publicKey": "AAAA", "signature": "BBBB"},
        SHORT | {"publicKey": "AAAA", "signature": "BBBB"},
    ),
    ("hubs.changed", None, {}, {"hubs": []}),
    ("hubs.move", None, {}, {}),
    ("vitals.look", None, {"subscriptionId": "s", "looks": True}, {"subscriptionId": "s", "looks": True}),
    ("node.vitals.request", None, SHORT, SHORT),
    ("node.vitals.response", None, SHORT | {"vitals": {}}, SHORT | {"vitals": {}}),
    ("sessions.processes.request", None, SHORT | {"nodeId": "n"}, SHORT | {"nodeId": "n"}),
    ("sessions.processes.response", None, SHORT, SHORT | {"ok": False, "processes": []}),
    ("node.sessions.processes.request", None, SHORT, SHORT),
    ("node.sessions.processes.response", None, SHORT, SHORT | {"ok": False, "processes": []}),
    (
        "tunnel.open.request",
        None,
        SHORT | {"nodeId": "n", "targetPort": 80, "protocol": "tcp", "secure": False},
        SHORT | {"nodeId": "n", "targetHost": "localhost", "targetPort": 80},
    ),
    (
        "tunnel.open.request",
        None,
        SHORT | {"nodeId": "n", "targetPort": 80, "protocol": "gopher"},
        SHORT | {"nodeId": "n", "targetHost": "localhost", "targetPort": 80, "protocol": "gopher"},
    ),
    (
        "tunnel.opened",
        None,
        SHORT | {"tunnelId": "t", "publicPort": 9, "protocol": "gopher"},
        SHORT | {"tunnelId": "t", "publicHost": "", "publicPort": 9},
    ),
    ("tunnel.rejected", None, SHORT, SHORT | {"reason": "tunnel_rejected", "message": "Tunnel rejected"}),
    ("tunnel.close.request", None, SHORT | {"tunnelRef": "t"}, SHORT | {"tunnelRef": "t"}),
    ("tunnel.close.response", None, SHORT, SHORT | {"ok": False}),
    ("tunnel.list.request", None, SHORT, SHORT),
    (
        "tunnel.list.response",
        None,
        SHORT | {"tunnels": [TUNNEL | {"protocol": "HTTP"}]},
        SHORT | {"tunnels": [FULL_TUNNEL | {"protocol": "http"}]},
    ),
    (
        "node.tunnel.connect",
        1,
        {"tunnelId": "t", "targetPort": 80},
        {"tunnelId": "t", "targetHost": "localhost", "targetPort": 80, "principal": ""},
    ),
    ("node.tunnel.connected", 1, {}, {"tunnelId": ""}),
    ("node.tunnel.connect.failed", 1, {}, {"tunnelId": "", "reason": "dial_failed"}),
    ("ai.config.request", None, SHORT, SHORT),
    ("ai.config.response", None, SHORT, SHORT | {"available": False}),
    ("http.proxy.request", None, SHORT | {"url": "x"}, SHORT),
    ("http.proxy.response", None, SHORT | {"error": "e"}, SHORT | {"statusCode": 0, "error": "e"}),
    ("drive.credential.request", None, SHORT, SHORT),
    ("drive.credential.response", None, SHORT | {"message": "m"}, SHORT | {"ok": False, "message": "m"}),
    ("session.clipboard", 7, {"size": 3}, {"size": 3}),
]

# Everything that may be given, in the form in which it is written.
FULL: list[tuple[str, int | None, dict[str, Any]]] = [
    (
        "hello",
        None,
        {"role": "client", "protocolVersion": 3, "minVersion": 0, "nonce": "n", "info": {"agent": "x", "n": [1]}},
    ),
    (
        "auth.request",
        None,
        {"method": "publicKey", "principal": "a", "publicKey": "k", "signature": "s", "binding": "b"},
    ),
    (
        "auth.request",
        None,
        {"method": "publicKey", "principal": "a", "publicKey": "k", "signature": "s", "host": "h", "port": 443},
    ),
    (
        "auth.request",
        None,
        {
            "method": "publicKey",
            "principal": "a",
            "publicKey": "k",
            "signature": "s",
            "host": "h",
            "port": 443,
            "application": "ssh:",
            "flags": 5,
            "counter": 2**32 - 1,
        },
    ),
    ("auth.request", None, {"method": "token", "principal": "a", "token": ""}),
    ("error", None, {"code": "x", "message": "", "fatal": True, "retryAfter": 3}),
    (
        "node.register",
        None,
        {
            "nodeId": "n",
            "uid": "nod_x",
            "displayName": "N",
            "platform": PLATFORM,
            "labels": {"env": "prod"},
            "instance": "of-a-process",
        },
    ),
    (
        "node.capabilities",
        None,
        {"shells": ["sh"], "features": ["exec"], "maxSessions": 0, "directEndpoint": "wss://x"},
    ),
    ("node.list.request", None, {"filter": {"env": "prod"}}),
    (
        "session.open",
        7,
        {
            "nodeId": "n",
            "mode": "shell",
            "command": "",
            "args": ["a", ""],
            "env": {"K": "V"},
            "cwd": "/",
            "pty": {"term": "t", "cols": 1, "rows": 2, "widths": "clusters"},
            "resumeSessionId": "",
            "shellFamily": "posix",
            "interactive": True,
        },
    ),
    (
        "session.open",
        7,
        {"nodeId": "n", "mode": "exec", "command": "cat \0e9", "env": {"A\0ff": "\0fe"}, "cwd": "/\0e9"},
    ),
    ("session.open", 7, {"nodeId": "n", "mode": "shell", "resumeSessionId": "s", "owner": "ann"}),
    ("session.open", 7, {"nodeId": "n", "mode": "exec", "command": "id", "user": "postgres"}),
    (
        "node.session.open",
        7,
        {
            "sessionId": UUID,
            "principal": "ann",
            "mode": "exec",
            "user": "postgres",
            "roles": ["dba", "dev"],
            "logins": ["ann", "postgres"],
        },
    ),
    ("sessions.list.request", None, SHORT | {"nodeId": "n", "owner": "ann"}),
    ("sessions.list.request", None, SHORT | {"nodeId": "n", "everyone": True}),
    ("sessions.kill.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "owner": "ann"}),
    ("sessions.detach.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "owner": "ann"}),
    ("sessions.screen.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "owner": "ann"}),
    ("sessions.history.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "lines": 1, "owner": "ann"}),
    ("session.detached", 7, {"sessionId": UUID, "shortId": "s", "takenBy": "root"}),
    ("session.opened", 7, {"sessionId": UUID, "pty": True, "altScreen": True, "shell": "cmd"}),
    ("node.session.opened", 7, {"sessionId": UUID, "pid": 1, "altScreen": True, "shell": "powershell"}),
    ("channel.exit", 7, {"exitCode": -9, "signal": "SIGKILL", "ts": "2026-01-02T03:04:05.678901Z"}),
    ("channel.close", 7, {"reason": "whatever", "message": "m"}),
    ("channel.window", 7, {"stream": "stdin", "credit": 1, "offset": 0}),
    (
        "session.open",
        7,
        {
            "nodeId": "n",
            "mode": "exec",
            "resumeSessionId": "s",
            "offsets": True,
            "outputOffset": 0,
            "repaint": True,
        },
    ),
    (
        "node.session.opened",
        7,
        {"sessionId": UUID, "offsets": True, "outputOffset": 0, "inputOffset": 0, "inputEnded": True, "reset": True},
    ),
    ("forwards.list.request", None, SHORT),
    ("forwards.list.response", None, SHORT | {"forwards": [FORWARD], "leftOut": 2}),
    ("forwards.close.request", None, SHORT | {"forwardRef": "0a1b"}),
    ("forwards.close.response", None, SHORT | {"ok": False, "message": "m"}),
    ("session.open", 7, {"nodeId": "n", "mode": "forward", "target": "localhost:80", "forward": UUID}),
    ("node.session.open", 7, {"sessionId": UUID, "principal": "p", "mode": "forward", "target": "/run/x.sock"}),
    ("session.open", 7, {"nodeId": "n", "mode": "forward", "target": "x:80", "forward": UUID, "ahead": True}),
    ("session.opened", 7, {"sessionId": UUID, "pty": False, "ahead": True}),
    ("session.rejected", 7, {"reason": "forbidden", "message": "no", "unused": True}),
    ("node.session.rejected", 7, {"sessionId": UUID, "reason": "forbidden", "message": "no", "unused": True}),
    ("forward.dial", 7, {}),
    ("session.open", 7, {"nodeId": "n", "mode": "ssh", "user": "ann", "sshKey": "YQ", "sshNonce": UUID}),
    ("session.open", 7, {"nodeId": "n", "mode": "sftp"}),
    ("node.session.open", 7, {"sessionId": UUID, "principal": "p", "mode": "sftp"}),
    (
        "node.session.open",
        7,
        {"sessionId": UUID, "principal": "p", "mode": "ssh", "user": "ann", "sshKey": "YQ", "sshNonce": UUID}
        | {"sshAgent": True},
    ),
    ("node.session.opened", 7, {"sessionId": UUID, "sshHostKey": "YQ", "sshNodeKey": "Yg", "sshProof": "Yw"}),
    ("session.opened", 7, {"sessionId": UUID, "pty": False, "sshHostKey": "YQ", "sshNodeKey": "Yg", "sshProof": "Yw"}),
    ("session.open", 7, {"nodeId": "n", "mode": "exec", "maxInputWindow": 4194304}),
    ("node.session.open", 7, {"sessionId": UUID, "principal": "p", "mode": "exec", "maxInputWindow": 0}),
    ("node.session.opened", 7, {"sessionId": UUID, "maxWindow": 4194304}),
    ("session.opened", 7, {"sessionId": UUID, "pty": False, "maxWindow": 1}),
    ("sessions.screen.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "etag": ""}),
    ("node.sessions.screen.request", None, SHORT | {"principal": "p", "sessionRef": "s", "etag": "e"}),
    ("sessions.screen.response", None, SHORT | {"ok": True, "etag": "e", "same": True, "exitCode": 0}),
    ("sessions.screen.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "history": True}),
    ("node.sessions.screen.request", None, SHORT | {"principal": "p", "sessionRef": "s", "history": True}),
    ("sessions.screen.response", None, SHORT | {"ok": True, "historyEnd": 0}),
    ("node.sessions.screen.response", None, SHORT | {"ok": True, "historyEnd": 7}),
    ("node.session.opened", 7, {"sessionId": UUID, "historyEnd": 0}),
    ("session.opened", 7, {"sessionId": UUID, "pty": True, "historyEnd": 4611686018427387903}),
    ("sessions.history.request", None, SHORT | {"nodeId": "n", "sessionRef": "s", "before": 0, "lines": 1}),
    ("node.sessions.history.request", None, SHORT | {"principal": "p", "sessionRef": "s", "before": 9, "lines": -1}),
    ("sessions.history.response", None, SHORT | {"ok": True, "lines": "eA0K", "count": 1, "before": 0}),
    ("node.sessions.history.response", None, SHORT | {"ok": True, "lines": "eA0K", "count": 1, "before": 7}),
    ("node.vitals.response", None, SHORT | {"vitals": VITALS}),
    ("node.sessions.processes.request", None, SHORT | {"principal": "p"}),
    ("node.sessions.processes.response", None, SHORT | {"ok": True, "processes": [PROCESS], "leftOut": 3}),
    ("sessions.processes.response", None, SHORT | {"ok": True, "processes": [PROCESS, {"sessionId": UUID, "pid": 1}]}),
    ("session.detach.request", 7, {"timeoutSeconds": 0}),
    ("session.detached", 7, {"sessionId": UUID, "shortId": "s", "expiresAt": TS}),
    ("tunnel.opened", None, SHORT | {"tunnelId": "t", "publicHost": "h", "publicPort": 9, "secure": True}),
]


def every_codec() -> FrameCodec:
    return FrameCodec().learn(extension_messages())


def text(message_type: str, channel: int | None, data: dict[str, Any]) -> str:
    envelope: dict[str, Any] = {"t": message_type, "d": data}
    return json.dumps(envelope if channel is None else envelope | {"c": channel})


@in_one_test(("message_type", "channel", "given", "written"), MINIMAL)
def test_the_least_is_read_and_the_defaults_are_written(
    message_type: str, channel: int | None, given: dict[str, Any], written: dict[str, Any]
) -> None:
    codec = every_codec()
    frame = codec.decode(text(message_type, channel, given))
    assert isinstance(frame, ControlFrame)
    assert (frame.message.TYPE, frame.channel) == (message_type, channel)
    encoded = codec.encode(frame)
    assert isinstance(encoded, str)
    assert json.loads(encoded) == json.loads(text(message_type, channel, written))


@in_one_test(("message_type", "channel", "data"), FULL)
def test_everything_given_is_kept(message_type: str, channel: int | None, data: dict[str, Any]) -> None:
    codec = every_codec()
    encoded = codec.encode(codec.decode(text(message_type, channel, data)))
    assert json.loads(encoded) == json.loads(text(message_type, channel, data))


def test_the_table_covers_every_message() -> None:
    """But those of the extensions that have tables beside this one."""
    elsewhere = {message.TYPE for message in (*admin.MESSAGES, *events.MESSAGES)}
    assert {row[0] for row in MINIMAL} == {message.TYPE for message in every_message()} - elsewhere


def test_an_exit_without_time_gets_the_present_one() -> None:
    written = json.loads(every_codec().encode(every_codec().decode('{"t":"channel.exit","c":1}')))
    assert written["d"]["ts"].endswith("Z")
