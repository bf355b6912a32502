"""Pictures of terminals, previews and the wall, over sessions that are made up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.console import StillClock, console
from support.looks import PALETTES, SIZES, in_sizes
from support.passing import leap
from support.pictures import check_picture
from support.scripted import ScriptedClient, ScriptedSession, recording
from support.stack import until, within
from support.terminals import LEADER, bottom
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import OptionList
from textual.widgets._toast import Toast

from omnyshell.errors import (
    AuthorizationException,
    ChannelException,
    NodeUnavailableException,
    SessionRejectedException,
)
from omnyshell.model.sessions import PtySpec
from omnyshell.services.client.states import ExitStatus, LinkState
from omnyshell.terminal import Emulator, paint
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.previews.snapshots import Snapshot
from omnyshell.tui.terminal import view
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.prompt import Strip

LOG = b"".join(b"%04d  worker-%d served /api/v1/items/%d in %d ms\r\n" % (n, n % 7, 31 * n, n % 43) for n in range(300))

REFUSED = {"nowhere": "node_offline", "forbidden": "not_authorized", "empty": "not_found"}

NOT_SHOWN = {"forbidden": AuthorizationException("no"), "empty": SessionRejectedException("no")}
WHAT_FAILED = ("cannot be watched", "was not opened")

Opened = dict[str, ScriptedSession]


@pytest.fixture(name="opened")
def _opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The sessions that were opened, by node."""
    opened: Opened = {}

    async def open_(spec: OpenSpec, client: object, size: PtySpec) -> ScriptedSession:
        if spec.node_id in REFUSED:
            raise SessionRejectedException(f"node '{spec.node_id}' is not connected", code=REFUSED[spec.node_id])
        opened[spec.node_id] = session = ScriptedSession()
        return session

    monkeypatch.setattr(OpenSpec, "open", open_)
    return opened


@asynccontextmanager
async def terminals(width: int = 120, height: int = 40, **look: Any) -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    """The console at its terminals."""
    async with console(width=width, height=height, **look) as (app, pilot):
        app.hub._client = ScriptedClient()
        app.switch_mode("terminals")
        await pilot.pause()
        yield app, pilot


async def live(app: ConsoleApp, opened: Opened, node_id: str, output: bytes) -> TerminalPane:
    """A session that has printed something."""
    pane = app.terminals.open(OpenSpec(node_id=node_id))
    await until(lambda: pane.attachment.phase is Phase.LIVE)
    opened[node_id].output.put_nowait(output)
    await until(lambda: opened[node_id].taken >= len(output))
    return pane


async def settled(pilot: Pilot[int], check: Callable[[], bool] = lambda: True) -> None:
    """Wait for something, and until it is painted."""
    await until(check)
    panes = pilot.app.screen.query(TerminalPane)
    await pilot.pause(1 / 60)
    await until(lambda: all(map(_fits, panes)))
    for _ in range(3):
        await pilot.pause(1 / 60)
    await until(lambda: not any(pane.terminal._frame for pane in panes))
    for pane in panes:
        # Whole, so that no paced repaint is still to come.
        pane.terminal.refresh()
    await pilot.pause(1 / 60)


def _fits(pane: TerminalPane) -> bool:
    """Whether the pane's program has the size that is seen, and its notice the room that it takes."""
    seen, emulator, notice = pane.terminal.size, pane.emulator, pane.query_one("#notice")
    height = notice.size.height if notice.has_class("-shown") else 0
    return pane.terminal.covered == height and (not seen or (emulator.columns, emulator.lines) == tuple(seen))


async def test_a_program_in_each_theme(opened: Opened):
    async with terminals(100, 31) as (app, pilot):
        pane = await live(app, opened, "web-1", recording("vim-colours.100x30"))
        assert pane.emulator.on_alternate_screen
        assert opened["web-1"].sizes == []
        for theme in PALETTES:
            app.use_theme(theme)
            await settled(pilot)
            await check_picture(app, f"terminal-vim-{theme}")


async def test_what_follows_the_leader(opened: Opened):
    async with terminals() as (app, pilot):
        await live(app, opened, "web-1", LOG)
        await pilot.press(LEADER)
        async for size in in_sizes(pilot):
            await settled(pilot)
            assert "Detach" in bottom(app)
            await check_picture(app, f"terminal-leader-{size}")


