"""Which rows are shown, where the cursor is, what is selected."""

import pytest
from hypothesis import given, strategies as st

from omnyshell.clock import SystemClock
from omnyshell.tui.formats import Cell
from omnyshell.tui.panels.columns import GAP, Column, place
from omnyshell.tui.panels.fields import Text, natural
from omnyshell.tui.panels.filter import FilterError
from omnyshell.tui.panels.rows import Rows

COLUMNS = (
    Column("NAME", 5, lambda item, _: Cell(item), Text("name", "", lambda item, _: item)),
    Column("LENGTH", 3, lambda item, _: Cell(item), sort=len),
)


def rows_of(*names: str) -> Rows[str]:
    rows: Rows[str] = Rows(COLUMNS, lambda item: item, SystemClock())
    rows.sort(0)
    rows.put(names)
    return rows


def test_names_are_ordered_as_people_count() -> None:
    assert rows_of("web-10", "web-9", "Web-1").shown == ["Web-1", "web-9", "web-10"]
    assert natural("a²") != natural("a2")
    assert natural("9" * 10_000) > natural("1")


def test_the_cursor_stays_on_its_item() -> None:
    rows = rows_of("b", "d")
    rows.move(1)
    rows.put(["b", "a", "d", "c"])
    assert (rows.current, rows.cursor) == ("d", 3)
    rows.sort(0, is_reversed=True)
    assert (rows.current, rows.cursor) == ("d", 0)


def test_the_cursor_stays_at_its_place_when_the_item_goes() -> None:
    rows = rows_of("a", "b", "c")
    rows.move(1)
    rows.put(["a", "c"])
    assert rows.current == "c"
    rows.put(["a"])
    assert rows.current == "a"
    rows.put([])
    assert rows.current is None
    rows.put(["x"])
    assert rows.current == "x"


def test_actions_mean_the_selection_or_else_the_cursor() -> None:
    rows = rows_of("a", "b", "c")
    assert rows.chosen() == ["a"]
    rows.toggle()
    rows.move(2)
    rows.toggle()
    assert sorted(rows.chosen()) == ["a", "c"]
    rows.filter("b")
    assert sorted(rows.chosen()) == ["a", "c"]
    rows.put(["b", "c"])
    assert rows.chosen() == ["c"]


def test_all_that_is_shown_can_be_selected_and_let_go() -> None:
    rows = rows_of("ab", "b", "c")
    rows.filter("b")
    rows.toggle_all()
    assert rows.selected == {"ab", "b"}
    rows.toggle_all()
    assert not rows.selected


def test_a_bad_filter_changes_nothing() -> None:
    rows = rows_of("a", "b")
    rows.filter("a")
    with pytest.raises(FilterError):
        rows.filter("nope:x")
    assert rows.shown == ["a"]


@given(st.lists(st.tuples(st.sampled_from(["put", "move", "sort", "filter", "toggle", "all"]), st.integers(-9, 9))))
def test_whatever_happens_the_cursor_is_on_a_row_and_selected_rows_exist(steps: list[tuple[str, int]]) -> None:
    rows = rows_of("a", "b")
    for what, number in steps:
        if what == "put":
            rows.put([chr(97 + index) for index in range(abs(number))])
        elif what == "move":
            rows.move(number)
        elif what == "sort":
            rows.sort(number % 2, is_reversed=number > 0)
        elif what == "filter":
            rows.filter(chr(97 + abs(number)) if number % 3 else "")
        elif what == "toggle":
            rows.toggle()
        else:
            rows.toggle_all()
        assert (rows.current is None) == (not rows.shown)
        assert rows.selected <= {chr(97 + index) for index in range(9)}
        assert len(rows.chosen()) >= len(rows.selected)


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=8),
    st.integers(1, 200),
)
def test_columns_fit_the_width_or_are_left_out(specs: list[tuple[int, int, int]], width: int) -> None:
    columns = [Column("X", need, lambda item, _: Cell(""), most=most, keep=keep) for need, most, keep in specs]
    placed = place(columns, width)
    taken = sum(cells for _, cells in placed) + GAP * (len(placed) - 1)
    assert taken <= width or len(placed) == 1
    assert all(column.least <= cells <= max(column.least, column.most) for column, cells in placed)
    left_out = [column for column in columns if column not in [kept for kept, _ in placed]]
    assert not left_out or max(column.keep for column in left_out) <= max(column.keep for column, _ in placed)
