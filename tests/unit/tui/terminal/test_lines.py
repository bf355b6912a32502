"""Lines, selection, search and copy mode over an emulator."""

import asyncio

from support.in_one_test import in_one_test
from support.stack import DEADLINE, until

from omnyshell.terminal import Emulator
from omnyshell.tui.terminal.copy_mode import CopyMode, Outcome, hint
from omnyshell.tui.terminal.finding import Finder
from omnyshell.tui.terminal.lines import Lines, Point
from omnyshell.tui.terminal.searching import Search
from omnyshell.tui.terminal.selection import Selection, Shape, line_at, word_at


def terminal(text: str = "", columns: int = 20, lines: int = 4, scrollback: int = 100) -> tuple[Emulator, Lines]:
    screen = Emulator(columns, lines, scrollback=scrollback)
    screen.feed(text.replace("\n", "\r\n").encode())
    return screen, Lines(screen)


def find(lines: Lines, needle: str, start: Point, *, backwards: bool = True) -> Point | None:
    return next((found for found in Search(needle).steps(lines, start, backwards=backwards) if found), None)


def test_a_line_keeps_its_number_while_it_scrolls_and_goes_when_it_is_dropped():
    screen, lines = terminal("one\ntwo\nthree\nfour", scrollback=2)
    assert "".join(lines.cells(0)).rstrip() == "one"
    screen.feed(b"\r\nfive\r\nsix")
    assert "".join(lines.cells(0)).rstrip() == "one"
    assert (lines.first, lines.top, lines.last) == (0, 2, 5)
    screen.feed(b"\r\nseven")
    assert lines.row(0) is None
    assert lines.first == 1
    screen.feed(b"\x1b[?1049h")
    assert lines.first == lines.top


def test_selected_text_joins_what_was_wrapped_and_drops_blanks_at_ends():
    _, lines = terminal("x" * 25 + "\nnext  \nlast")
    assert Selection(Point(0, 18), Point(2, 1)).text(lines) == "xx" + "x" * 5 + "\nne"
    assert Selection(Point(2, 1), Point(0, 18)).text(lines) == "xx" + "x" * 5 + "\nne"
    assert Selection(Point(2, 0), Point(2, 0), Shape.LINES).text(lines) == "next\n"
    assert Selection(Point(2, 1), Point(3, 2), Shape.BLOCK).text(lines) == "ex\nas"


def test_selection_takes_wide_characters_whole():
    _, lines = terminal("漢字")
    assert Selection(Point(0, 1), Point(0, 1)).text(lines) == "漢"


def test_words_and_lines_under_the_mouse():
    _, lines = terminal("see /etc/hosts, now")
    assert word_at(lines, Point(0, 6)).text(lines) == "/etc/hosts"
    _, lines = terminal("y" * 30)
    assert line_at(lines, Point(1, 3)).text(lines).rstrip() == "y" * 30


@in_one_test(("needle", "expected"), [("beta", 1), ("BETA", None), ("Beta", 1), ("bet", 1)])
def test_search_heeds_capitals_only_where_it_has_some(needle: str, expected: int | None):
    _, lines = terminal("alpha\nBeta\ngamma")
    found = find(lines, needle, Point(3, 0))
    assert (found.line if found else None) == expected


def test_search_goes_around_and_finds_several_in_a_line():
    _, lines = terminal("ab ab\nnothing\nab")
    assert find(lines, "ab", Point(0, 3)) == Point(0, 0)
    assert find(lines, "ab", Point(0, 0)) == Point(2, 0)
    assert find(lines, "ab", Point(0, 0), backwards=False) == Point(0, 3)
    assert find(lines, "zz", Point(0, 0)) is None
    assert find(lines, "ab", Point(2, 0)) == Point(0, 3)


def test_search_pauses_after_each_slice():
    _, lines = terminal("\n".join(map(str, range(1000))), scrollback=2000)
    steps = list(Search("nowhere").steps(lines, Point(lines.last, 0), backwards=True))
    assert steps
    assert set(steps) == {None}


def test_finds_are_counted_from_above_with_pauses():
    _, lines = terminal("ab ab\nnothing\nab")
    assert list(Search("ab").tally(lines, Point(0, 3))) == [(2, 3)]
    _, lines = terminal("\n".join(map(str, range(1000))), scrollback=2000)
    *pauses, tally = Search("7").tally(lines, Point(700, 0))
    assert set(pauses) == {None}
    assert tally == (141, 300)


async def test_each_find_that_is_asked_for_is_gone_to_and_the_last_one_is_numbered():
    _, lines = terminal("\n".join(map(str, range(1000))), scrollback=2000)
    places: list[Point | None] = []
    counted = asyncio.Event()
    finder = Finder(places.append, counted.set)

    def cursor() -> Point:
        return places[-1] or Point(0, 0) if places else Point(999, 3)

    finder.begin("99")
    for backwards in (True, True, True, False):
        finder.go(lines, cursor, backwards=backwards)
    await asyncio.wait_for(counted.wait(), DEADLINE)
    assert places == [Point(999, 0), Point(998, 0), Point(997, 0), Point(998, 0)]
    assert (finder.at, finder.tally) == (Point(998, 0), (18, 19))
    finder.begin("zz")
    for backwards in (True, True, False):
        finder.go(lines, cursor, backwards=backwards)
    await until(lambda: finder._looking is not None and finder._looking.done())
    # Nobody looks again, or says so again, for the other keys.
    assert places[4:] == [None]
    finder.stop()
    finder.go(lines, cursor, backwards=True)
    assert (finder.search, finder.tally, finder.needle) == (None, None, "zz")


def test_copy_mode_says_which_find_is_shown():
    assert "3 of 1,027" in hint((3, 1027))
    assert all(len(hint(tally)) < 79 for tally in (None, (3, 27)))


def test_columns_of_what_is_found_behind_wide_characters():
    _, lines = terminal("漢字 word")
    assert Search("word").in_cells(lines.cells(0)) == [(5, 9)]


def test_copy_mode_moves_selects_and_copies():
    _screen, lines = terminal("first line\nsecond one\nthird")
    mode = CopyMode(lines, lines.cursor, 3)
    for key in ("up", "0"):
        assert mode.press(key) is Outcome.STAY
    assert mode.cursor == Point(1, 0)
    mode.press("v")
    mode.press("e")
    assert mode.selection is not None
    assert mode.selection.text(lines) == "second"
    mode.press("w")
    assert mode.cursor == Point(1, 7)
    mode.press("o")
    assert mode.cursor == Point(1, 0)
    mode.press("V")
    assert mode.selection.text(lines) == "second one\n"
    assert mode.press("y") is Outcome.COPY
    assert [mode.press(key) for key in ("escape", "slash", "n", "N")] == [
        Outcome.LEAVE, Outcome.SEARCH, Outcome.NEXT, Outcome.PREVIOUS,
    ]  # fmt: skip


def test_copy_mode_stays_within_what_there_is():
    _, lines = terminal("a\nb")
    mode = CopyMode(lines, Point(0, 0), 3)
    for key in ("up", "left", "pageup", "g", "b", "ctrl+u"):
        mode.press(key)
        assert mode.cursor == Point(0, 0)
    for key in ("G", "pagedown", "down"):
        mode.press(key)
        assert mode.cursor.line == lines.last
    mode.press("dollar_sign")
    mode.press("end")
    assert mode.cursor.column == 0
    mode.go(Point(1, 0))
    mode.press("b")
    assert mode.cursor == Point(0, 0)
    mode.press("circumflex_accent")
    mode.press("right")
    assert mode.cursor == Point(0, 1)