async def test_no_terminal():
    async with terminals(80, 24) as (app, pilot):
        assert app.terminals.live_terminals == []
        await settled(pilot)
        await check_picture(app, "terminals-empty")


async def test_colours_attributes_and_wide_characters(opened: Opened):
    async with terminals(96, 29) as (app, pilot):
        await live(app, opened, "web-1", recording("colour-cube.96x28"))
        await live(app, opened, "web-2", recording("unicode.60x20"))
        await pilot.press(LEADER, "m", "1")
        await settled(pilot, lambda: all(pane.emulator.columns < 96 for pane in app.terminals.query(TerminalPane)))
        assert len(app.terminals._layout.shown) == 2
        await check_picture(app, "terminal-split")


@pytest.mark.parametrize("depth", [Depth.INDEXED, Depth.NAMED, Depth.NONE], ids=str)
async def test_programs_have_their_own_colours_as_far_as_there_are_any(opened: Opened, depth: Depth):
    async with terminals(110, 29, depth=depth) as (app, pilot):
        await live(app, opened, "web-1", recording("colour-cube.96x28"))
        await live(app, opened, "web-2", recording("htop.80x24"))
        await pilot.press(LEADER, "m", "1")
        await settled(pilot, lambda: all(pane.emulator.columns < 96 for pane in app.terminals.query(TerminalPane)))
        await pilot.press(LEADER, "c", "g", "v", "j", "j", "e")
        await settled(pilot, lambda: any(pane.terminal.selection for pane in app.terminals.query(TerminalPane)))
        await check_picture(app, f"terminal-{depth}")


async def test_many_tabs_with_long_names_and_marks(opened: Opened):
    async with terminals(120, 24) as (app, pilot):
        panes = [await live(app, opened, f"a-node-with-a-rather-long-name-{number}", b"$ ") for number in range(5)]
        opened[panes[0].node_id].output.put_nowait(b"\a")
        opened[panes[1].node_id].output.put_nowait(b"\x1b]2;a title that goes on for longer than anyone would read\a")
        await until(lambda: str(panes[0].mark) == "!" and str(panes[1].mark) == "*")
        opened[panes[2].node_id].output.put_nowait(ExitStatus(0))
        opened[panes[3].node_id].on_state(LinkState.RECONNECTING)
        await until(lambda: str(panes[2].mark) == "x" and str(panes[3].mark) == "~")
        await settled(pilot)
        await check_picture(app, "terminals-many-tabs")


async def test_copy_mode_and_search(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", LOG)
        await pilot.press(LEADER, "slash", *"worker-")
        await until(lambda: pane.terminal.finder.at is not None)
        last = pane.terminal.finder.at
        # It follows what is typed, from where it began, and leaves no trace where it is left.
        await pilot.press("4")
        await until(lambda: pane.terminal.finder.at not in (None, last))
        await pilot.press("backspace")
        await until(lambda: pane.terminal.finder.at == last)
        await pilot.press("escape")
        assert (pane.terminal.copy_mode, pane.terminal.finder.search, pane.terminal.is_scrolled) == (None, None, False)
        await pilot.press(LEADER, "slash", *"worker-3", "enter")
        await until(lambda: pane.terminal.finder.at is not None)
        await pilot.press("v", "k", "k")
        await settled(pilot)
        assert pane.terminal.selection is not None
        await check_picture(app, "terminal-copy-mode")


async def test_a_flood_leaves_room_for_keys(opened: Opened, monkeypatch: pytest.MonkeyPatch):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", LOG)
        session, enough = opened["web-1"], asyncio.Event()

        async def flood() -> None:
            while not enough.is_set():
                await until(session.output.empty)
                for _ in range(20):
                    session.output.put_nowait(LOG)

        flooding = asyncio.create_task(flood())
        await until(lambda: session.taken > 20 * len(LOG))
        before = session.taken
        await pilot.press(LEADER)
        assert "Detach" in bottom(app)
        await until(lambda: session.taken > before + 20 * len(LOG))
        enough.set()
        await flooding
        await settled(pilot, session.output.empty)
        await check_picture(app, "terminal-flood")
        # Where the machine was stopped in the middle of a repaint the next one does not come later for that.
        show_now, is_stopped = view.show_now, asyncio.Event()

        def stopped(widget: Widget) -> None:
            show_now(widget)
            leap(60.0)
            is_stopped.set()

        monkeypatch.setattr(view, "show_now", stopped)
        session.output.put_nowait(b"after a while")
        await within(is_stopped.wait())
        assert pane.terminal._next_frame <= asyncio.get_running_loop().time()


async def test_scrolled_back(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", LOG)
        await pilot.press("shift+pageup", "shift+pageup")
        assert pane.terminal.is_scrolled
        await settled(pilot)
        await check_picture(app, "terminal-scrolled")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (ExitStatus(3), "exited"),
        (ExitStatus(-9, "SIGKILL"), "killed"),
        (ChannelException("detached", code="detached"), "taken"),
        (NodeUnavailableException("the node ended the session"), "failed"),
    ],
)
async def test_how_a_session_ended(opened: Opened, said: Any, name: str):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", LOG)
        opened["web-1"].output.put_nowait(said)
        await settled(pilot, lambda: pane.attachment.is_over)
        assert not pane.is_live
        await check_picture(app, f"terminal-{name}")


