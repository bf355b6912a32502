"""What the console does to sessions and tunnels, over a real hub and node."""

import asyncio
import re
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from support.arriving import arrive
from support.console_over_hub import complaint, console, enrolled, fill
from support.deadline import DEADLINE
from support.overview import text_of
from support.stack import Certificates, until
from textual.command import CommandList, CommandPalette

from omnyshell.errors import OmnyShellException
from omnyshell.model.sessions import PtySpec, SessionMode, SessionState
from omnyshell.model.targets import Target
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.forwarding.forwarder import Forwarder
from omnyshell.services.client.forwarding.places import Forward, Place
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.dialogs.session import SessionDialog
from omnyshell.tui.dialogs.tunnel import TunnelDialog


async def test_a_command_is_opened_with_directory_and_environment(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("c")
        await arrive(app, SessionDialog)
        await fill(pilot, env="GREETING")
        assert "NAME=value" in complaint(app)
        await fill(pilot, command="pwd; echo $GREETING; exec sleep 100", cwd="/usr", env="GREETING='hello there'")
        assert complaint(app) == ""
        await pilot.press("enter")
        await until(lambda: app.terminals.live_terminals)
        (pane,) = app.terminals.live_terminals
        await until(lambda: "hello there" in "\n".join(pane.emulator.display))
        assert pane.emulator.display[0].strip() == "/usr"


async def test_sessions_are_ended_only_when_that_is_meant(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, client):
        for _ in range(2):
            session = await client.open_shell("n1", pty=PtySpec())
            await session.detach()
        live = app.hub.state.sessions
        await until(lambda: [item.state for item in live.values()] == [SessionState.DETACHED] * 2)
        await pilot.press("2")
        await until(lambda: len(app.overview.sessions.rows.shown) == 2)
        await pilot.press("a", "x")
        await arrive(app, Question)
        await pilot.press("enter")
        await until(lambda: app.screen is app.overview)
        assert len(await client.list_sessions("n1")) == 2, "Enter alone ends nothing"
        await pilot.press("x")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        async with asyncio.timeout(DEADLINE):
            while await client.list_sessions("n1"):
                await asyncio.sleep(0.02)


async def test_an_attached_session_is_detached_from_elsewhere(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, client):
        session = await client.open_shell("n1", pty=PtySpec())
        await until(lambda: app.hub.state.sessions)
        await pilot.press("2")
        await until(lambda: app.overview.sessions.rows.shown)
        await pilot.press("D")
        await until(lambda: session.detached is not None)
        await client.kill_session("n1", session.id)


async def test_a_tunnel_is_opened_and_closed(certificates: Certificates, tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    target = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with target, console(certificates, tmp_path) as (app, pilot, client):
        await pilot.press("t")
        await arrive(app, TunnelDialog)
        await fill(pilot, port="99999")
        assert "1 to 65535" in complaint(app)
        await pilot.press("enter")
        assert isinstance(app.screen, TunnelDialog), "what is wrong is not sent"
        port = str(target.sockets[0].getsockname()[1])
        await fill(pilot, port=port, host="127.0.0.1", public="80")
        await pilot.press("enter")
        # What the hub refuses is said beside the field, and the rest stays filled in.
        await until(lambda: bool(re.search(r"outside \d{5}-\d{5}", complaint(app))))
        assert app.screen.query_one("#wrong-public").has_class("-shown")
        await fill(pilot, public="")
        assert complaint(app) == ""
        await pilot.press("enter")
        await until(lambda: app.hub.state.tunnels)
        (tunnel,) = await client.list_tunnels()
        reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.public_port)
        writer.write(b"through\n")
        async with asyncio.timeout(DEADLINE):
            assert await reader.readline() == b"through\n"
        writer.close()
        await pilot.press("3")
        await until(lambda: app.overview.tunnels.rows.shown)
        await pilot.press("x")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        await until(lambda: not app.hub.state.tunnels)
        assert not await client.list_tunnels()


@pytest.mark.parametrize("is_mine", [True, False])
async def test_a_forward_is_shown_with_its_connections_and_closed(
    certificates: Certificates, tmp_path: Path, *, is_mine: bool
) -> None:
    async with console(certificates, tmp_path) as (app, pilot, client), AsyncExitStack() as stack:
        owner = client
        if not is_mine:
            login = await enrolled(app, "ops", "admin")
            owner = await stack.enter_async_context(OmnyShellClient(ClientConfig(access=login)))

        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

        target = await stack.enter_async_context(await asyncio.start_server(hold, "127.0.0.1", 0))
        to = Forward(Place("127.0.0.1", 0), Target("localhost", target.sockets[0].getsockname()[1]))
        forwarder = await stack.enter_async_context(Forwarder(owner, "n1", [to]))
        serving = asyncio.create_task(forwarder.serve())
        await pilot.press("3")
        await until(lambda: app.overview.tunnels.rows.shown)
        assert not app.overview.sessions.rows.shown
        _, writer = await asyncio.open_connection("127.0.0.1", forwarder.listening[0][0].port)
        await until(lambda: [row.connections for row in app.overview.tunnels.rows.shown] == [1])
        await pilot.press("x")
        await arrive(app, Question)
        assert "Close this forward?" in text_of(app)
        await pilot.press("tab", "enter")
        with pytest.raises(OmnyShellException):
            async with asyncio.timeout(DEADLINE):
                await serving
        await until(lambda: not app.overview.tunnels.rows.shown)
        writer.close()


async def test_the_palette_finds_actions_nodes_and_is_kept_from_terminals(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("ctrl+p")
        await arrive(app, CommandPalette)
        await pilot.press(*"shell: n1")
        await until(lambda: app.screen.query_one(CommandList).option_count > 0)
        await pilot.press("enter")
        await until(lambda: app.terminals.live_terminals)
        await pilot.press("ctrl+p")
        assert not isinstance(app.screen, CommandPalette)


@pytest.mark.parametrize("is_detached", [False, True])
async def test_a_session_of_somebody_else_is_ended_by_an_admin(
    certificates: Certificates, tmp_path: Path, is_detached: bool
) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        login = await enrolled(app, "ops", "admin")
        async with OmnyShellClient(ClientConfig(access=login)) as ops:
            session = await ops.open_session("n1", mode=SessionMode.SHELL, command="sleep 1000")
            if is_detached:
                await session.detach(600)
            await pilot.press("2")
            await until(lambda: len(app.overview.sessions.rows.shown) == 1)
            state = SessionState.DETACHED if is_detached else SessionState.OPEN
            await until(lambda: [one.state for one in app.hub.state.sessions.values()] == [state])
            await pilot.press("x")
            await arrive(app, Question)
            await pilot.press("tab", "enter")
            await until(lambda: not app.hub.state.sessions)
            assert session.has_ended
            assert await ops.list_sessions("n1") == ()
