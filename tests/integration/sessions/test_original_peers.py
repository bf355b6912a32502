"""Detaching and resuming with peers that know the wire protocol and none of its extensions."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.raw_peer import STDIN, STDOUT, RawPeer, logged_in, registered
from support.stack import Certificates, connected_client, hub_config, running_node, until, within

from omnyshell import OmnyShellClient, OmnyShellHub, PtySpec, RemoteSession, SessionMode
from omnyshell.services.client.states import LinkState
from omnyshell.services.node.config import Keeping

ITS_ID = "0a1b2c3d-0000-4000-8000-000000000000"
"""A session's id as its node chose it."""

PTY = {"term": "xterm-256color", "cols": 80, "rows": 24}


@asynccontextmanager
async def original_client(
    certificates: Certificates, tmp_path: Path, **node: Any
) -> AsyncIterator[tuple[OmnyShellHub, RawPeer]]:
    """A raw client of a real hub with a real node."""
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path, **node),
        logged_in(certificates, hub.port, "client", "admin") as client,
    ):
        yield hub, client


@asynccontextmanager
async def original_node(certificates: Certificates) -> AsyncIterator[tuple[OmnyShellClient, RawPeer]]:
    """A client and a raw node of a real hub."""
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        connected_client(certificates, hub.port) as client,
        registered(certificates, hub.port) as node,
    ):
        yield client, node


async def ask(client: RawPeer, what: str, **fields: Any) -> dict[str, Any]:
    await client.say(f"sessions.{what}.request", {"requestId": "r", "nodeId": "n1", **fields})
    answer = await client.hear()
    while isinstance(answer, dict) and answer["t"] == "channel.window":
        answer = await client.hear()
    assert answer["t"] == f"sessions.{what}.response", answer
    assert answer["d"].pop("requestId") == "r"
    return dict(answer["d"])


async def output_until(client: RawPeer, channel: int, expected: bytes) -> bytes:
    """Collect a channel's output until something shows; windows are passed over."""
    text = b""
    while expected not in text:
        message = await client.hear()
        if isinstance(message, bytes):
            assert message[1] == STDOUT
            assert int.from_bytes(message[2:6], "big") == channel
            text += message[10:]
        else:
            assert message["t"] == "channel.window", message
    return text


async def open_shell(client: RawPeer, channel: int, **fields: Any) -> dict[str, Any]:
    request = {"nodeId": "n1", "mode": "shell", "pty": PTY, **fields}
    await client.say("session.open", request, channel)
    opened = await client.hear()
    while isinstance(opened, bytes) or opened["t"] == "channel.window":
        opened = await client.hear()
    assert opened["c"] == channel
    return dict(opened)


async def test_the_whole_life_of_a_detached_shell(certificates: Certificates, tmp_path: Path) -> None:
    async with original_client(certificates, tmp_path) as (hub, client):
        opened = await open_shell(client, 1, env={"SHELL": "/bin/sh"})
        assert sorted(opened["d"]) == ["pty", "sessionId"]
        session, short = opened["d"]["sessionId"], opened["d"]["sessionId"][:8]
        await client.send_data(STDIN, 1, b"cd /usr; echo fi''rst\n")
        await output_until(client, 1, b"first\r\n")
        (info,) = (await ask(client, "list"))["sessions"]
        assert info == {
            "sessionId": session, "shortId": short, "nodeId": "n1", "ownerUserId": "admin", "mode": "shell",
            "createdAt": info["createdAt"], "state": "attached", "currentCommand": info["currentCommand"],
            "currentCwd": "/usr",
        }  # fmt: skip
        assert info["createdAt"].endswith("Z")

        await client.say("session.detach.request", {"timeoutSeconds": 300}, 1)
        message = await client.hear()
        while message["t"] == "channel.window":
            message = await client.hear()
        assert (message["t"], message["c"]) == ("session.detached", 1)
        assert (message["d"]["sessionId"], message["d"]["shortId"]) == (session, short)
        assert message["d"]["expiresAt"].endswith("Z")
        (info,) = (await ask(client, "list"))["sessions"]
        assert (info["state"], info["expiresAt"]) == ("detached", message["d"]["expiresAt"])
        assert "detachedAt" in info

        screen = await ask(client, "screen", sessionRef=short)
        assert sorted(screen) == ["ok", "screen"]
        assert b"first" in base64.b64decode(screen["screen"])

        opened = await open_shell(client, 2, resumeSessionId=session.upper().replace("-", ""), pty=PTY | {"cols": 60})
        assert opened["d"] == {"sessionId": session, "pty": True}
        painted = await output_until(client, 2, b"first")
        assert painted.startswith(b"\x1b")
        await client.send_data(STDIN, 2, b"stty size\n")
        await output_until(client, 2, b"24 60")

        assert await ask(client, "kill", sessionRef="") == {"ok": False, "message": "There is no such session"}
        killed = await ask_while_open(client, "kill", sessionRef=short[:5])
        assert killed["closed"] == {"reason": "node_closed", "message": "The session was ended from elsewhere"}
        assert killed["ok"] is True
        assert short in killed["message"]
        assert await ask(client, "list") == {"sessions": []}
        # What has ended is gone for those who know no etags.
        assert (await ask(client, "screen", sessionRef=short))["ok"] is False
        await until(lambda: len(hub.sessions) == 0)


