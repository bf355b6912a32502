"""Shells that outlive their clients: detached, listed, peeked at, resumed, taken over, killed, expired."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.deadline import DEADLINE
from support.raw_peer import registered
from support.screen_reader import Screen
from support.stack import Certificates, connected_client, hub_config, stack, until, within

from omnyshell import (
    AuthorizationException,
    ChannelException,
    ExitStatus,
    NodeUnavailableException,
    OmnyShellClient,
    OmnyShellHub,
    PtySpec,
    RemoteSession,
    SessionMode,
    SessionRejectedException,
    SessionState,
)
from omnyshell.cli.sessions.connect import _Show
from omnyshell.services.node.config import Keeping
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import plain_text

SIZE = PtySpec(cols=80, rows=24)
SMALL = PtySpec(cols=60, rows=15)


async def shell(client: OmnyShellClient, *, size: PtySpec = SIZE) -> tuple[RemoteSession, Screen]:
    """A quiet shell that is ready."""
    session = await within(client.open_session("n1", mode=SessionMode.SHELL, pty=size, env={"SHELL": "/bin/sh"}))
    screen = Screen(session)
    await session.write(b"echo rea''dy\n")
    await screen.shows(b"ready\r\n")
    return session, screen


def text_of(painted: bytes, size: PtySpec) -> str:
    emulator = Emulator(size.cols, size.rows)
    emulator.feed(painted)
    return plain_text(emulator)


async def test_a_detached_shell_goes_on_and_is_painted_on_resuming(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client):
        session, _ = await shell(client)
        before = datetime.now(UTC)
        detached = await within(session.detach(60))
        assert detached.short_id == session.id[:8]
        assert timedelta(seconds=59) < (detached.expires_at or before) - before < timedelta(seconds=62)
        with pytest.raises(ChannelException, match="detached"):
            await within(session.wait())
        assert len(hub.sessions) == 0
        (info,) = await within(client.list_sessions("n1"))
        assert (info.session_id, info.state, info.owner_user_id) == (session.id, SessionState.DETACHED, "admin")
        again = await within(client.resume("n1", session.id[:6].upper(), pty=SMALL))
        assert again.id == session.id
        resumed = Screen(again)
        await again.write(b"echo size=$(stty size)\n")
        painted = await resumed.shows(b"size=15 60")
        assert "ready" in text_of(painted, SMALL)
        assert (await within(client.list_sessions("n1")))[0].state is SessionState.ATTACHED
        again.close()


async def test_what_left_the_screen_can_be_had(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session, screen = await shell(client)
        await session.write(b"seq 2000; echo the''end\n")
        await screen.shows(b"theend\r\n")
        await within(session.detach())

        async def above(end: int | None, lines: int) -> list[str]:
            assert end is not None
            parts = [part async for part in client.history("n1", session.id, end, lines)]
            return b"".join(reversed(parts)).decode().splitlines()

        seen = await within(client.peek("n1", session.id, with_history=True))
        shown = text_of(seen.data, SIZE).splitlines()
        first = int(shown[0])
        assert await within(above(seen.history_end, 5)) == [str(number) for number in range(first - 5, first)]
        assert (await within(above(seen.history_end, 10_000)))[-first + 1 :] == list(map(str, range(1, first)))
        resumed = await within(client.resume("n1", session.id, pty=SIZE))
        assert resumed.history_end == seen.history_end
        await resumed.write(b"exit\n")
        await within(resumed.wait())
        assert await within(above(seen.history_end, 3)) == [str(number) for number in range(first - 3, first)]


async def test_what_is_printed_while_nobody_looks_is_on_the_screen(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session, _ = await shell(client)
        await session.write(b"sleep 0.3; seq 30000; echo the''end\n")
        await within(session.detach())

        async def shown() -> str:
            return text_of((await within(client.peek("n1", session.id))).data, SIZE)

        async with asyncio.timeout(DEADLINE):
            while "theend" not in await shown():
                await asyncio.sleep(0.02)
        assert (await shown()).split()[-3:] == ["29999", "30000", "theend"]
        again = await within(client.resume("n1", session.id, pty=SIZE))
        await again.write(b"echo aga''in\n")
        assert "30000\ntheend" in text_of(await Screen(again).shows(b"again"), SIZE)


async def test_a_listing_shows_what_runs_where(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, _, client):
        session = await within(
            client.open_session("n1", mode=SessionMode.SHELL, command="cd /usr/lib; sleep 77 | cat", pty=SIZE)
        )
        async with asyncio.timeout(DEADLINE):
            while True:
                (info,) = await client.list_sessions("n1")
                if info.current_cwd == "/usr/lib":
                    break
                await asyncio.sleep(0.02)
        assert info.current_command is not None
        assert "sleep 77" in info.current_command
        session.close()
        async with asyncio.timeout(DEADLINE):
            while await client.list_sessions("n1"):
                await asyncio.sleep(0.02)


async def test_a_session_that_is_attached_is_taken_over_by_its_owner(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client), connected_client(certificates, hub.port) as other:
        session, screen = await shell(client)
        taken = await within(other.resume("n1", session.id, pty=SMALL))
        with pytest.raises(ChannelException, match="detached"):
            await screen.rest()
        await taken.write(b"echo mi''ne\n")
        await Screen(taken).shows(b"mine")
        assert len(hub.sessions) == 1


async def test_a_client_that_holds_a_session_and_does_not_read_loses_it_at_once(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client), connected_client(certificates, hub.port) as other:
        session = await within(client.open_shell("n1", pty=SIZE, env={"SHELL": "/bin/bash"}))
        await session.write(b"yes\n")
        transport = client._connection.link._transport
        transport.pause_reading()
        route = next(iter(hub.sessions))
        # It has used up its credit, and what it was sent is stuck.
        await until(lambda: route.to_client.available < 65536)
        taken = await within(other.resume("n1", session.id, pty=SIZE))
        await taken.write(b"\x03")
        await taken.write(b"echo st''ill\n")
        await Screen(taken).shows(b"still")
        transport.resume_reading()


async def test_others_sessions_do_not_exist(certificates: Certificates, tmp_path: Path) -> None:
    labels = {"allow-roles": "developer"}
    async with (
        stack(certificates, tmp_path, labels=labels) as (hub, _, client),
        connected_client(certificates, hub.port, "dev") as dev,
    ):
        session, _ = await shell(client)
        assert await within(dev.list_sessions("n1")) == ()
        for ref in (session.id, "0" * 8):
            for ask in (dev.kill_session, dev.peek, dev.detach_session):
                with pytest.raises(SessionRejectedException, match="There is no such session"):
                    await within(ask("n1", ref))
            with pytest.raises(SessionRejectedException) as raised:
                await within(dev.resume("n1", ref, pty=SIZE))
            assert raised.value.code == "not_found"
        with pytest.raises(SessionRejectedException, match="no attached session"):
            await within(dev.detach_session("n1"))
        assert not session.has_ended


async def test_who_may_not_use_the_node_may_not_look_either(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, _), connected_client(certificates, hub.port, "dev") as dev:
        for ask in (dev.kill_session, dev.peek, dev.detach_session):
            with pytest.raises(AuthorizationException):
                await within(ask("n1", "x"))
            with pytest.raises(NodeUnavailableException):
                await within(ask("n2", "x"))
        with pytest.raises(AuthorizationException):
            await within(dev.list_sessions("n1"))
        assert await within(dev.list_sessions("n2")) == ()


@pytest.mark.parametrize("ref", ["", "-", "zz"])
async def test_a_reference_that_means_nothing_starts_nothing(
    certificates: Certificates, tmp_path: Path, ref: str
) -> None:
    async with stack(certificates, tmp_path) as (_, node, client):
        await shell(client)
        with pytest.raises(SessionRejectedException) as raised:
            await within(client.resume("n1", ref, pty=SIZE))
        assert raised.value.code == "not_found"
        assert len(node._sessions) == 1


async def test_a_kill_tells_the_client_and_leaves_nothing(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, node, client), connected_client(certificates, hub.port) as other:
        session, screen = await shell(client)
        assert session.id[:8] in await within(other.kill_session("n1", session.id[:8]))
        with pytest.raises(NodeUnavailableException, match="elsewhere"):
            await screen.rest()
        await until(lambda: len(node._sessions) == 0)
        assert await within(client.list_sessions("n1")) == ()


async def test_detaching_from_elsewhere_means_the_only_attached_one(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client), connected_client(certificates, hub.port) as other:
        session, screen = await shell(client)
        assert await within(other.detach_session("n1")) == session.id[:8]
        with pytest.raises(ChannelException, match="detached"):
            await screen.rest()
        first, _ = await shell(client)
        await shell(client)
        with pytest.raises(SessionRejectedException, match="say which"):
            await within(other.detach_session("n1"))
        assert await within(other.detach_session("n1", first.id, timeout_seconds=9)) == first.id[:8]
        infos = {info.session_id: info for info in await within(other.list_sessions("n1"))}
        assert infos[first.id].expires_at is not None
        assert infos[session.id].expires_at is None


async def test_an_expired_session_is_ended(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, node, client):
        session, _ = await shell(client)
        pid = node._sessions.shells_of("admin")[0]._process.pid
        await within(session.detach(0))
        await until(lambda: len(node._sessions) == 0)
        assert not Path(f"/proc/{pid}").exists()
        assert await within(client.list_sessions("n1")) == ()


async def test_a_client_that_vanishes_leaves_its_shell_detached(certificates: Certificates, tmp_path: Path) -> None:
    keeping = Keeping(auto_detach_timeout=100)
    async with stack(certificates, tmp_path, keeping=keeping) as (hub, _, client):
        async with connected_client(certificates, hub.port, reconnect_timeout=0) as other:
            session, _ = await shell(other)
            other._connection.link.abort()
        async with asyncio.timeout(DEADLINE):
            while (info := (await client.list_sessions("n1"))[0]).state is not SessionState.DETACHED:
                await asyncio.sleep(0.02)
        assert info.detached_at is not None
        assert info.expires_at == info.detached_at + timedelta(seconds=100)
        again = await within(client.resume("n1", session.id, pty=SIZE))
        assert "ready" in text_of(await Screen(again).shows(b"ready"), SIZE) + "ready"


async def test_without_auto_detach_the_shell_ends_with_its_client(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path, keeping=Keeping(auto_detach=False)) as (hub, node, _):
        async with connected_client(certificates, hub.port, reconnect_timeout=0) as other:
            await shell(other)
            other._connection.link.abort()
        await until(lambda: len(node._sessions) == 0)


async def test_the_last_screen_of_a_shell_that_has_ended_can_be_asked_for(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with stack(certificates, tmp_path) as (_, node, client):
        session, _ = await shell(client)
        first = await within(client.peek("n1", session.id))
        assert (await within(client.peek("n1", session.id, etag=first.etag))).is_same
        await session.write(b"sleep 0.2; echo good''bye; exit 7\n")
        await within(session.detach())
        await until(lambda: len(node._sessions) == 0)
        assert await within(client.list_sessions("n1")) == ()
        last = await within(client.peek("n1", session.id[:8], etag=first.etag))
        assert (last.exit_code, last.is_same) == (7, False)
        assert "goodbye" in text_of(last.data, SIZE)
        again = await within(client.peek("n1", session.id[:8], etag=last.etag))
        assert (again.exit_code, again.is_same, again.data) == (7, True, b"")
        with pytest.raises(SessionRejectedException):
            await within(client.resume("n1", session.id, pty=SIZE))
        with pytest.raises(SessionRejectedException):
            await within(client.kill_session("n1", session.id))


ASK = r"""
import os, sys, time, tty, select
tty.setraw(0)
while not os.path.exists(sys.argv[2]): time.sleep(0.01)
def ask(q):
    os.write(1, q)
    got = b""
    while select.select([0], [], [], 5)[0]:
        got += os.read(0, 100)
        if got[-1:] in b"cnR": return got
    return b"nothing"
