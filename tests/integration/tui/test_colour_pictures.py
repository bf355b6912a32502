"""How the console looks with fewer colours: each theme in each depth, and what is done there."""

import pytest
from support.console import a_day_at_work, console
from support.pictures import check_picture

from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.shipped import FAMILIES

FEWER = [Depth.INDEXED, Depth.NAMED, Depth.NONE]

each_depth = pytest.mark.parametrize("depth", FEWER, ids=str)


@pytest.mark.parametrize(
    ("depth", "themes"),
    [(Depth.TRUE, ("ember", "fjord")), *((depth, tuple(FAMILIES)) for depth in FEWER[:2]), (Depth.NONE, ("dark",))],
    ids=["true", *FEWER],
)
async def test_the_overview_in_each_theme(depth: Depth, themes: tuple[str, ...]) -> None:
    """Takes a second a theme, as each is compared whole."""
    async with console(a_day_at_work(), depth=depth) as (app, pilot):
        await pilot.press("2", "space", "space")
        for theme in themes:
            app.use_theme(theme)
            await pilot.pause()
            await check_picture(app, f"colours-{depth}-{theme}")


@each_depth
async def test_a_form_and_what_asks(depth: Depth) -> None:
    async with console(a_day_at_work(), depth=depth, width=100, height=30) as (app, pilot):
        await pilot.press("t", "tab", *"abc", "tab")
        await check_picture(app, f"colours-{depth}-form")
        await pilot.press("escape", "2", "x")
        await check_picture(app, f"colours-{depth}-question")


async def test_the_depth_is_that_of_the_app_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(a_day_at_work(), depth=Depth.NAMED) as (app, pilot):
        await pilot.pause()
        styles = [
            segment.style for strip in app.screen._compositor.render_strips() for segment in strip if segment.style
        ]
        numbers = {colour.number for style in styles for colour in (style.color, style.bgcolor) if colour}
        assert {0, 7, 10, 14} <= numbers
        assert all(number is None or number < 16 for number in numbers)
