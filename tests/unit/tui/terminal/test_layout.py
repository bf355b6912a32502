import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.tui.terminal.commands import leader_choices, leader_name
from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.line_editing import LONGEST, EditedLine
from omnyshell.tui.terminal.prompt import Choice, LineInput, Menu
from omnyshell.tui.terminal.splits import Axis, Direction, Rect, fits


def layout(*tabs: str) -> Layout[str]:
    made: Layout[str] = Layout()
    for tab in tabs:
        made.add(tab)
    return made


def test_a_new_tab_comes_behind_the_active_one_and_is_shown():
    tabs = layout("a", "b")
    tabs.activate("a")
    tabs.add("c")
    assert tabs.panes == ["a", "c", "b"]
    assert tabs.shown == ["c"]
    tabs.go(1)
    assert tabs.active == "b"
    tabs.go(1)
    assert tabs.active == "a"


def test_split_zoom_and_back():
    tabs = layout("a")
    assert tabs.split("b", Axis.BESIDE)
    assert tabs.split("c", Axis.BELOW)
    assert tabs.shown == ["a", "b", "c"]
    assert tabs.active == "c"
    assert tabs.focus(Direction.LEFT)
    assert tabs.active == "a"
    assert not tabs.focus(Direction.UP)
    tabs.zoom()
    assert tabs.places == {"a": tabs.place}
    # Of two at its right, the one that was used last.
    assert tabs.focus(Direction.RIGHT)
    assert tabs.places == {"c": tabs.place}
    tabs.zoom()
    assert tabs.shown == ["a", "b", "c"]
    lonely = layout("a")
    lonely.zoom()
    assert lonely.tab is not None
    assert not lonely.tab.zoomed


def test_a_pane_goes_along_the_longer_side_and_not_where_there_is_no_room():
    tabs = layout("a")
    assert tabs.split("b")
    assert tabs.places["b"].x > 0
    assert tabs.split("c")
    assert tabs.places["c"].x == tabs.places["b"].x
    assert all(not tabs.split("d", axis) for axis in Axis) or tabs.shown == ["a", "b", "c", "d"]
    tabs.place = Rect(0, 0, 12, 4)
    assert not tabs.split("e")
    # What does not fit is shown one at a time.
    assert tabs.shown == [tabs.active]
    assert not tabs.resize(Direction.LEFT, 1)


def test_what_is_closed_leaves_the_keyboard_to_the_one_that_had_it_before():
    tabs = layout("a")
    for pane in "bcd":
        tabs.split(pane)
    tabs.activate("b")
    tabs.activate("d")
    tabs.zoom()
    tabs.remove("d")
    assert tabs.active == "b"
    assert tabs.shown == ["a", "b", "c"]
    for pane in "bca":
        tabs.remove(pane)
    assert tabs.active is None
    assert tabs.shown == []


def test_a_pane_is_brought_from_another_tab_and_given_one_of_its_own():
    tabs = layout("a", "b", "c")
    assert tabs.bring("a")
    assert tabs.shown == ["c", "a"]
    assert [tab.panes for tab in tabs.tabs] == [["b"], ["c", "a"]]
    assert not tabs.bring("c")
    assert tabs.break_out()
    assert [tab.panes for tab in tabs.tabs] == [["b"], ["c"], ["a"]]
    assert not tabs.break_out()


def test_keys_go_to_all_while_there_are_others():
    tabs = layout("a")
    assert not tabs.all_keys()
    tabs.split("b")
    assert tabs.all_keys()
    assert tabs.tab is not None
    assert tabs.tab.all_keys
    tabs.remove("b")
    assert not tabs.tab.all_keys


