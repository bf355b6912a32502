"""A node id that two processes use: said aloud once, marked for a while, and told in full beside the list."""

from datetime import timedelta

from support.console import NOW, a_day_at_work, console, delta, node
from support.overview import settled
from support.pictures import check_picture
from textual.widgets import Static

from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.panels.details_pane import DetailsPane
from omnyshell.tui.panels.nodes import CONTEST_SHOWN

WHO = "192.0.2.7 (db-1) -> 203.0.113.9 (db-1-copy)"


def toasts(app: ConsoleApp) -> list[str]:
    return [note.message for note in app._notifications]


def row(app: ConsoleApp) -> str:
    table = app.overview.nodes.table
    lines = (table.render_line(y).text for y in range(table.size.height))
    return next(line for line in lines if "db-1" in line)


async def test_it_is_said_once_and_marked_until_it_is_long_ago() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        assert "● online" in row(app)
        for sessions in (2, 3):
            app.hub.state.apply(delta(nodes=(node("db-1", displaced_at=NOW, displaced=WHO, sessions=sessions),)))
            await settled(pilot)
        assert len(toasts(app)) == 1
        assert toasts(app)[0].startswith("db-1 was displaced: ")
        assert WHO in toasts(app)[0]
        assert "▲ clashes" in row(app)
        await check_picture(app, "overview-contested")
        app.clear_notifications()
        later = node("db-1", displaced_at=NOW - timedelta(seconds=CONTEST_SHOWN), displaced=WHO)
        app.hub.state.apply(delta(nodes=(later,)))
        await settled(pilot)
        assert "● online" in row(app)
        assert toasts(app) == []


async def test_the_details_name_both() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        app.hub.state.apply(delta(nodes=(node("db-1", displaced_at=NOW, displaced=f"{WHO}\x1b[2J"),)))
        await pilot.press("slash", *"db-1", "enter", "d")
        await settled(pilot)
        shown = " ".join(str(line.render()) for line in app.overview.query_one(DetailsPane).query(Static))
        assert "203.0.113.9" in shown
        assert "\x1b" not in shown
