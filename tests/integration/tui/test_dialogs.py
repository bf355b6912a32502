"""Pictures of the dialogs, and how they behave without a hub."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from support.arriving import arrive
from support.console import NOW, a_day_at_work, console, node, session, snapshot
from support.looks import in_sizes
from support.pictures import check_picture
from support.stack import until
from textual.command import CommandList
from textual.geometry import Region
from textual.widgets import Select, Static

from omnyshell.model.admin import (
    CredentialInfo,
    CredentialKind,
    InviteInfo,
    InviteKind,
    LockInfo,
    LockKind,
    PrincipalInfo,
)
from omnyshell.model.sessions import SessionMode
from omnyshell.services.local.addresses import MachineAddress
from omnyshell.services.local.reach import Reach
from omnyshell.tui.actions.entries import Entry, entries
from omnyshell.tui.dialogs.invite import InviteDialog, WantedInvite
from omnyshell.tui.dialogs.labels import LabelsDialog
from omnyshell.tui.dialogs.line import LineDialog
from omnyshell.tui.dialogs.lock import LockDialog
from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.dialogs.session import SessionDialog
from omnyshell.tui.dialogs.tunnel import TunnelDialog
from omnyshell.tui.fan_out.dialog import CommandDialog
from omnyshell.tui.fan_out.screen import FanOutScreen
from omnyshell.tui.screens.access import AccessScreen
from omnyshell.tui.widgets.paste_line import PasteLine


async def test_a_session_is_asked_for() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        await pilot.press("c")
        assert isinstance(app.screen, SessionDialog)
        await check_picture(app, "dialog-session")
        await pilot.press("escape")
        assert app.screen is app.overview


async def test_a_wrong_port_is_explained_at_once() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        await pilot.press("3", "t")
        assert isinstance(app.screen, TunnelDialog)
        problem = app.screen.query_one("#wrong-port")
        assert not problem.display
        await pilot.press(*"70000")
        assert problem.display
        await check_picture(app, "dialog-tunnel-error")


async def test_what_is_to_be_ended_is_named() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        await pilot.press("2", "a", "x")
        assert isinstance(app.screen, Question)
        assert app.focused is app.screen.query_one("#cancel")
        await check_picture(app, "dialog-kill")
        await pilot.press("enter")
        assert app.screen is app.overview
        await pilot.press("v")
        assert app.overview.preview.ref is not None
        assert app.overview.preview.display
        await check_picture(app, "overview-preview")
        # Its sessions are in sight beside other panels only where there is room for several.
        await pilot.press("1")
        assert app.overview.preview.display
        await pilot.resize_terminal(80, 24)
        await until(lambda: app.overview.has_class("-tabbed"))
        await pilot.press("2")
        await until(lambda: not app.overview.preview.display)


async def test_a_person_is_invited_with_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console(a_day_at_work(), width=100, height=30) as (app, pilot):
        await pilot.press("i")
        assert isinstance(app.screen, InviteDialog)
        assert app.screen.query_one("#labels").parent.display
        app.screen.query_one("#kind").value = "user"
        await pilot.pause()
        assert not app.screen.query_one("#labels").parent.display
        await pilot.press(*"eve")
        await check_picture(app, "dialog-invite")
        for term, seconds in (("28800", 28_800), ("", None)):
            app.screen.query_one("#term").value = term
            await pilot.pause()
            answer = app.screen.answer().request
            assert (answer.role_ttl_seconds, answer.key_ttl_seconds) == (seconds, seconds)
        await pilot.press("escape")
        line = (
            "OMNYSHELL_TOKEN="
            + 4 * "abcdefghijk"
            + " omnyshell node join wss://hub.example:8443 --ca-fingerprint sha256:"
            + 8 * "01234567"
        )
        app.push_screen(LineDialog(line, "Good for one machine, once.", "omnyshell-invite-web-9"))
        await pilot.pause()
        done = app.screen.query_one("#done", Static)
        await pilot.press("c")
        assert app.clipboard == line
        assert "clipboard" in str(done.content)
        monkeypatch.setenv("HOME", str(tmp_path))
        await pilot.press("w")
        file = tmp_path / "omnyshell-invite-web-9"
        assert f"Written to {file}, which only you can read" in str(done.content)
        assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{line}\n", 0o600)
        done.update("")
        await check_picture(app, "dialog-invite-line")
        # The mouse takes it over the ends of rows, and so does a terminal, which wraps each row into the next.
        shown = app.screen.query_one(PasteLine)
        assert (shown.region.x, shown.region.width, shown.size.height) == (0, 100, 2)
        await pilot.mouse_down(shown, offset=(0, 0))
        await pilot.hover(shown, offset=(len(line) - 100, 1))
        await pilot.mouse_up(shown, offset=(len(line) - 100, 1))
        await pilot.press("ctrl+c")
        assert app.clipboard == line
        row = shown.render_lines(Region(0, 0, 100, 2))[1]
        assert row.text == f"{line[100:]:100}"
        sent = re.sub(r"\x1b\[[\d;]*m", "", row.render(app.console))
        assert sent == f"\x1b[A\x1b[100G\x1b[?7h{line[99]}{row.text}\x1b[?7l"
        assert row.crop(0, 30).render(app.console).count("\x1b[?7h") == 0
        monkeypatch.setenv("HOME", "/dev/null")
        await pilot.press("w")
        assert "cannot write /dev/null/omnyshell-invite-web-9" in str(done.content)
        await pilot.press("escape")
        assert app.screen is app.overview


ADDRESSES = (MachineAddress("192.168.1.5", "wlan0"), MachineAddress("203.0.113.9", "eth0"))


async def test_an_invite_to_a_hub_that_nobody_reaches_asks_where_it_is_to_listen() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        made: list[WantedInvite] = []

        async def invite(wanted: WantedInvite) -> None:
            made.append(wanted)

        dialog = InviteDialog(invite, Reach("localhost", ADDRESSES))
        app.push_screen(dialog)
        await pilot.press("enter")
        asked = "Where does another machine reach it?"
        await until(lambda: asked in "".join(str(text.content) for text in app.screen.query(Static)))
        assert not made
        await check_picture(app, "dialog-invite-alone")
        meaning = app.screen.query_one("#meaning", Static)
        for host, said in (("localhost", "No other machine"), ("192.168.1.5", "Whoever reaches 192.168.1.5 can")):
            app.screen.query_one("#reach", Select).value = host
            await pilot.pause()
            assert str(meaning.content).startswith(said)
        assert "does not find this machine where it gets another one" in str(meaning.content)
        await pilot.press("tab", "tab", "enter")
        await pilot.pause()
        assert [wanted.host for wanted in made] == ["192.168.1.5"]
        # One that listens there names that at first, and one that somebody else runs is theirs to name.
        app.push_screen(InviteDialog(invite, Reach("0.0.0.0", ADDRESSES)))
        await pilot.press("enter")
        app.push_screen(dialog := InviteDialog(invite, Reach("box.lan", ADDRESSES, lambda: ["far.example", "box.lan"])))
        await pilot.pause()
        places = dialog.query_one("#reach", Select)
        await until(lambda: "far.example" in [value for _, value in places._options])
        assert [value for _, value in places._options].count("box.lan") == 1
        await pilot.press("enter")
        app.push_screen(dialog := InviteDialog(invite, Reach("")))
        await pilot.pause()
        assert "Log in by the name" in str(dialog.query_one("#meaning", Static).content)
        await pilot.press("enter")
        app.push_screen(InviteDialog(invite))
        await pilot.press("enter")
        await pilot.pause()
        assert [wanted.host for wanted in made[1:]] == ["0.0.0.0", "box.lan", None, None]


async def test_a_command_for_many_nodes_without_a_hub_is_told_node_by_node() -> None:
    async with console(a_day_at_work(), width=100, height=30) as (app, pilot):
        await pilot.press("a", "x")
        assert isinstance(app.screen, CommandDialog)
        await pilot.press(*"uptime")
        await check_picture(app, "dialog-run")
        await pilot.press("enter")
        screen = await arrive(app, FanOutScreen)
        await until(lambda: all(run.error for run in screen.runs))
        await until(lambda: bool(app._notifications))
        assert any(note.message.startswith("It ran nowhere: ") for note in app._notifications)
        app.clear_notifications()
        await pilot.pause()
        await check_picture(app, "fan-out-failed")
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is app.overview


async def test_the_palette_has_only_what_applies_here() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        await pilot.press("ctrl+p")
        options = app.screen.query_one(CommandList)
        await until(lambda: options.option_count > 5)
        titles = [str(options.get_option_at_index(index).hit.text) for index in range(options.option_count)]
        assert {"Shell", "Run", "Invite", "Revoke"} <= set(titles)
        assert not {"Attach", "Go to", "Pause"} & set(titles), "what Enter does in another panel"


async def test_revoking_names_all_nodes_that_go() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        await pilot.press("R")
        assert isinstance(app.screen, Question)
        text = " ".join(str(static.content) for static in app.screen.query(Static))
        assert all(name in text for name in ("fleet", "web-1", "web-10", "db-1", "build-mac", "laptop"))


async def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    odd = session(1, principal="x[/foo]y", session_id="[/a]bbbb", command="[/z] vim", mode=SessionMode.EXEC)
    other = session(2, principal="x[/foo]y", command="[red]vim[/b]")
    async with console(snapshot([node("web-1")], [odd, other])) as (app, pilot):
        await pilot.press("2", "down", "enter")
        await until(lambda: any("[/a]bbbb" in note.message for note in app._notifications))
        await pilot.press("ctrl+p", *"attach")
        options = app.screen.query_one(CommandList)
        await until(lambda: options.option_count > 0)
        assert any("[red]vim[/b] (x[/foo]y)" in str(option.prompt) for option in options.options)


def some_access() -> list[Entry]:
    ann = PrincipalInfo(
        principal="ann",
        roles=("admin",),
        created_at=NOW - timedelta(days=40),
        credentials=(
            CredentialInfo(
                id="3f8a11c0", kind=CredentialKind.TOKEN, label="laptop", created_at=NOW - timedelta(days=3)
            ),
            CredentialInfo(id="77aa0b12", kind=CredentialKind.KEY, created_at=NOW, expires_at=NOW + timedelta(hours=2)),
        ),
    )
    fleet = PrincipalInfo(principal="fleet", roles=("node",), source="configuration")
    invite = InviteInfo(
        invite_id="9c0d11ee",
        kind=InviteKind.NODE,
        node_id="web-11",
        labels={"env": "prod"},
        created_at=NOW - timedelta(minutes=10),
        expires_at=NOW + timedelta(minutes=5),
    )
    lock = LockInfo(
        id="41c2",
        kind=LockKind.NODE,
        name="db-1",
        why="being looked into",
        created_at=NOW - timedelta(hours=1),
        created_by="ann",
        expires_at=NOW + timedelta(hours=1),
    )
    return entries([ann, fleet], [invite], [lock])


async def test_who_may_use_the_hub() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await pilot.press("u")
        screen = app.screen
        assert isinstance(screen, AccessScreen)
        # There is no hub to ask.
        await until(lambda: screen.query_one("#note").has_class("-wrong"))
        screen.present(some_access())
        await pilot.press("down", "space")
        await pilot.pause()
        assert [entry.ident for entry in screen.rows.chosen()] == ["3f8a11c0"]
        async for size in in_sizes(pilot, (80, 24), (120, 40)):
            await check_picture(app, f"access-{size}")
        await pilot.press("x")
        assert isinstance(app.screen, Question)
        text = " ".join(str(static.content) for static in app.screen.query(Static))
        assert "token 3f8a11c0 of ann (laptop)" in text
        assert "Connections made with" in text


async def test_a_locked_node_shows_and_another_is_to_be_locked() -> None:
    locked = node("web-1", locked="the node is locked by ann: being looked into")
    async with console(snapshot([node("db-1"), locked])) as (app, pilot):
        await pilot.press("L")
        assert isinstance(app.screen, LockDialog)
        assert app.screen.value("name") == "db-1"
        await pilot.press(*"stolen disk")
        await check_picture(app, "dialog-lock")


async def test_labels_that_are_wrong_are_explained_at_once() -> None:
    labelled = node("web-1", hub_labels={"env": "prod", "note": "two words"})
    async with console(snapshot([labelled]), width=80, height=24) as (app, pilot):
        await pilot.press("l")
        assert isinstance(app.screen, LabelsDialog)
        assert app.screen.value("labels") == "env=prod 'note=two words'"
        await pilot.press(*" role")
        await check_picture(app, "dialog-labels-error")
        # Nothing is sent, and there is no hub to send it to.
        await pilot.press("enter")
        assert isinstance(app.screen, LabelsDialog)


async def test_forms_fit_the_smallest_screen_and_are_worked_with_keys_and_mouse() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        await pilot.press("t")
        screen = app.screen
        assert isinstance(screen, TunnelDialog)
        order = []
        for _ in range(6):
            order.append(app.focused.id)
            await pilot.press("tab")
        assert order == ["port", "public", "protocol", "tls", "cancel", "do"]
        for name in ("node", "host", "port", "public", "tls", "cancel", "do"):
            assert screen.query_one("#box").region.contains_region(screen.query_one(f"#{name}").region), name
        await pilot.click("#tls")
        assert screen.is_checked("tls")
        await check_picture(app, "dialog-tunnel-80x24")
        await pilot.click("#cancel")
        assert app.screen is app.overview
