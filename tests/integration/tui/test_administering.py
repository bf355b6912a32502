"""Machines, people, locks and labels in the console, and what few rights show of them."""

import asyncio
from pathlib import Path

from support.arriving import arrive
from support.console_over_hub import complaint, console, enrolled, fill, toasts
from support.deadline import DEADLINE
from support.stack import Certificates, until
from textual.widgets import Select, Static

from omnyshell.model.admin import InviteKind
from omnyshell.model.sessions import PtySpec
from omnyshell.protocol.messages.admin import (
    InviteCreate,
    InviteCreated,
    InvitesRequest,
    InvitesResponse,
)
from omnyshell.security.grant_tables import read_grant
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.tui import messages
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.dialogs.invite import InviteDialog
from omnyshell.tui.dialogs.labels import LabelsDialog
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.dialogs.lock import LockDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.dialogs.session import SessionDialog
from omnyshell.tui.screens.access import AccessScreen
from omnyshell.tui.widgets.paste_line import PasteLine


async def test_a_machine_is_invited_and_revoked(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("i")
        await arrive(app, InviteDialog)
        await fill(pilot, labels="env")
        assert "env" in complaint(app)
        await fill(pilot, name="web-9", labels="env=prod")
        await pilot.press("enter")
        await arrive(app, LineDialog)
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
        await arrive(app, InviteDialog)
        await fill(pilot, name="gone with the kind", labels="env=prod")
        app.screen.query_one("#kind", Select).value = "fleet"
        await pilot.pause()
        await fill(pilot, uses="none", prefix="web-")
        assert "such as 100" in complaint(app)
        await fill(pilot, uses="100")
        await pilot.press("enter")
        await arrive(app, LineDialog)
        assert any("Good for 100 machines, until" in str(text.content) for text in app.screen.query(Static))
        await pilot.press("escape")
        async with app.hub.admin() as admin:
            found = (await admin.ask(InvitesRequest(request_id=""), InvitesResponse)).invites
        (fleet,) = (invite for invite in found if invite.node_id != "web-9")
        assert (fleet.uses_left, fleet.id_prefix, fleet.node_id) == (100, "web-", None)
        # Whom a file grants, the file has to revoke: the hub says so.
        await pilot.press("R")
        await arrive(app, Question)
        await pilot.press("tab", "enter")
        await until(lambda: any("failed" in note.message for note in app._notifications))


async def test_principals_tokens_and_invites_are_shown_and_revoked(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        login = await enrolled(app, "eve", "developer")
        async with app.hub.admin() as admin:
            request = InviteCreate(request_id="", kind=InviteKind.NODE, node_id="web-9")
            await admin.ask(request, InviteCreated)
        await pilot.press("u")
        screen = await arrive(app, AccessScreen)
        await until(lambda: screen.rows.total > 0)
        shown = [(entry.kind, entry.principal) for entry in screen.rows.shown]
        assert ("token", "eve") in shown
        assert ("invite", "web-9") in shown

        async def revoke(kind: str, principal: str) -> None:
            entry = next(item for item in screen.rows.shown if (item.kind, item.principal) == (kind, principal))
            screen.rows.find(entry.key)
            await pilot.press("x")
            await arrive(app, Question)
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
        await arrive(app, LabelsDialog)
        await fill(pilot, labels="env")
        assert "NAME=value" in complaint(app)
        await fill(pilot, labels="env=prod")
        await pilot.press("enter")
        await until(lambda: app.hub.state.nodes["n1"].hub_labels == {"env": "prod"})
        await until(lambda: app.screen is app.overview)


async def test_what_the_role_does_not_allow_is_told_with_what_to_do(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path, principal="dev") as (app, pilot, client):
        session = await client.open_shell("n1", pty=PtySpec())
        await until(lambda: app.hub.state.own is not None)
        asked = len(app.hub.state.audit)
        for key in ("u", "i", "R", "l", "L"):
            app.clear_notifications()
            await pilot.press(key)
            await until(lambda: "It takes the role admin, and you have developer" in toasts(app))
            assert app.screen is app.overview
        assert len(app.hub.state.audit) == asked, "nobody was asked"
        # One of somebody else, named by its id.
        app.post_message(messages.KillSessions((messages.SessionRef("n1", session.id),)))
        await arrive(app, Question)
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
        await until(lambda: bool(app.hub.state.nodes["n1"].denied))
        told = {
            "t": "open public ports on n1: it takes the role admin, and you have developer; an admin of this hub can",
            "o": "open or take up shells on n1: grant 1 denies it to the role developer; an admin of this hub can",
        }
        for key, why in told.items():
            await pilot.press("1", key)
            await until(lambda why=why: why in toasts(app))
            assert app.screen is app.overview
        sentence = "Sessions are not shown to you. You may not look at sessions on n1: grant 1 denies it"
        await until(lambda: app.overview.sessions.empty_text().startswith(sentence))
        await pilot.press("3", "t")
        await until(lambda: "open public ports anywhere" in toasts(app))
        # What is allowed is done: a command takes one of two rights.
        await pilot.press("1", "c")
        await arrive(app, SessionDialog)


def shown(app: ConsoleApp) -> str:
    """All that stands on the screen."""
    lines = app.screen._compositor.render_strips()
    return " ".join(" ".join(line.text for line in lines).split())


async def test_a_node_and_a_principal_are_locked_and_unlocked(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        login = await enrolled(app, "eve", "developer")
        await pilot.press("L")
        await arrive(app, LockDialog)
        await fill(pilot, why="being looked into")
        await pilot.press("enter")
        await until(lambda: app.hub.state.nodes["n1"].locked.endswith(": being looked into"))
        await until(lambda: app.screen is app.overview)
        await pilot.press("u")
        screen = await arrive(app, AccessScreen)
        await until(lambda: any(entry.kind == "lock" for entry in screen.rows.shown))
        async with OmnyShellClient(ClientConfig(access=login, reconnect_timeout=0)) as eve:
            screen.rows.find(next(entry.key for entry in screen.rows.shown if entry.principal == "eve"))
            await pilot.press("l")
            await arrive(app, LockDialog)
            await pilot.press("enter")
            await asyncio.wait_for(eve.wait_lost(), DEADLINE)
        await until(lambda: sum(entry.kind == "lock" for entry in screen.rows.shown) == 2)
        for _ in range(2):
            left = sum(entry.kind == "lock" for entry in screen.rows.shown)
            screen.rows.find(next(entry.key for entry in screen.rows.shown if entry.kind == "lock"))
            await pilot.press("x")
            await arrive(app, Question)
            await pilot.press("tab", "enter")
            await until(lambda left=left: sum(entry.kind == "lock" for entry in screen.rows.shown) == left - 1)
        await until(lambda: not app.hub.state.nodes["n1"].locked)
        # The console's own login is not locked by it.
        await pilot.press("l")
        await arrive(app, LockDialog)
        await fill(pilot, name="admin")
        await pilot.press("enter")
        await until(lambda: "nobody locks themselves" in complaint(app))
