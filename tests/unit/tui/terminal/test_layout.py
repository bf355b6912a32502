import pytest
from hypothesis import given, strategies as st

from omnyshell.tui.terminal.commands import leader_choices, leader_name
from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.prompt import Choice, LineInput, Menu


def layout(*tabs: str) -> Layout[str]:
    made: Layout[str] = Layout()
    for tab in tabs:
        made.add(tab)
    return made


def test_a_new_tab_comes_behind_the_active_one_and_is_shown():
    tabs = layout("a", "b")
    tabs.activate("a")
    tabs.add("c")
    assert list(tabs.tabs) == ["a", "c", "b"]
    assert tabs.shown == ["c"]
    tabs.go(1)
    assert tabs.active == "b"
    tabs.go(1)
    assert tabs.active == "a"


def test_split_zoom_and_back():
    tabs = layout("a", "b")
    tabs.activate("a")
    assert tabs.split(stacked=False)
    assert tabs.shown == ["a", "b"]
    tabs.activate("b")
    assert tabs.shown == ["a", "b"]
    tabs.zoom()
    assert tabs.shown == ["b"]
    tabs.zoom()
    assert tabs.split(stacked=True)
    assert tabs.stacked
    assert tabs.shown == ["a", "b"]
    assert tabs.split(stacked=True)
    assert tabs.shown == ["b"]
    assert not layout("a").split(stacked=False)


def test_what_is_closed_leaves_the_keyboard_to_the_one_beside_it():
    tabs = layout("a", "b", "c")
    tabs.activate("a")
    tabs.split(stacked=False)
    tabs.remove("a")
    assert tabs.shown == ["b"]
    tabs.remove("b")
    tabs.remove("c")
    assert tabs.active is None
    assert tabs.shown == []


@given(
    st.lists(st.tuples(st.sampled_from(["add", "beside", "remove", "go", "split", "stack", "zoom"]), st.integers(0, 9)))
)
def test_whatever_is_done_what_is_shown_is_a_tab_and_the_active_one_is_shown(steps: list[tuple[str, int]]):
    tabs: Layout[int] = Layout()
    for number, (step, which) in enumerate(steps):
        if step == "add":
            tabs.add(number)
        elif step == "beside":
            tabs.add_beside(number)
        elif step == "remove" and tabs.tabs:
            tabs.remove(tabs.tabs[which % len(tabs.tabs)])
        elif step == "go":
            tabs.go(which - 5)
        elif step in ("split", "stack"):
            tabs.split(stacked=step == "stack")
        elif step == "zoom":
            tabs.zoom()
        assert set(tabs.shown) <= set(tabs.tabs)
        assert (tabs.active in tabs.shown) == bool(tabs.tabs)
        assert tabs.beside is None or tabs.beside != tabs.active


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
    line = LineInput("Search for", entered.append, "ab")
    for key, character in (("c", "c"), ("backspace", "\x7f"), ("space", " "), ("x", "x")):
        assert not line.press(key, character)
    assert line.press("enter", "\r")
    assert entered == ["ab x"]
    assert line.press("escape", "\x1b")
    assert entered == ["ab x"]
    line.press("ctrl+u", "\x15")
    assert line.value == ""


@pytest.mark.parametrize(
    ("leader", "name"), [("ctrl+]", "ctrl+right_square_bracket"), ("ctrl+a", "ctrl+a"), ("ctrl+\\", "ctrl+backslash")]
)
def test_the_leader_has_textuals_name_and_is_itself_a_choice(leader: str, name: str):
    assert leader_name(leader) == name
    assert any(choice.key == name for choice in leader_choices(leader))