async def test_a_lost_hub(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", LOG)
        opened["web-1"].on_state(LinkState.RECONNECTING)
        await settled(pilot)
        assert pane.attachment.phase is Phase.WAITING
        await check_picture(app, "terminal-waiting")
        opened["web-1"].on_state(LinkState.RESUMED)
        await settled(pilot)
        assert not pane.query_one("#notice").has_class("-shown")


async def test_a_lost_node_is_not_called_a_lost_hub(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", LOG)
        opened["web-1"].lost_by = NodeUnavailableException("gone")
        opened["web-1"].on_state(LinkState.RECONNECTING)
        await settled(pilot)
        said = str(pane.query_one("#notice").render())
        assert said == "web-1 is offline; waiting until it is back. What you type is sent then."
        await pilot.press(LEADER, "k")
        await until(lambda: any(note.message.startswith("web-1 is offline") for note in app._notifications))


async def test_toasts_leave_the_last_lines_in_sight(opened: Opened):
    async with terminals(80, 24, toasts=True) as (app, pilot):
        await live(app, opened, "web-1", LOG)
        app.notify("Copied")
        await pilot.press(LEADER)
        await until(lambda: bool(app.screen.query(Toast)) and app.screen.query_one(Toast).region.height > 0)
        toast, strip = app.screen.query_one(Toast).region, app.screen.query_one(Strip).region
        assert (toast.y, toast.bottom, toast.right) == (0, 1, 80), "only the line of tabs is covered"
        assert toast.bottom <= strip.y
        app.notify("word " * 100)
        await until(lambda: app.screen.query(Toast).last().region.width == 80)
        assert {toast.region.bottom for toast in app.screen.query(Toast)} == {1}


async def test_a_program_hears_that_its_terminal_is_left_and_come_back_to(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        pane = await live(app, opened, "web-1", b"\x1b[?1004h")
        other = await live(app, opened, "web-2", b"\x1b[?1004h")
        heard = opened["web-2"]
        await until(lambda: app.focused is other.terminal)
        heard.input = opened["web-1"].input = b""
        await pilot.press(LEADER, "o")
        await until(lambda: app.screen is app.overview and heard.input == b"\x1b[O")
        await pilot.press("f3")
        await until(lambda: app.screen is app.terminals and heard.input == b"\x1b[O\x1b[I")
        assert opened["web-1"].input == b""
        await pilot.press(LEADER, "p")
        await until(lambda: app.focused is pane.terminal and opened["web-1"].input == b"\x1b[I")
        assert heard.input == b"\x1b[O\x1b[I\x1b[O"


async def test_a_session_that_is_refused(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        pane = app.terminals.open_shell("nowhere")
        await settled(pilot, lambda: pane.attachment.phase is Phase.FAILED)
        await check_picture(app, "terminal-refused")


async def test_what_may_not_be_attached_or_watched_is_asked_for_once_and_leaves_no_tab(opened: Opened):
    client = ScriptedClient(refusals=NOT_SHOWN)
    async with terminals(80, 24) as (app, pilot):
        app.hub._client = client
        kept = app.terminals.attach("web-1", "s")
        for node_id in ("forbidden", "empty"):
            app.terminals.attach(node_id, "s")
            app.terminals.watch_session(node_id, "s")
        await settled(pilot, lambda: app.terminals._layout.panes == [kept])
        assert client.asked == 2
        told = sorted(": ".join(notice.message.split(": ")[:2]) for notice in app._notifications)
        assert told == [f"{node}: s {what}" for node in ("empty", "forbidden") for what in WHAT_FAILED]


async def test_a_preview_that_is_refused_is_asked_for_once(monkeypatch: pytest.MonkeyPatch):
    now = StillClock()
    monkeypatch.setattr("omnyshell.tui.previews.snapshots.time.monotonic", now.monotonic)
    client = ScriptedClient(refusals=NOT_SHOWN)
    forbidden, empty = (Snapshot(SessionRef(node_id, "s")) for node_id in ("forbidden", "empty"))
    for _ in range(100):
        await forbidden.fetch(client)
        now.advance(1)
    assert (forbidden.error, client.asked) == ("no", 1)
    at = []
    for second in range(100):
        asked = client.asked
        await empty.fetch(client)
        at += [second] * (client.asked - asked)
        now.advance(1)
    assert at == [0, 1, 3, 7, 15, 31, 61, 91], "a pause is twice the one before, and 30 s at most"


async def test_the_question_before_the_end(opened: Opened):
    async with terminals(80, 24) as (app, pilot):
        await live(app, opened, "web-1", LOG)
        await pilot.press(LEADER, "k")
        assert "with everything" in bottom(app)
        await settled(pilot)
        await check_picture(app, "terminal-kill")


def screen_of(name: str, columns: int, lines: int) -> bytes:
    screen = Emulator(columns, lines)
    screen.feed(recording(name))
    return paint(screen)


SCREENS = {
    ("db-1", "04210000-0000-4000-8000-000000000000"): screen_of("htop.80x24", 80, 24),
    ("web-1", "17b80000-0000-4000-8000-000000000000"): screen_of("vim-edit.80x24", 80, 24),
    ("web-1", "93f20000-0000-4000-8000-000000000000"): screen_of("mc.80x24", 80, 24),
    ("web-2", "c0de0000-0000-4000-8000-000000000000"): screen_of("git-log.80x24", 80, 24),
    ("web-2", "d15e0000-0000-4000-8000-000000000000"): screen_of("top.80x24", 80, 24),
}


COMMANDS = ("htop", "vim code.py", "mc", "git log -p", "top")


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_the_wall(count: int):
    async with console(width=80, height=24) as (app, pilot):
        app.hub._client = client = ScriptedClient(dict(list(SCREENS.items())[:count]))
        client.commands = dict(zip((ref for _, ref in SCREENS), COMMANDS, strict=True))
        app.switch_mode("wall")
        await pilot.pause()
        wall = app.screen
        async for size in in_sizes(pilot, *SIZES[: 3 if count > 1 else 1]):
            await until(lambda: wall._is_listed and all(cell.screen_shown is not None for cell in wall._cells))
            await settled(pilot)
            assert len(wall._sessions) == count
            assert client.asked >= len(wall._cells)
            await check_picture(app, f"wall-{count}-{size}")
        if count > 1:
            await pilot.press("right" if wall._columns > 1 else "down")
            assert wall.selected == wall._sessions[1]


async def test_watching():
    async with console(width=80, height=25) as (app, pilot):
        app.hub._client = client = ScriptedClient(SCREENS)
        ref = "17b80000-0000-4000-8000-000000000000"
        pane = app.terminals.watch_session("web-1", ref)
        app.switch_mode("terminals")
        await settled(pilot, lambda: pane.snapshot.is_known)
        await settled(pilot)
        assert 20 <= pane.snapshot.lines <= 24
        await check_picture(app, "watch")
        await pilot.press("question_mark")
        await until(lambda: app.screen is not app.terminals and app.screen.query_one(OptionList).option_count > 0)
        assert str(app.screen.query_one(OptionList).options[0].prompt) == "Watched sessions"
        await pilot.press("escape")
        client.exits[ref] = 2
        await settled(pilot, lambda: pane.snapshot.exit_code == 2)
        await check_picture(app, "watch-ended")
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)


async def test_nothing_is_fetched_for_what_is_not_seen():
    async with console() as (app, pilot):
        app.hub._client = client = ScriptedClient(SCREENS)
        app.switch_mode("wall")
        await pilot.pause()
        await until(lambda: client.asked >= len(SCREENS))
        app.switch_mode("overview")
        await pilot.pause()
        asked = client.asked
        await asyncio.sleep(0)
        for _ in range(5):
            await pilot.pause(0.05)
        assert client.asked <= asked + len(SCREENS)