async def ask_while_open(client: RawPeer, what: str, **fields: Any) -> dict[str, Any]:
    """Ask for something that also closes a channel, which comes first or second."""
    await client.say(f"sessions.{what}.request", {"requestId": "r", "nodeId": "n1", **fields})
    answers: dict[str, Any] = {}
    while len(answers) < 2:
        message = await client.hear()
        if not isinstance(message, bytes) and message["t"] != "channel.window":
            answers[message["t"]] = message["d"]
    return {**answers[f"sessions.{what}.response"], "closed": answers["channel.close"]}


async def test_the_alternate_screen_comes_first_and_the_main_one_when_it_is_left(
    certificates: Certificates, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = (
        "printf 'on main\\r\\n'; printf '\\033[?1049h\\033[Hon alternate'; "
        f"while [ ! -e {go} ]; do sleep 0.02; done; printf '\\033[?1049lback'; cat"
    )
    async with original_client(certificates, tmp_path / "node") as (_, client):
        opened = await open_shell(client, 1, command=command)
        session = opened["d"]["sessionId"]
        await output_until(client, 1, b"on alternate")
        assert await ask_detach(client, sessionRef="") == {"ok": True, "shortId": session[:8]}
        screen = await ask(client, "screen", sessionRef=session)
        painted = base64.b64decode(screen["screen"])
        assert screen["altScreen"] is True
        assert painted.startswith(b"\x1b[?1049h")
        assert b"on main" not in painted
        opened = await open_shell(client, 2, resumeSessionId=session)
        assert opened["d"] == {"sessionId": session, "pty": True, "altScreen": True}
        text = await output_until(client, 2, b"on alternate")
        assert text.startswith(b"\x1b[?1049h")
        go.touch()
        text = await output_until(client, 2, b"back")
        left, main, back = (text.index(part) for part in (b"\x1b[?1049l", b"on main", b"back"))
        assert left < main < back


async def ask_detach(client: RawPeer, **fields: Any) -> dict[str, Any]:
    await client.say("sessions.detach.request", {"requestId": "r", "nodeId": "n1", **fields})
    answers = {}
    while len(answers) < 2:
        message = await client.hear()
        if message["t"] != "channel.window":
            answers[message["t"]] = message["d"]
    assert answers["session.detached"]["sessionId"].startswith(answers["sessions.detach.response"]["shortId"])
    del answers["sessions.detach.response"]["requestId"]
    return dict(answers["sessions.detach.response"])


@pytest.mark.parametrize(("ref", "reason"), [("", "not_found"), ("zz", "not_found")])
async def test_a_resume_that_finds_nothing_never_opens_a_shell(
    certificates: Certificates, tmp_path: Path, ref: str, reason: str
) -> None:
    async with original_client(certificates, tmp_path) as (hub, client):
        rejected = await open_shell(client, 1, resumeSessionId=ref)
        assert (rejected["t"], rejected["d"]["reason"]) == ("session.rejected", reason)
        assert await ask(client, "list") == {"sessions": []}
        assert len(hub.sessions) == 0


async def test_an_exec_ends_with_an_original_client(certificates: Certificates, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    async with original_client(certificates, tmp_path / "node") as (hub, _):
        async with logged_in(certificates, hub.port, "client", "admin") as other:
            await other.say("session.open", {"nodeId": "n1", "command": f"echo $$ > {pid}; sleep 60"}, 1)
            await other.hear("session.opened")
            await until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        await until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())


async def test_an_exit_is_followed_by_a_close_where_offsets_do_not_count(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with original_client(certificates, tmp_path) as (_, client):
        await client.say("session.open", {"nodeId": "n1", "command": "exit 7"}, 1)
        await client.hear("session.opened")
        assert (await client.hear("channel.exit"))["d"]["exitCode"] == 7
        assert (await client.hear("channel.close"))["d"] == {"reason": "normal"}


async def test_a_client_that_does_not_confirm_the_exit_is_closed_in_the_end(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        running_node(certificates, hub.port, tmp_path, keeping=Keeping(exec_timeout=0.2)),
        logged_in(certificates, hub.port, "client", "admin", ("resume-offset",)) as client,
    ):
        await client.say("session.open", {"nodeId": "n1", "command": "exit 7", "offsets": True}, 1)
        opened = await client.hear("session.opened")
        assert (opened["d"]["offsets"], opened["d"]["outputOffset"], opened["d"]["inputOffset"]) == (True, 0, 0)
        assert (await client.hear("channel.exit"))["d"]["exitCode"] == 7
        assert (await client.hear("channel.close"))["d"] == {"reason": "normal"}


async def original_node_session(client: Any, node: RawPeer, *, mode: SessionMode) -> tuple[RemoteSession, int]:
    opening = asyncio.create_task(client.open_session("n1", mode=mode, command="x", pty=PtySpec(cols=80, rows=24)))
    asked = await node.hear("node.session.open")
    assert "offsets" not in asked["d"]
    await node.say("node.session.opened", {"sessionId": ITS_ID}, asked["c"])
    return await within(opening), asked["c"]


async def test_a_shell_on_an_original_node_is_resumed_by_its_screen(certificates: Certificates) -> None:
    async with original_node(certificates) as (client, node):
        session, channel = await original_node_session(client, node, mode=SessionMode.SHELL)
        states: list[LinkState] = []
        session.on_state = states.append
        await node.send_data(STDOUT, channel, b"before")
        client._connection.link.abort()
        assert (await node.hear("channel.close"))["d"] == {"reason": "client_disconnected"}
        # What is typed meanwhile is sent later.
        session.send(b"typed")
        asked = await node.hear("node.session.open")
        assert asked["d"]["resumeSessionId"] == ITS_ID
        assert asked["d"]["pty"] == PTY
        await node.say("node.session.opened", {"sessionId": ITS_ID}, asked["c"])
        await node.send_data(STDOUT, asked["c"], b"the screen")
        assert (await node.hear())[10:] == b"typed"
        assert states == [LinkState.RECONNECTING, LinkState.RESET]
        chunk = await within(anext(aiter(session)))
        assert chunk.data == b"the screen"
        await node.say("channel.exit", {"exitCode": 2}, asked["c"])
        await node.say("channel.close", {}, asked["c"])
        assert (await within(session.wait())).code == 2


async def test_an_exec_on_an_original_node_fails_at_once(certificates: Certificates) -> None:
    async with original_node(certificates) as (client, node):
        session, _ = await original_node_session(client, node, mode=SessionMode.EXEC)
        client._connection.link.abort()
        with pytest.raises(Exception, match="lost"):
            await within(session.wait())


async def test_an_exit_is_an_end_where_no_close_follows(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnyshell.services.client.session.CLOSE_TIMEOUT", 0.1)
    async with original_node(certificates) as (client, node):
        session, channel = await original_node_session(client, node, mode=SessionMode.EXEC)
        await node.say("channel.exit", {"exitCode": 7}, channel)
        assert (await within(session.wait())).code == 7
        await node.hear("channel.close")


async def test_a_detach_answered_by_an_original_node(certificates: Certificates) -> None:
    async with original_node(certificates) as (client, node):
        session, channel = await original_node_session(client, node, mode=SessionMode.SHELL)
        detaching = asyncio.create_task(session.detach(60))
        assert (await node.hear("node.session.detach"))["d"]["timeoutSeconds"] == 60
        await node.say("node.session.detached", {"sessionId": ITS_ID, "shortId": ITS_ID[:8]}, channel)
        assert (await within(detaching)).short_id == ITS_ID[:8]
