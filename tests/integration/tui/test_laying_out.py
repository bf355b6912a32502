"""The overview in terminals of all sizes: laid out at once, with as many keys in its last line as have room."""

from typing import Any

import pytest
from support.console import a_day_at_work, console, node, say, session, snapshot, tunnel
from support.overview import filtered, settled, text_of
from support.stack import until

from omnyshell.tui.app import ConsoleApp


def frames_of(app: ConsoleApp) -> list[str]:
    """What is painted from now on, picture by picture."""
    frames: list[str] = []
    display = app._display

    def keep(screen: Any, renderable: Any) -> None:
        display(screen, renderable)
        frames.append(text_of(app))

    app._display = keep
    return frames


@pytest.mark.parametrize("keys", [(), ("2",), ("z",), ("slash",), ("f4",)])
async def test_the_first_frame_of_another_size_is_laid_out_for_it(keys: tuple[str, ...]) -> None:
    few = snapshot([node("web-1"), node("db-1")], [session(1)], [tunnel(20_001)])
    async with console(few, width=120, height=40) as (app, pilot):
        await pilot.press(*keys)
        await settled(pilot)
        frames = frames_of(app)
        for width, height in ((80, 24), (120, 40), (200, 60), (109, 34), (110, 33), (110, 34), (200, 60)):
            await pilot.resize_terminal(width, height)
            await until(lambda height=height: any(len(frame.splitlines()) == height for frame in frames))
            await settled(pilot)
            first = next(frame for frame in frames if len(frame.splitlines()) == height)
            assert first == frames[-1], (width, height)
            frames.clear()


async def test_a_scroll_bar_moves_no_column() -> None:
    async with console(snapshot([node("web-1")]), width=80, height=24) as (app, pilot):
        await settled(pilot)
        without = text_of(app).splitlines()[3]
        say(app.hub.state, snapshot([node(f"web-{number}") for number in range(1, 60)]))
        await until(lambda: app.overview.nodes.table.show_vertical_scrollbar)
        await settled(pilot)
        assert text_of(app).splitlines()[3] == without


async def test_a_column_in_which_no_row_has_anything_leaves_its_room_to_others() -> None:
    async with console(snapshot([node("web-1", labels={})]), width=200, height=24) as (app, pilot):
        await settled(pilot)
        heading = text_of(app).splitlines()[3].split()
        assert not {"LABELS", "NAME"} & set(heading)
        assert "VERSION" in heading
        why = [app.overview.nodes.why_nothing(column) for column in app.overview.nodes.columns]
        assert set(why) == {"", "no row has any"}
        say(app.hub.state, snapshot([node("web-1", labels={"env": "prod"}), node("web-2", labels={})]))
        await until(lambda: "LABELS" in text_of(app).splitlines()[3])
        assert "NAME" not in text_of(app).splitlines()[3].split()


async def test_the_line_of_keys_has_what_acts_and_nothing_else() -> None:
    async with console(a_day_at_work(), width=220, height=24) as (app, pilot):
        last = text_of(app).splitlines()[-1]
        assert all(known in last for known in ("? Help", "ctrl+q Quit", "/ Filter", "shift+l Lock", "s Sort"))
        assert "Page down" not in last, "everybody knows the arrows"
        await pilot.press("slash")
        await settled(pilot)
        typing = text_of(app).splitlines()[-1]
        assert "f1 Help" in typing, "a question mark is typed into the filter"
        assert "Sort" not in typing
        assert "/ Filter" not in typing


async def test_a_click_on_a_key_presses_it() -> None:
    async with console(a_day_at_work(), width=120, height=24) as (app, pilot):
        last = text_of(app).splitlines()[-1]
        await pilot.click("KeyFooter", offset=(last.index("d Details") + 3, 0))
        await until(lambda: app.overview.has_class("-details"))
        await pilot.click("KeyFooter", offset=(last.index("d Details") - 1, 0))
        await settled(pilot)
        assert app.overview.has_class("-details"), "between two keys there is none"


async def test_escape_goes_back_to_where_one_came_from() -> None:
    async with console(a_day_at_work()) as (app, pilot):
        await pilot.press("f3", "f4", "escape")
        await until(lambda: app.current_mode == "overview")
        await pilot.press("4", "g", "escape")
        await until(lambda: app.overview.panel is app.overview.audit and app.overview.audit.table.has_focus)
        await filtered(pilot, "action:auth")
        await pilot.press("escape")
        await settled(pilot)
        assert app.overview.audit.look.filter == ""


async def test_the_line_of_keys_holds_as_many_whole_ones_as_have_room() -> None:
    async with console(snapshot([node("web-1")]), width=80, height=24) as (app, pilot):
        await until(lambda: text_of(app).rstrip().endswith("/ Filter"))
        await pilot.resize_terminal(200, 24)
        await until(lambda: "ctrl+q Quit" in text_of(app))
        await pilot.resize_terminal(30, 24)
        await until(lambda: text_of(app).rstrip().endswith(" ? Help  : Prompt"))
