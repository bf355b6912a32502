"""A command on many nodes, from the console."""

import asyncio
from pathlib import Path

from support.arriving import arrive
from support.console_over_hub import console, fill, toasts
from support.deadline import DEADLINE
from support.stack import Certificates, until
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Static

from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.fan_out.dialog import CommandDialog
from omnyshell.tui.fan_out.runner import run_all
from omnyshell.tui.fan_out.runs import CUT, Job, RunState, runs_on
from omnyshell.tui.fan_out.screen import LEFT_OUT, SHOWN_LINES, FanOutScreen


async def test_a_command_runs_on_all_selected_nodes_and_equal_output_is_grouped(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with console(certificates, tmp_path, "n2", "n3") as (app, pilot, _):
        await until(lambda: len(app.overview.nodes.rows.shown) == 3)
        await pilot.press("a", "x")
        await arrive(app, CommandDialog)
        await fill(pilot, command="echo same; exit 3")
        await pilot.press("enter")
        screen = await arrive(app, FanOutScreen)
        await until(lambda: all(run.is_over for run in screen.runs))
        assert {(run.exit_code, run.output) for run in screen.runs} == {(3, b"same\n")}
        await pilot.press("g")
        await until(lambda: screen.query_one(DataTable).row_count == 1)
        await pilot.press("escape")
        await until(lambda: app.screen is app.overview)


async def test_what_runs_still_is_ended_when_that_is_asked_for(certificates: Certificates, tmp_path: Path) -> None:
    async with console(certificates, tmp_path) as (app, pilot, _):
        await pilot.press("x")
        await arrive(app, CommandDialog)
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
        await arrive(app, CommandDialog)
        await fill(pilot, command="yes | head -c 3000000; exec sleep 1000")
        await pilot.press("enter")
        screen = await arrive(app, FanOutScreen)
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
        await arrive(app, CommandDialog)
        await fill(pilot, command="pwd; exec sleep 1000", cwd="/usr")
        await pilot.press("enter")
        screen = await arrive(app, FanOutScreen)
        await until(lambda: screen.runs[0].output == b"/usr\n")
        await pilot.press("escape")
        await arrive(app, Question)
        await pilot.press("enter")
        await until(lambda: app.screen is screen)
        assert not screen.runs[0].is_over
        await pilot.press("escape")
        await arrive(app, Question)
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
