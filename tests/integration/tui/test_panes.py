"""Panes of a tab, over sessions that are made up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.console import console, say, session, snapshot
from support.overview import text_of
from support.pictures import check_picture
from support.scripted import ScriptedClient, ScriptedSession, recording
from support.stack import until
from support.terminals import LEADER, bottom
from textual.events import Paste
from textual.pilot import Pilot

from omnyshell.model.sessions import PtySpec, SessionState
from omnyshell.services.client.states import LinkState
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane

Opened = dict[int, ScriptedSession]


@pytest.fixture(name="opened")
def _opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The sessions that were opened, in their order."""
    opened: Opened = {}

    async def open_(spec: OpenSpec, client: object, size: PtySpec) -> ScriptedSession:
        made = opened[len(opened)] = ScriptedSession()
        made.id = spec.session_ref or f"{len(opened):08x}-0000-4000-8000-000000000000"
        made.sizes.append((size.cols, size.rows))
        return made

    monkeypatch.setattr(OpenSpec, "open", open_)
    return opened


@asynccontextmanager
async def panes(opened: Opened, count: int, width: int = 120, height: int = 40) -> AsyncIterator[Any]:
    """The console with so many panes in a tab: the first, and splits of the one that has the keyboard."""
    async with console(width=width, height=height) as (app, pilot):
        app.hub._client = ScriptedClient()
        app.terminals.open(OpenSpec(node_id="web-1"))
        app.switch_mode("terminals")
        await live(app, pilot, 1)
        for number in range(1, count):
            await pilot.press(LEADER, "s" if number % 2 else "v")
            await live(app, pilot, number + 1)
        yield app, pilot, app.terminals._layout.panes


async def live(app: ConsoleApp, pilot: Pilot[int], count: int) -> None:
    await until(lambda: len(app.terminals._layout.panes) == count)
    await until(lambda: all(pane.attachment.phase is Phase.LIVE for pane in app.terminals._terminals()))
    await pilot.pause()


async def test_splits_resize_each_pane_once_and_leave_the_others_alone(opened: Opened):
    async with panes(opened, 3) as (app, pilot, _):
        assert [made.sizes for made in opened.values()] == [
            [(120, 39), (60, 38)],
            [(59, 38), (59, 19)],
            [(59, 18)],
        ]
        await pilot.press(LEADER, "space")
        await until(lambda: opened[0].sizes[-1] == (60, 19))
        assert [len(made.sizes) for made in opened.values()] == [3, 2, 2]
        await pilot.press(LEADER, "z")
        await until(lambda: len(opened[2].sizes) == 3)
        await pilot.press(LEADER, "z")
        await until(lambda: len(opened[2].sizes) == 4)
        assert [len(made.sizes) for made in opened.values()] == [3, 2, 4]
        assert app.focused is app.terminals._layout.active.target


async def test_keys_move_a_border_again_and_again_until_another_key_goes_to_the_program(opened: Opened):
    async with panes(opened, 2) as (app, pilot, both):
        await pilot.press(LEADER, "H", "H", "left", "ctrl+right")
        await until(lambda: both[0].emulator.columns == 58)
        assert "Moving the border" in bottom(app)
        await pilot.press("x")
        await until(lambda: opened[1].input == b"x")
        assert bottom(app) == ""
        await pilot.press(LEADER, "L", "escape", "L")
        await until(lambda: opened[1].input == b"xL")
        assert both[0].emulator.columns == 59
        await pilot.press(LEADER, "equals_sign")
        await until(lambda: both[0].emulator.columns == 60)


async def test_borders_are_dragged_and_titles_clicked(opened: Opened):
    async with panes(opened, 3) as (app, pilot, (first, second, third)):
        await pilot.mouse_down(app.screen, offset=(60, 10))
        await pilot.hover(app.screen, offset=(40, 12))
        await pilot.mouse_up(app.screen, offset=(40, 12))
        await until(lambda: first.emulator.columns == 40)
        # The title of the lower one is the border between the two.
        await pilot.mouse_down(third.heading, offset=(5, 0))
        await pilot.hover(app.screen, offset=(70, 30))
        await pilot.mouse_up(app.screen, offset=(70, 30))
        await until(lambda: second.emulator.lines == 28)
        await pilot.click(first.heading)
        await until(lambda: app.focused is first.terminal)
        assert first.terminal.selection is None


async def test_keys_and_pastes_go_to_all_that_are_attached_and_to_nobody_who_copies(opened: Opened):
    async with panes(opened, 4) as (app, pilot, four):
        opened[1].output.put_nowait(b"\x1b[?2004h")
        opened[3].on_state(LinkState.RECONNECTING)
        await until(lambda: opened[1].taken > 0)
        await pilot.press(LEADER, "left", LEADER, "left", LEADER, "a")
        assert app.focused is four[0].terminal
        four[2].terminal.start_copy_mode()
        await pilot.pause()
        bar = app.terminals._bar.render().plain
        assert "KEYS GO TO ALL 2 PANES: ctrl+] a ends it" in bar
        assert ["KEYS GO TO ALL 2" in pane.heading.text for pane in four] == [True, True, False, False]
        assert "copy mode, gets no keys" in four[2].heading.text
        await pilot.press("l", "up")
        await until(lambda: opened[1].input.endswith(b"\x1b[A"))
        app.post_message(Paste("who"))
        await until(lambda: opened[1].input.endswith(b"\x1b[201~"))
        assert opened[0].input == b"l\x1b[Awho"
        assert opened[1].input == b"l\x1b[A\x1b[200~who\x1b[201~"
        assert opened[2].input == opened[3].input == b""
        await pilot.press(LEADER, "a", "x")
        await until(lambda: opened[0].input.endswith(b"x"))
        assert opened[1].input.endswith(b"~")
        assert "KEYS" not in app.terminals._bar.render().plain


