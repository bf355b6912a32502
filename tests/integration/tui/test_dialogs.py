"""Pictures of the dialogs, and how they behave without a hub."""

from support.console import a_day_at_work, console
from support.pictures import check_picture

from omnyshell.tui.dialogs.question import Question
from omnyshell.tui.dialogs.session import SessionDialog
from omnyshell.tui.dialogs.tunnel import TunnelDialog


async def test_a_session_is_asked_for() -> None:
    async with console(a_day_at_work(), width=80, height=24) as (app, pilot):
        await pilot.press("c")
        assert isinstance(app.screen, SessionDialog)
        check_picture(app, "dialog-session")
        await pilot.press("escape")
        assert app.screen is app.overview


async def test_a_wrong_port_is_explained_at_once() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        await pilot.press("3", "t")
        assert isinstance(app.screen, TunnelDialog)
        assert not app.screen.query_one("#error").display
        await pilot.press(*"70000")
        assert app.screen.query_one("#error").display
        check_picture(app, "dialog-tunnel-error")


async def test_what_is_to_be_ended_is_named() -> None:
    async with console(a_day_at_work(), width=120, height=40) as (app, pilot):
        await pilot.press("2", "a", "x")
        assert isinstance(app.screen, Question)
        assert app.focused is app.screen.query_one("#cancel")
        check_picture(app, "dialog-kill")
        await pilot.press("enter")
        assert app.screen is app.overview
        await pilot.press("v")
        assert app.overview.preview.ref is not None
        assert app.overview.preview.display
        check_picture(app, "overview-preview")
