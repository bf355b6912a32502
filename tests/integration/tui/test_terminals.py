"""Terminals in the console over a real hub and node."""

import asyncio
import base64
import re
import time
from pathlib import Path

import pytest
from support.hub_process import hub_process
from support.screen_reader import Screen
from support.stack import Certificates, connected_client, running_node, stack, until, within
from support.terminals import bottom, console_at, notices, open_terminal, run, shell, shows, text, type_line
from textual.events import Paste

from omnyshell import PtySpec, SessionMode
from omnyshell.protocol.limits import MAX_CREDIT
from omnyshell.tui.terminal import signs
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.tab import TabMark

RAW = "stty raw -echo; printf 'raw\\r\\n'; exec od -An -tx1 -v -w1"
"""Shows each byte that is typed, in hexadecimal."""

LEADER = "ctrl+right_square_bracket"


async def test_every_key_goes_to_the_program(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        pane = await open_terminal(app, OpenSpec(node_id="n1", command=RAW))
        await shows(pane, "raw")
        keys = ["escape", "tab", "ctrl+c", "ctrl+q", "ctrl+p", "ctrl+z", "f1", "alt+full_stop", "up", "é"]
        await pilot.press(*keys)
        expected = "1b 09 03 11 10 1a 1b 4f 50 1b 2e 1b 5b 41 c3 a9"
        await until(lambda: expected in " ".join(text(pane).split()))
        # The leader twice sends it through.
        await pilot.press(LEADER)
        assert "Detach" in bottom(app)
        await pilot.press(LEADER)
        await until(lambda: " ".join(text(pane).split()).endswith("c3 a9 1d"))
        assert bottom(app) == ""
        assert app.screen is app.terminals


async def test_size_title_bell_exit_and_running_again(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        pane = await shell(app)
        await run(pane, "stty size", "23 80")
        await pilot.resize_terminal(100, 40)
        await run(pane, "stty size", "39 100")
        await run(pane, "printf '\\033]2;work\\033\\\\'; echo done1", "done1\n")
        await until(lambda: pane.label == "n1: work")
        other = await shell(app)
        pane.typed(b"printf '\\a'\r")
        await until(lambda: pane.mark is TabMark.BELL)
        await pilot.press(LEADER, "p")
        await until(lambda: app.focused is pane.terminal)
        assert pane.mark is TabMark.NONE
        other.typed(b"echo unseen\r")
        await until(lambda: other.mark is TabMark.ACTIVITY)
        await type_line(pilot, "exit 3")
        await until(lambda: pane.attachment.phase is Phase.EXITED)
        await pilot.pause()
        assert "exit code 3" in str(pane.query_one("#notice").render())
        assert pane.mark is TabMark.OVER
        await pilot.press("r")
        await until(lambda: pane.attachment.phase is Phase.LIVE)
        await shows(pane, "ready>")
        pane.typed(b"kill -9 $$\r")
        await until(lambda: pane.attachment.phase is Phase.EXITED)
        await pilot.pause()
        assert "signal" in str(pane.query_one("#notice").render())
        await pilot.press("enter")
        await until(lambda: app.focused is other.terminal)
        assert app.terminals.live_terminals == [other]


async def test_what_is_typed_before_the_session_is_open_is_not_lost(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        pane = app.terminals.open(OpenSpec(node_id="n1", command="env PS1='ready> ' sh -i"))
        app.switch_mode("terminals")
        await pilot.pause()
        pane.terminal.paste("echo ear''ly\r")
        await shows(pane, "early")
        missing = app.terminals.open_shell("nowhere")
        await until(lambda: missing.attachment.phase is Phase.FAILED)
        await pilot.pause()
        assert "tries again" in str(missing.query_one("#notice").render())
        plain = await open_terminal(app, OpenSpec(node_id="n1", command="printf 'one\\ntwo\\n'; sleep 60", pty=False))
        await shows(plain, "two")
        assert [line.rstrip() for line in plain.emulator.display[:2]] == ["one", "two"]


@pytest.mark.usefixtures("unmeasured")
async def test_a_flood_leaves_the_console_alive_and_ctrl_c_stops_it(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        quiet = await shell(app)
        pane = await shell(app)
        pane.typed(b"yes 'the flood goes on'\r")
        await until(lambda: pane.emulator.scrolled > 2000)
        lags = []
        for _ in range(50):
            start = time.thread_time()
            await asyncio.sleep(0)
            lags.append(time.thread_time() - start)
        # The processor's time: a slice of 4 ms of each of its two ends, which share the loop with hub and node here,
        # and a repaint.
        assert sorted(lags)[len(lags) // 2] < 0.05
        quiet.typed(b"echo still''here\r")
        await shows(quiet, "stillhere")
        assert len(pane.emulator.scrollback) <= 10_000
        before = pane.emulator.scrolled
        await pilot.press("ctrl+c")
        await until(lambda: text(pane).rstrip().endswith("ready>"))
        # What the node had read when it came, and may send without being granted more.
        assert pane.emulator.scrolled - before < MAX_CREDIT // len("the flood goes on\r\n")


async def test_a_resumed_session_has_what_scrolled_off(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, client):
        command = "seq 3000; echo rea''dy; read -r x; seq 3001 3100; read -r x"
        session = await within(client.open_session("n1", mode=SessionMode.SHELL, command=command, pty=PtySpec()))
        await Screen(session).shows(b"ready")
        await within(session.detach())
        async with console_at(certificates, hub.port) as (app, _):
            pane = await open_terminal(app, OpenSpec(node_id="n1", session_ref=session.id))
            pane.typed(b"\r")
            await shows(pane, "3100")
            lines = pane.terminal.lines

            def kept() -> list[str]:
                found = ("".join(lines.cells(at)).strip() for at in range(lines.first, lines.last + 1))
                return [line for line in found if line.isdigit()]

            await until(lambda: len(kept()) >= 3100)
            assert kept() == [str(number) for number in range(1, 3101)]
            pane.terminal.search("1234")
            await until(lambda: pane.terminal.copy_mode is not None and pane.terminal.is_scrolled)
            assert pane.terminal.copy_mode is not None
            assert "".join(lines.cells(pane.terminal.copy_mode.cursor.line)).strip() == "1234"


async def test_a_lost_hub_is_waited_for_and_no_byte_is_lost(certificates: Certificates, tmp_path: Path):
    async with (
        hub_process(certificates, tmp_path / "hub") as hub,
        running_node(certificates, hub.port, tmp_path / "node"),
        console_at(certificates, hub.port, scrollback=5000) as (app, pilot),
    ):
        program = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; sleep 0.005; done; read -r x; echo got $x"
        pane = await open_terminal(app, OpenSpec(node_id="n1", command=program))
        await shows(pane, "line 50")
        hub.kill()
        await until(lambda: pane.attachment.phase is Phase.WAITING)
        await pilot.pause()
        assert pane.mark is TabMark.WAITING
        assert "hub is lost" in str(pane.query_one("#notice").render())
        await pilot.press("h", "i", "enter")
        await hub.start()
        await until(lambda: pane.attachment.phase is Phase.LIVE)
        await until(lambda: "got hi" in text(pane))
        kept = ["".join(pane.terminal.lines.cells(at)).rstrip() for at in range(pane.terminal.lines.last + 1)]
        # What was typed is echoed somewhere between them, maybe before one on its line.
        assert re.findall(r"line \d+", "\n".join(kept)) == [f"line {number}" for number in range(1, 401)]


async def test_a_session_taken_over_elsewhere_says_so_and_is_taken_back(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        pane = await shell(app)
        await run(pane, "x=kept", "ready>")
        async with connected_client(certificates, hub.port) as other:
            taken = await other.resume("n1", pane.session_id, pty=PtySpec(cols=60, rows=20))
            await until(lambda: pane.attachment.phase is Phase.TAKEN)
            await until(lambda: "Another terminal took it over" in str(pane.query_one("#notice").render()))
            await pilot.press("r")
            await until(lambda: pane.attachment.phase is Phase.LIVE)
            await within(asyncio.gather(taken.wait(), return_exceptions=True))
        await run(pane, "echo [$x]", "[kept]")
        # The same session is not attached twice.
        assert app.terminals.attach("n1", pane.session_id) is pane


async def test_detach_preview_watch_and_wall(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, client), console_at(certificates, hub.port) as (app, pilot):
        pane = await shell(app)
        await run(pane, "echo on''-the-wall", "on-the-wall")
        await pilot.press(LEADER, "d")
        await until(lambda: app.screen is app.overview)
        assert "Detached" in notices(app)
        assert app.terminals.live_terminals == []
        ref = (await client.list_sessions("n1"))[0].session_id

        app.switch_mode("wall")
        wall = await _wall(app)
        await until(lambda: bool(wall._cells) and wall._cells[0].screen_shown is not None)
        assert "on-the-wall" in "\n".join(wall._cells[0].screen_shown.display)

        await pilot.press("w")
        await until(lambda: app.screen is app.terminals)
        watched = app.terminals._layout.active
        await until(lambda: "on-the-wall" in "\n".join(watched.snapshot.screen.display))
        await pilot.press("x", "space", "ctrl+c")
        # Of what is printed by others the view hears without being attached.
        async with connected_client(certificates, hub.port) as other:
            session = await other.resume("n1", ref, pty=PtySpec(cols=80, rows=24))
            await session.write(b"echo ne''wer\r")
            reader = asyncio.create_task(_drain(session))
            await until(lambda: "newer" in "\n".join(watched.snapshot.screen.display))
            assert "x " not in "\n".join(watched.snapshot.screen.display).replace("ready> ", "")
            session.abandon()
            await asyncio.gather(reader, return_exceptions=True)
        app.terminals.set_focus(watched.target)
        await pilot.press("a")
        await until(lambda: bool(app.terminals.live_terminals))
        attached = app.terminals.live_terminals[0]
        await shows(attached, "newer")


async def _wall(app):
    await until(lambda: type(app.screen).__name__ == "WallScreen")
    return app.screen


async def _drain(session) -> None:
    async for _ in session:
        pass


async def test_splits_zoom_rename_and_signals(certificates: Certificates, tmp_path: Path):
    async with (
        stack(certificates, tmp_path) as (hub, _, _),
        console_at(certificates, hub.port, size=(101, 24)) as (app, pilot),
    ):
        first = await shell(app)
        second = await shell(app)
        await pilot.press(LEADER, "m", "1")
        await until(lambda: first.emulator.columns == 50 and second.emulator.columns == 50)
        assert app.focused is first.terminal
        await pilot.click(second.terminal)
        await until(lambda: app.focused is second.terminal)
        await pilot.press(LEADER, "right")
        await until(lambda: app.focused is first.terminal)
        await pilot.press(LEADER, "z")
        await until(lambda: first.emulator.columns == 101)
        await pilot.press(LEADER, "z", LEADER, "exclamation_mark")
        await until(lambda: (first.emulator.columns, first.emulator.lines) == (101, 23))
        await pilot.press(LEADER, "1")
        await until(lambda: app.focused is second.terminal)
        await pilot.press(LEADER, "7")
        assert "There are 2 tabs" in [one.message for one in app._notifications]
        await pilot.press(LEADER, "0")
        await until(lambda: app.focused is first.terminal)
        await pilot.press(LEADER, "r", "ctrl+u", "d", "b", "enter")
        assert signs.label(app.terminals._layout.tab, is_active=True).text == "db"
        first.typed(b"trap 'echo got usr1' USR1\r")
        await pilot.press(LEADER, "i", "1", "enter")
        await shows(first, "got usr1")
        await pilot.press(LEADER, "k")
        assert "End 'db'" in bottom(app)
        await pilot.press("n")
        assert first.is_live
        await pilot.press(LEADER, "k", "y")
        await until(lambda: first.attachment.phase is Phase.EXITED)


async def test_pastes_of_several_lines_into_production_ask_first(certificates: Certificates, tmp_path: Path):
    async with (
        stack(certificates, tmp_path, labels={"env": "prod"}) as (hub, _, _),
        console_at(certificates, hub.port) as (app, pilot),
    ):
        pane = await shell(app)
        app.post_message(Paste("echo o''ne"))
        await shows(pane, "echo o''ne")
        app.post_message(Paste("\necho tw''o\necho thr\x1bee\n"))
        await until(lambda: "Paste 2 lines into n1 (env=prod)?" in bottom(app))
        await pilot.press("n")
        assert "two" not in text(pane)
        app.post_message(Paste("\necho tw''o\necho thr\x1bee\n"))
        await until(lambda: bool(bottom(app)))
        await pilot.press("y")
        # Control characters never get through.
        await shows(pane, "ready> three")


async def test_copying_by_mouse_and_keys_says_what_was_done(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        pane = await shell(app)
        await run(pane, "clear; seq 1 60", "\n60")
        await pilot.press("shift+pageup")
        await until(lambda: pane.terminal.is_scrolled)
        assert "lines up" in str(pane.query_one("#notice").render())
        await pilot.press("shift+end")
        await pilot.mouse_down(pane.terminal, offset=(0, 0))
        await pilot.hover(pane.terminal, offset=(1, 2))
        await pilot.mouse_up(pane.terminal, offset=(1, 2))
        assert app.clipboard == "39\n40\n41"
        assert "Kept 3 lines" in notices(app)
        await pilot.press(LEADER, "slash", *"17", "enter")
        await until(lambda: pane.terminal.lines.top > pane.terminal.top)
        await pilot.press("V", "k", "y")
        assert app.clipboard == "16\n17\n"
        assert not pane.terminal.is_scrolled


async def test_the_mouse_is_the_programs_where_it_asked(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, pilot):
        program = "stty raw -echo; printf '\\033[?1002h\\033[?1006hraw\\r\\n'; exec cat -v"
        pane = await open_terminal(app, OpenSpec(node_id="n1", command=program))
        await shows(pane, "raw")
        await pilot.click(pane.terminal, offset=(4, 2))
        await shows(pane, "^[[<0;5;3M^[[<0;5;3m")
        await pilot.mouse_down(pane.terminal, offset=(0, 0), shift=True)
        await pilot.hover(pane.terminal, offset=(2, 0))
        await pilot.mouse_up(pane.terminal, offset=(2, 0), shift=True)
        assert app.clipboard == "raw"


@pytest.mark.parametrize(("limit", "told"), [(100, "500 bytes are more than the 100"), (10_000, "copies")])
async def test_what_programs_copy_is_limited_and_told(
    certificates: Certificates, tmp_path: Path, limit: int, told: str
):
    async with (
        stack(certificates, tmp_path) as (hub, _, _),
        console_at(certificates, hub.port, copy_limit=limit) as (app, _),
    ):
        pane = await shell(app)
        data = base64.b64encode(b"s" * 500).decode()
        await run(pane, f"clear; printf '\\033]52;c;{data}\\a\\033]52;c;?\\a'; echo o''k", "\nok")
        await until(lambda: told in notices(app))
        assert (len(app.clipboard) == 500) == (limit > 500)
        await until(lambda: "clipboard.write" in [record.action for record in hub.audit])
        (record,) = (record for record in hub.audit if record.action == "clipboard.write")
        assert (record.outcome, record.node_id, record.detail) == ("ok" if limit > 500 else "denied", "n1", "500 bytes")


async def test_hostile_output_types_nothing_and_device_queries_are_answered(certificates: Certificates, tmp_path: Path):
    async with stack(certificates, tmp_path) as (hub, _, _), console_at(certificates, hub.port) as (app, _):
        asks = "\\033[21t\\033P$qm\\033\\\\\\005\\033[>c\\033[>q\\033]10;?\\a\\033[?2004$p"
        program = f"stty raw -echo; printf 'raw\\r\\n{asks}\\033[6n\\033[c'; exec cat -v"
        pane = await open_terminal(app, OpenSpec(node_id="n1", command=program))
        await shows(pane, "^[[?62;22c")
        shown = "".join(line.rstrip() for line in pane.emulator.display[1:])
        assert shown == "^[[2;1R^[[?62;22c"
        flood = await open_terminal(app, OpenSpec(node_id="n1", command="while :; do printf '\\033[6n'; done"))
        await until(lambda: pane.attachment.phase is Phase.LIVE and flood.attachment.session is not None)
        for _ in range(20):
            await asyncio.sleep(0.02)
        assert flood.attachment._waiting == 0