answers = [ask(b"\x1b[c"), ask(b"\x1b[5n"), ask(b"\x1b[5;7H\x1b[s\x1b[999;999H\x1b[6n\x1b[u"), ask(b"\x1b[6n")]
open(sys.argv[1], "wb").write(b"|".join(answers))
"""


async def test_while_nobody_is_attached_the_node_answers_device_queries(
    certificates: Certificates, tmp_path: Path
) -> None:
    script, answers, start = tmp_path / "ask.py", tmp_path / "answers", tmp_path / "start"
    script.write_text(ASK)
    async with stack(certificates, tmp_path / "state") as (_, node, client):
        session = await within(
            client.open_session("n1", mode=SessionMode.SHELL, command=f"python3 {script} {answers} {start}", pty=SIZE)
        )
        await within(session.detach())
        start.touch()
        await until(lambda: len(node._sessions) == 0)
        assert answers.read_bytes() == b"\x1b[?62;22c|\x1b[0n|\x1b[24;80R|\x1b[5;7R"


@pytest.mark.parametrize("program", ["vim -u NONE -N", "less", "top"])
async def test_a_full_screen_program_is_resumed_at_another_size(
    certificates: Certificates, tmp_path: Path, program: str
) -> None:
    if shutil.which(program.split()[0]) is None:
        pytest.skip(f"{program.split()[0]} is not installed")
    text = tmp_path / "text"
    text.write_text("".join(f"line {number}\n" for number in range(1, 200)))
    name = f" {text}" if program != "top" else ""
    pid = tmp_path / "pid"
    started = f"sh -c 'echo $$ > {pid}; exec {program}{name}'"
    async with stack(certificates, tmp_path / "state") as (_, _, client):
        session = await within(
            client.open_session(
                "n1", mode=SessionMode.SHELL, command=f"echo on the main screen; {started}; echo left; cat", pty=SIZE
            )
        )
        screen = Screen(session)
        expected = b"line 20" if program != "top" else b"load average"
        await screen.shows(expected)
        # less forgets a SIGWINCH that comes between its writing of a screen and its reading of a key.
        await until(lambda: sleeps(int(pid.read_text())))
        await within(session.detach())
        again = await within(client.resume("n1", session.id, pty=SMALL))
        emulator = Emulator(SMALL.cols, SMALL.rows)
        resumed = Screen(again)
        async with asyncio.timeout(DEADLINE):
            # It draws itself anew when it hears of the size.
            while not fits(plain_text(emulator), program):
                emulator.feed((await anext(resumed._chunks)).data)
        await again.write(b":q!\r" if program.startswith("vim") else b"q")
        async with asyncio.timeout(DEADLINE):
            while "left" not in plain_text(emulator):
                emulator.feed((await anext(resumed._chunks)).data)
        if program != "top":
            assert "on the main screen" in plain_text(emulator)
        again.close()


def sleeps(pid: int) -> bool:
    """Whether the process waits for something (state S of proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def fits(text: str, program: str) -> bool:
    lines = text.split("\n")
    if program == "top":
        return "load average" in text and len(lines) == SMALL.rows + 1
    return "line 14" in text and "line 15" not in text


async def test_input_is_not_accepted_from_who_was_replaced(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (hub, _, client), connected_client(certificates, hub.port) as other:
        session, _ = await shell(client)
        taken = await within(other.resume("n1", session.id, pty=SIZE))
        with pytest.raises(ChannelException):
            await within(session.wait())
        with pytest.raises(ChannelException):
            await session.write(b"echo intruder\n")
        session.close()
        await taken.write(b"echo o''k\n")
        await Screen(taken).shows(b"ok")


async def test_nothing_is_left_when_the_node_stops(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, node, client):
        session, _ = await shell(client)
        pid = node._sessions.shells_of("admin")[0]._process.pid
        await within(session.detach())
    assert not Path(f"/proc/{pid}").exists()


async def test_a_node_that_stops_ends_what_its_clients_have_open(certificates: Certificates, tmp_path: Path) -> None:
    async with stack(certificates, tmp_path) as (_, node, client):
        session, screen = await shell(client)
        command = await within(client.open_session("n1", command="exec sleep 60"))
        node.stop()
        assert await within(command.wait()) == ExitStatus(-1, "SIGHUP")
        await screen.rest()
        assert session.has_ended


async def test_leaving_a_node_that_does_not_answer_keeps_the_session(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("omnyshell.services.client.session.DETACH_TIMEOUT", 0.2)
    async with (
        OmnyShellHub(hub_config(certificates)) as hub,
        registered(certificates, hub.port) as node,
        connected_client(certificates, hub.port) as client,
    ):
        opening = asyncio.create_task(client.open_session("n1", mode=SessionMode.SHELL, pty=SIZE))
        asked = await node.hear("node.session.open")
        await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
        session = await within(opening)
        shown = _Show(client, session, None, None, b"")
        shown._detaches = True
        async with session:
            assert await within(shown._exit_code()) == 255
        await node.hear("node.session.detach")
        closed = await node.hear("channel.close")
        assert (closed["c"], closed["d"]["reason"]) == (asked["c"], "client_disconnected")
        assert "sessions resume n1" in capsys.readouterr().err


async def test_a_program_that_is_told_its_size_by_its_input_hears_of_another_terminals(
    certificates: Certificates, tmp_path: Path
) -> None:
    """In-band resize, mode 2048: the first terminal reports, the second one knows no such mode."""
    async with stack(certificates, tmp_path) as (_, _, client):
        session, screen = await shell(client)
        await session.write(b"stty raw -echo; printf '\\033[?2048ho''n'; exec cat -v\n")
        await screen.shows(b"on")
        await session.write(b"\x1b[48;24;80;480;800t")
        await screen.shows(b"^[[48;24;80;480;800t")
        await within(session.detach())
        again = await within(client.resume("n1", session.id, pty=SMALL))
        resumed = Screen(again)
        assert b"\x1b[?2048h" in await resumed.shows(b"^[[48;15;60;0;0t")
        again.resize(100, 30)
        await resumed.shows(b"^[[48;30;100;0;0t")
        # A terminal that reports itself is left to it.
        await again.write(b"\x1b[48;30;100;600;1000t")
        await resumed.shows(b"^[[48;30;100;600;1000t")
        again.resize(90, 20)
        await again.write(b".")
        assert await resumed.shows(b".") == b""
        again.close()