async def test_a_paste_into_all_asks_once_for_all(opened: Opened):
    async with panes(opened, 2) as (app, pilot, _):
        await pilot.press(LEADER, "a")
        app.hub._client.screens[("web-1", "x")] = b""
        app.post_message(Paste("one\ntwo"))
        await until(lambda: "Paste 2 lines into 2 panes, with web-1 (env=prod)?" in bottom(app))
        await pilot.press("y")
        await until(lambda: opened[0].input == opened[1].input == b"one\rtwo")


async def test_a_pane_goes_to_a_tab_and_back_and_detached_sessions_are_offered(opened: Opened):
    async with panes(opened, 2) as (app, pilot, (first, second)):
        say(app.hub.state, snapshot(sessions=[
            session(7, "db-1", state=SessionState.DETACHED, command="pg_dump"),
            session(8, "db-1", state=SessionState.DETACHED, principal="bob", command="his"),
        ]))  # fmt: skip
        await pilot.press(LEADER, "exclamation_mark")
        assert [tab.panes for tab in app.terminals._layout.tabs] == [[first], [second]]
        await pilot.press(LEADER, "m")
        assert "web-1" in bottom(app)
        assert "db-1: pg_dump, detached" in bottom(app)
        assert "his" not in bottom(app)
        await pilot.press("2")
        await until(lambda: len(opened) == 3 and opened[2].id == session(7).session_id)
        await live(app, pilot, 3)
        await pilot.press(LEADER, "m", "1")
        assert app.terminals._layout.tabs[0].panes[0] is second
        assert [len(tab.panes) for tab in app.terminals._layout.tabs] == [3]
        # Above the first there is nothing; in a tab with one pane, `k` ends the session, as it always did.
        await pilot.press(LEADER, "k")
        assert bottom(app) == ""
        await pilot.press(LEADER, "exclamation_mark", LEADER, "k")
        assert "with everything" in bottom(app)


async def test_there_is_no_room_for_too_many_panes_and_a_small_window_shows_one(opened: Opened):
    async with panes(opened, 2, 80, 24) as (app, pilot, both):
        for _ in range(6):
            await pilot.press(LEADER, "s")
        assert len(app.terminals._layout.panes) < 8
        assert any("no room" in note.message for note in app._notifications)
        await pilot.resize_terminal(40, 8)
        await until(lambda: app.terminals._layout.shown == [app.terminals._layout.active])
        await until(lambda: "no room" in app.terminals._layout.active.heading.text)
        await pilot.press(LEADER, "left")
        assert app.terminals._layout.active is not both[0]
        await pilot.resize_terminal(80, 24)
        await until(lambda: len(app.terminals._layout.shown) == len(app.terminals._layout.panes))


async def test_what_a_hidden_pane_prints_is_not_painted(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    painted: list[TerminalPane] = []
    async with panes(opened, 3) as (app, pilot, (first, _, third)):
        await pilot.press(LEADER, "z")
        await until(lambda: third.emulator.columns == 120)
        monkeypatch.setattr(first.terminal, "_line_states", lambda _height: painted.append(first) or [])
        monkeypatch.setattr(first.terminal, "render_line", lambda _y: painted.append(first))
        for _ in range(5):
            opened[0].output.put_nowait(b"hidden\r\n" * 50)
            opened[2].output.put_nowait(b"seen\r\n")
            await pilot.pause(1 / 60)
        await until(lambda: opened[0].taken == 5 * 50 * 8 and third.terminal._painted[0][0] is not None)
        assert "seen" in text_of(app)
        assert painted == []


SCREENS = ["htop.80x24", "vim-edit.80x24", "git-log.80x24", "top.80x24"]


async def shown(app: ConsoleApp, pilot: Pilot[int], opened: Opened) -> None:
    for made, name in zip(opened.values(), SCREENS, strict=False):
        made.output.put_nowait(recording(name))
        await until(lambda made=made: made.taken > 0)
    sessions = [
        session(number, command=command, state=SessionState.OPEN)
        for number, command in enumerate(["htop", "vim notes.txt", "git log", "top"], 1)
    ]
    say(app.hub.state, snapshot(sessions=sessions))
    await settled(app, pilot)


async def settled(app: ConsoleApp, pilot: Pilot[int]) -> None:
    def fits(pane: TerminalPane) -> bool:
        return (pane.emulator.columns, pane.emulator.lines) == tuple(pane.terminal.size)

    await until(lambda: all(map(fits, (pane for pane in app.terminals._layout.shown))))
    for _ in range(2):
        await pilot.pause(1 / 60)
    for pane in app.terminals._layout.shown:
        pane.terminal.refresh()
    await pilot.pause(1 / 60)


async def test_four_panes_zoomed_and_with_keys_to_all(opened: Opened):
    async with panes(opened, 4) as (app, pilot, _):
        await shown(app, pilot, opened)
        await check_picture(app, "panes-4-120x40")
        await pilot.press(LEADER, "z")
        await settled(app, pilot)
        await check_picture(app, "panes-zoomed")
        await pilot.press(LEADER, "z", LEADER, "a")
        await settled(app, pilot)
        await check_picture(app, "panes-keys-to-all")


async def test_three_panes_in_a_small_window(opened: Opened):
    async with panes(opened, 3, 80, 24) as (app, pilot, _):
        await shown(app, pilot, opened)
        await check_picture(app, "panes-3-80x24")
