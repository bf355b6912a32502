"""What the console does to sessions and tunnels, over a real hub and node."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.stack import DEADLINE, Certificates, access, connected_client, hub_config, running_node, until
from textual.command import CommandList, CommandPalette
from textual.coordinate import Coordinate
from textual.pilot import Pilot
from textual.widgets import DataTable, Select, Static

from omnyshell.ids import PrincipalId
from omnyshell.model.admin import InviteKind
from omnyshell.model.sessions import PtySpec, SessionMode, SessionState
from omnyshell.model.tunnels import PortRange
from omnyshell.protocol.messages.admin import (
    InviteCreate,
    InviteCreated,
    InvitesRequest,
    InvitesResponse,
    PrincipalAdd,
    TokenAdd,
    TokenAdded,
)
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.security.grant_tables import read_grant
from omnyshell.security.grants import Grant
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess
from omnyshell.services.hub.hub import OmnyShellHub
from omnyshell.tui import messages
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.invite import InviteDialog
from omnyshell.tui.dialogs.labels import LabelsDialog
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.dialogs.lock import LockDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.dialogs.session import SessionDialog
from omnyshell.tui.dialogs.tunnel import TunnelDialog
from omnyshell.tui.fan_out.dialog import CommandDialog
from omnyshell.tui.fan_out.runner import run_all
from omnyshell.tui.fan_out.runs import CUT, Job, RunState, runs_on
from omnyshell.tui.fan_out.screen import LEFT_OUT, SHOWN_LINES, FanOutScreen
from omnyshell.tui.hub_places import RemoteHub
from omnyshell.tui.screens.access import AccessScreen
from omnyshell.tui.settings import ConsoleSettings
from omnyshell.tui.widgets.field import Field
from omnyshell.tui.widgets.paste_line import PasteLine

TUNNEL_PORTS = PortRange(21_000, 21_999)


@asynccontextmanager
async def console(
    certificates: Certificates, tmp_path: Path, *more: str, principal: str = "admin", grants: tuple[Grant, ...] = ()
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int], OmnyShellClient]]:
    """A console that knows node n1, and `more`; and a client beside it."""
    async with (
        AsyncExitStack() as others,
        OmnyShellHub(hub_config(certificates, tunnel_ports=TUNNEL_PORTS, grants=grants)) as hub,
        running_node(certificates, hub.port, tmp_path, labels={"allow-roles": "developer"}),
        connected_client(certificates, hub.port) as client,
    ):
        for name in more:
            await others.enter_async_context(running_node(certificates, hub.port, tmp_path / name, node_id=name))
        app = ConsoleApp(ConsoleSettings(), RemoteHub(access(certificates, hub.port, principal)))
        async with app.run_test(size=(100, 30)) as pilot:
            await until(lambda: app.overview.nodes.rows.shown and app.hub.connected.is_set())
            yield app, pilot, client


async def fill(pilot: Pilot[int], **values: str) -> None:
    """Fill in fields, each at once, as pasting does."""
    for name, value in values.items():
        field = pilot.app.screen.query_one(f"#{name}", Field)
        field.focus()
        field.value = value
    await pilot.pause()


async def enrolled(app: ConsoleApp, name: str, role: str) -> HubAccess:
    """How a new principal with a token reaches the hub."""
    async with app.hub.admin() as admin:
        await admin.do(PrincipalAdd(request_id="", principal=name, roles=(role,)))
        token = await admin.ask(TokenAdd(request_id="", principal=name, label="laptop"), TokenAdded)
    return replace(app.hub.access, credentials=TokenCredentialProvider(PrincipalId(name), token.token))


def toasts(app: ConsoleApp) -> str:
    return " ".join(note.message for note in app._notifications)


def complaint(app: ConsoleApp) -> str:
    """What the dialog says is wrong, with a field or with the whole."""
    lines = app.screen.query("#error.-shown, .problem.-shown").results(Static)
    return " ".join(str(line.content) for line in lines)


async def test_a_command_is_opened_with_directory_and_environment(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, SessionDialog))
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
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("enter")
        await until(lambda: app.screen is app.overview)
        assert len(await client.list_sessions("n1")) == 2, "Enter alone ends nothing"
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, Question))
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
        await until(lambda: isinstance(app.screen, TunnelDialog))
        await fill(pilot, port="99999")
        assert "1 to 65535" in complaint(app)
        await pilot.press("enter")
        assert isinstance(app.screen, TunnelDialog), "what is wrong is not sent"
        port = str(target.sockets[0].getsockname()[1])
        await fill(pilot, port=port, host="127.0.0.1", public="80")
        await pilot.press("enter")
        # What the hub refuses is said beside the field, and the rest stays filled in.
        await until(lambda: "outside 21000-21999" in complaint(app))
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
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await until(lambda: not app.hub.state.tunnels)
        assert not await client.list_tunnels()


async def test_a_command_runs_on_all_selected_nodes_and_equal_output_is_grouped(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with console(certificates, tmp_path, "n2", "n3") as (app, pilot, _):
        await until(lambda: len(app.overview.nodes.rows.shown) == 3)
        await pilot.press("a", "x")
        await until(lambda: isinstance(app.screen, CommandDialog))
        await fill(pilot, command="echo same; exit 3")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, FanOutScreen))
        screen = app.screen
        assert isinstance(screen, FanOutScreen)
        await until(lambda: all(run.is_over for run in screen.runs))
        assert {(run.exit_code, run.output) for run in screen.runs} == {(3, b"same\n")}
        await pilot.press("g")
        await until(lambda: screen.query_one(DataTable).row_count == 1)
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)


async def test_what_runs_still_is_ended_when_that_is_asked_for(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, CommandDialog))
        await fill(pilot, command=f"echo $$ > {tmp_path}/pid; exec sleep 1000")
        await pilot.press("enter")
        await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
        screen = app.screen
        assert isinstance(screen, FanOutScreen)
        await pilot.press("c")
        await until(lambda: screen.runs[0].state is RunState.CANCELLED)
        pid = int((tmp_path / "pid").read_text())
        await until(lambda: not Path(f"/proc/{pid}").exists())
        await pilot.press("escape")


async def test_of_a_flood_on_many_nodes_the_last_lines_are_shown(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path, "n2", "n3") as (app, pilot, _):
        await until(lambda: len(app.overview.nodes.rows.shown) == 3)
        await pilot.press("a", "x")
        await until(lambda: isinstance(app.screen, CommandDialog))
        await fill(pilot, command="yes | head -c 3000000; exec sleep 1000")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, FanOutScreen))
        screen = app.screen
        assert isinstance(screen, FanOutScreen)
        text = screen.query_one("#text", Static)
        longest = 0

        def all_is_kept() -> bool:
            nonlocal longest
            longest = max(longest, text.size.height)
            return all(run.output.endswith(CUT) for run in screen.runs)

        await until(all_is_kept)
        await until(lambda: CUT.decode().strip() in str(text.content))
        await pilot.pause()
        assert max(longest, text.size.height) <= SHOWN_LINES + 1
        assert str(text.content).splitlines()[:2] == [LEFT_OUT, "y"]
        table = screen.query_one(DataTable)
        assert [str(table.get_cell_at(Coordinate(row, 0))) for row in range(3)] == ["● running"] * 3
        await pilot.press("c")
        await until(lambda: all(run.state is RunState.CANCELLED for run in screen.runs))
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)


async def test_leaving_asks_where_something_runs_still(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, CommandDialog))
        await fill(pilot, command="pwd; exec sleep 1000", cwd="/usr")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, FanOutScreen))
        screen = app.screen
        assert isinstance(screen, FanOutScreen)
        await until(lambda: screen.runs[0].output == b"/usr\n")
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("enter")
        await until(lambda: app.screen is screen)
        assert not screen.runs[0].is_over
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await until(lambda: app.screen is app.overview)
        await until(lambda: screen.runs[0].state is RunState.CANCELLED)
        await until(lambda: not app.hub.state.sessions)


async def test_what_takes_too_long_is_ended_and_what_cannot_run_says_why(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with console(certificates, tmp_path) as (app, _, client):
        runs = runs_on(["n1", "n7"])
        job = Job(f"echo $$ > {tmp_path}/pid; exec sleep 1000", seconds=1.0)
        async with asyncio.timeout(DEADLINE):
            await run_all(client, job, runs, app.clock, lambda: None)
        assert runs[0].error == "Ended: it took longer than 1s."
        assert "n7" in runs[1].error
        pid = (tmp_path / "pid").read_text().strip()
        await until(lambda: not Path(f"/proc/{pid}").exists())
        # Where it runs nowhere, that is told at once.
        app.push_screen(FanOutScreen(app.hub, Job("uptime"), ["n7", "n7"], app.clock))
        await until(lambda: "It ran nowhere" in toasts(app))


async def test_a_machine_is_invited_and_revoked(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InviteDialog))
        await fill(pilot, labels="env")
        assert "env" in complaint(app)
        await fill(pilot, name="web-9", labels="env=prod")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, LineDialog))
        line = app.screen.query_one(PasteLine).text
        assert line.startswith("OMNYSHELL_TOKEN=")
        assert " omnyshell node join wss://127.0.0.1:" in line
        assert "--ca-fingerprint sha256:" in line
        await pilot.press("c")
        assert app.clipboard == line
        await pilot.press("escape")
        async with app.hub.admin() as admin:
            (invite,) = (await admin.ask(InvitesRequest(request_id=""), InvitesResponse)).invites
        assert invite.node_id == "web-9"
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InviteDialog))
        await fill(pilot, name="gone with the kind", labels="env=prod")
        app.screen.query_one("#kind", Select).value = "fleet"
        await pilot.pause()
        await fill(pilot, uses="none", prefix="web-")
        assert "such as 100" in complaint(app)
        await fill(pilot, uses="100")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, LineDialog))
        assert any("Good for 100 machines, until" in str(text.content) for text in app.screen.query(Static))
        await pilot.press("escape")
        async with app.hub.admin() as admin:
            found = (await admin.ask(InvitesRequest(request_id=""), InvitesResponse)).invites
        (fleet,) = (invite for invite in found if invite.node_id != "web-9")
        assert (fleet.uses_left, fleet.id_prefix, fleet.node_id) == (100, "web-", None)
        # Whom a file grants, the file has to revoke: the hub says so.
        await pilot.press("R")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await until(lambda: any("failed" in note.message for note in app._notifications))


async def test_the_palette_finds_actions_nodes_and_is_kept_from_terminals(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"shell: n1")
        await until(lambda: app.screen.query_one(CommandList).option_count > 0)
        await pilot.press("enter")
        await until(lambda: app.terminals.live_terminals)
        await pilot.press("ctrl+p")
        assert not isinstance(app.screen, CommandPalette)


async def test_principals_tokens_and_invites_are_shown_and_revoked(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        login = await enrolled(app, "eve", "developer")
        async with app.hub.admin() as admin:
            request = InviteCreate(request_id="", kind=InviteKind.NODE, node_id="web-9")
            await admin.ask(request, InviteCreated)
        await pilot.press("u")
        await until(lambda: isinstance(app.screen, AccessScreen))
        screen = app.screen
        assert isinstance(screen, AccessScreen)
        await until(lambda: screen.rows.total > 0)
        shown = [(entry.kind, entry.principal) for entry in screen.rows.shown]
        assert ("token", "eve") in shown
        assert ("invite", "web-9") in shown

        async def revoke(kind: str, principal: str) -> None:
            entry = next(item for item in screen.rows.shown if (item.kind, item.principal) == (kind, principal))
            screen.rows.find(entry.key)
            await pilot.press("x")
            await until(lambda: isinstance(app.screen, Question))
            await pilot.press("tab", "enter")
            await until(lambda: entry.key not in [item.key for item in screen.rows.shown])

        # Who is logged in with the token is thrown out.
        async with OmnyShellClient(ClientConfig(access=login, reconnect_timeout=0)) as eve:
            await revoke("token", "eve")
            await asyncio.wait_for(eve.wait_lost(), DEADLINE)
        await revoke("invite", "web-9")
        await revoke("principal", "eve")
        # Whom the configuration grants, that has to revoke.
        screen.rows.find(next(item.key for item in screen.rows.shown if item.principal == "box"))
        await pilot.press("x")
        await until(lambda: "configuration" in toasts(app))
        assert app.screen is screen
        await pilot.press("escape")
        assert app.screen is app.overview


async def test_labels_of_the_hub_are_set_from_the_panel_of_nodes(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("l")
        await until(lambda: isinstance(app.screen, LabelsDialog))
        await fill(pilot, labels="env")
        assert "NAME=value" in complaint(app)
        await fill(pilot, labels="env=prod")
        await pilot.press("enter")
        await until(lambda: app.hub.state.nodes["n1"].hub_labels == {"env": "prod"})
        await until(lambda: app.screen is app.overview)


async def test_what_the_role_does_not_allow_is_told_with_what_to_do(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path, principal="dev") as (app, pilot, client):
        session = await client.open_shell("n1", pty=PtySpec())
        await pilot.press("u")
        await until(lambda: isinstance(app.screen, AccessScreen))
        await until(lambda: "ask an admin" in str(app.screen.query_one("#note", Static).content))
        await pilot.press("escape", "i")
        await until(lambda: isinstance(app.screen, InviteDialog))
        await pilot.press("enter")
        await until(lambda: "ask an admin" in complaint(app))
        await pilot.press("escape")
        # One of somebody else, named by its id.
        app.post_message(messages.KillSessions((messages.SessionRef("n1", session.id),)))
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await until(lambda: "Ending sessions failed" in toasts(app))
        assert [item.session_id for item in await client.list_sessions("n1")] == [session.id]
        await client.kill_session("n1", session.id)


async def test_somebody_with_few_rights_sees_what_it_may_use_and_is_told_what_it_takes(
    certificates: Certificates, tmp_path: Path
) -> None:
    only = {"roles": ["developer"], "nodes": ["*"]}
    grants = (
        read_grant(only | {"rights": ["shell", "watch", "kill"], "deny": True}, "grant 1"),
        read_grant(only | {"nodes": ["n2"], "rights": ["*"], "deny": True}, "grant 2"),
    )
    async with console(certificates, tmp_path, "n2", principal="dev", grants=grants) as (app, pilot, client):
        assert {node.node_id for node in await client.list_nodes()} == {"n1", "n2"}
        assert set(app.hub.state.nodes) == {"n1"}
        await pilot.press("t")
        await until(lambda: isinstance(app.screen, TunnelDialog))
        for node_id, where in (("n1", "'n1'"), ("", "your own machine")):
            await fill(pilot, node=node_id, port="80")
            await pilot.press("enter")
            takes = f"open a public port on {where}: it takes the role admin (you have developer)"
            await until(lambda takes=takes: takes in complaint(app))
            # A right is no matter of one field.
            assert not app.screen.query(".problem.-shown")
        await pilot.press("escape", "1", "enter")
        denied = "Not authorized to open a shell on 'n1': grant 1 denies it"
        await until(lambda: any(denied in note.message for note in app._notifications))


def shown(app: ConsoleApp) -> str:
    """All that stands on the screen."""
    lines = app.screen._compositor.render_strips()
    return " ".join(" ".join(line.text for line in lines).split())


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
            await until(lambda: isinstance(app.screen, Question))
            await pilot.press("tab", "enter")
            await until(lambda: not app.hub.state.sessions)
            assert session.has_ended
            assert await ops.list_sessions("n1") == ()


async def test_a_node_and_a_principal_are_locked_and_unlocked(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        login = await enrolled(app, "eve", "developer")
        await pilot.press("L")
        await until(lambda: isinstance(app.screen, LockDialog))
        await fill(pilot, why="being looked into")
        await pilot.press("enter")
        await until(lambda: app.hub.state.nodes["n1"].locked.endswith(": being looked into"))
        await until(lambda: app.screen is app.overview)
        await pilot.press("u")
        await until(lambda: isinstance(app.screen, AccessScreen))
        screen = app.screen
        assert isinstance(screen, AccessScreen)
        await until(lambda: any(entry.kind == "lock" for entry in screen.rows.shown))
        async with OmnyShellClient(ClientConfig(access=login, reconnect_timeout=0)) as eve:
            screen.rows.find(next(entry.key for entry in screen.rows.shown if entry.principal == "eve"))
            await pilot.press("l")
            await until(lambda: isinstance(app.screen, LockDialog))
            await pilot.press("enter")
            await asyncio.wait_for(eve.wait_lost(), DEADLINE)
        await until(lambda: sum(entry.kind == "lock" for entry in screen.rows.shown) == 2)
        for _ in range(2):
            left = sum(entry.kind == "lock" for entry in screen.rows.shown)
            screen.rows.find(next(entry.key for entry in screen.rows.shown if entry.kind == "lock"))
            await pilot.press("x")
            await until(lambda: isinstance(app.screen, Question))
            await pilot.press("tab", "enter")
            await until(lambda left=left: sum(entry.kind == "lock" for entry in screen.rows.shown) == left - 1)
        await until(lambda: not app.hub.state.nodes["n1"].locked)
        # The console's own login is not locked by it.
        await pilot.press("l")
        await until(lambda: isinstance(app.screen, LockDialog))
        await fill(pilot, name="admin")
        await pilot.press("enter")
        await until(lambda: "nobody locks themselves" in complaint(app))