STEPS = ["add", "split", "remove", "go", "focus", "zoom", "bring", "break", "swap", "rotate", "resize", "next", "even"]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), max_size=25))
def test_whatever_is_done_each_pane_is_in_one_tab_and_the_active_one_is_shown(steps: list[tuple[str, int]]):
    tabs: Layout[int] = Layout()
    made: set[int] = set()
    for number, (step, which) in enumerate(steps):
        direction = list(Direction)[which % 4]
        before = tabs.panes
        if step == "add":
            tabs.add(number)
            made.add(number)
        elif step == "split":
            made |= {number} if tabs.split(number, [None, *Axis][which % 3]) else set()
        elif step == "remove" and before:
            tabs.remove(before[which % len(before)])
            made.remove(before[which % len(before)])
        elif step == "go":
            tabs.go(which - 5)
        elif step == "focus":
            tabs.focus(direction)
        elif step == "bring" and before:
            tabs.bring(before[which % len(before)])
        elif step == "swap":
            tabs.swap(which - 5)
        elif step == "resize":
            tabs.resize(direction, which)
        else:
            also = {"zoom": tabs.zoom, "break": tabs.break_out, "rotate": tabs.rotate, "even": tabs.even}
            {**also, "next": tabs.arrange_next}.get(step, tabs.zoom)()
        assert sorted(tabs.panes) == sorted(made)
        assert (tabs.active in tabs.shown) == bool(tabs.tabs)
        assert all(tab.active in tab.panes and set(tab.recent) <= set(tab.panes) for tab in tabs.tabs)
        assert all(fits(tab.tree, tabs.place) for tab in tabs.tabs)


def test_menus_report_what_was_chosen_and_close_on_anything():
    chosen: list[str] = []
    menu = Menu("ctrl+]", [Choice("d", "Detach"), Choice("slash", "Search", "/")], chosen.append)
    assert menu.press("d", "d")
    assert menu.press("slash", "/")
    assert menu.press("x", "x")
    assert chosen == ["d", "slash"]
    assert "Detach" in menu.text(80).plain
    assert menu.text(12).plain.count("\n") >= 1


def test_lines_are_edited_and_entered():
    entered: list[str] = []
    line = LineInput("Search for", entered.append)
    for key, character in (("c", "c"), ("backspace", "\x7f"), ("space", " "), ("x", "x")):
        assert not line.press(key, character)
    assert line.press("enter", "\r")
    assert entered == [" x"]
    assert line.press("escape", "\x1b")
    assert entered == [" x"]
    line.press("ctrl+u", "\x15")
    assert line.line.text == ""
    assert "last one" not in line.text(80).plain


def test_a_line_knows_what_was_entered_before():
    entered: list[str] = []
    line = LineInput("Search for", entered.append, "error")
    assert "\N{UPWARDS ARROW} the last one" in line.text(80).plain
    assert line.press("enter", "\r")
    line.press("up", None)
    line.press("s", "s")
    line.press("home", None)
    assert line.text(20).plain == "Search for errors"
    assert line.press("enter", "\r")
    assert entered == ["error", "errors"]


@in_one_test(
    ("keys", "text", "cursor"),
    [
        ("ctrl+a", "one two/three", 0),
        ("ctrl+a ctrl+f right ctrl+d delete", "ontwo/three", 2),
        ("left ctrl+b backspace ctrl+h", "one two/tee", 9),
        ("alt+b", "one two/three", 8),
        ("alt+b ctrl+left ctrl+left alt+left", "one two/three", 0),
        ("home alt+f ctrl+right", "one two/three", 7),
        ("alt+backspace", "one two/", 8),
        ("ctrl+w", "one ", 4),
        ("home alt+d alt+d", "/three", 0),
        ("alt+b ctrl+k", "one two/", 8),
        ("alt+b ctrl+u end", "three", 5),
        ("alt+x ctrl+y f5", "one two/three", 13),
    ],
)
def test_a_line_is_edited_by_the_keys_of_readline(keys: str, text: str, cursor: int):
    line = EditedLine()
    line.replace("one two/three")
    for key in keys.split():
        line.press(key, key[-1] if key.startswith("alt+") else None)
    assert (line.text, line.cursor) == (text, cursor)


def test_a_line_takes_what_can_be_shown_up_to_a_length():
    line = EditedLine()
    line.insert("a\x1bb\n")
    assert line.text == "ab"
    line.press("left", None)
    line.insert("x" * 1000)
    assert (len(line.text), line.cursor, line.text[-1]) == (LONGEST, LONGEST - 1, "b")
    line.press("x", "x")
    assert len(line.text) == LONGEST


@pytest.mark.parametrize(
    ("leader", "name"), [("ctrl+]", "ctrl+right_square_bracket"), ("ctrl+a", "ctrl+a"), ("ctrl+\\", "ctrl+backslash")]
)
def test_the_leader_has_textuals_name_and_is_itself_a_choice(leader: str, name: str):
    assert leader_name(leader) == name
    assert any(choice.key == name for choice in leader_choices(leader))
