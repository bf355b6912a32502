"""Narrowing and widening gives the lines back."""

import pytest
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test
from support.terminal_output import output

from omnyshell.terminal.emulator import Emulator


def shown(screen: Emulator) -> list[str]:
    return [line.rstrip() for line in screen.display]


def whole(screen: Emulator) -> list[tuple[list[str], list[object]]]:
    """All rows of history and screen but blank ones at the end."""
    found = [(list(row.cells), list(row.styles)) for row in (*screen.scrollback, *screen.rows)]
    while found and not "".join(found[-1][0]).strip():
        found.pop()
    return found


def test_what_was_cut_comes_back() -> None:
    screen = Emulator(20, 6)
    screen.feed(b"abcdefghijklmnopqrst")
    screen.resize(6, 10)
    assert shown(screen)[:3] == ["abcdefghij", "klmnopqrst", ""]
    screen.resize(6, 20)
    assert shown(screen)[:2] == ["abcdefghijklmnopqrst", ""]


def test_lines_move_into_the_history_and_back() -> None:
    screen = Emulator(20, 3, scrollback=100)
    screen.feed(b"abcdefghijklmnopqrst\r\nABCDEFGHIJKLMNOPQRST\r\n$ ")
    screen.resize(3, 10)
    assert shown(screen) == ["ABCDEFGHIJ", "KLMNOPQRST", "$"]
    assert ["".join(row.cells) for row in screen.scrollback] == ["abcdefghij", "klmnopqrst"]
    screen.resize(3, 20)
    assert shown(screen) == ["abcdefghijklmnopqrst", "ABCDEFGHIJKLMNOPQRST", "$"]
    assert not screen.scrollback


def test_a_line_that_began_in_the_history_is_joined() -> None:
    screen = Emulator(10, 2, scrollback=100)
    screen.feed(b"x" * 35)
    screen.resize(2, 40)
    assert shown(screen) == ["x" * 35, ""]
    assert (screen.cursor.y, screen.cursor.x) == (0, 35)


@in_one_test("width", [1, 3, 7, 10, 13, 40])
def test_the_cursor_stays_on_its_character(width: int) -> None:
    screen = Emulator(20, 8, scrollback=100)
    screen.feed(b"one\r\nabcdefghijklmnopqrstuvwxyz\r\nlast\x1b[2;18H")
    screen.resize(8, width)
    assert screen.rows[screen.cursor.y].cells[screen.cursor.x] == "r"
    screen.resize(8, 20)
    assert (screen.rows[screen.cursor.y].cells[screen.cursor.x], screen.cursor.x) == ("r", 17)


def test_a_pending_wrap_stays_pending() -> None:
    screen = Emulator(10, 3)
    screen.feed(b"0123456789")
    screen.resize(3, 5)
    screen.feed(b"x")
    assert shown(screen) == ["01234", "56789", "x"]


def test_a_wide_character_that_does_not_fit_leaves_no_gap() -> None:
    screen = Emulator(5, 4)
    screen.feed("abcd漢字".encode())
    assert shown(screen)[:2] == ["abcd", "漢字"]
    screen.resize(4, 10)
    assert shown(screen)[:2] == ["abcd漢字", ""]


@pytest.mark.parametrize("between", [b"\x1b[L", b"\x1b[A\x1b[B\x1b[2K", b"\x1b[2K"])
def test_what_was_erased_or_moved_apart_is_no_line(between: bytes) -> None:
    screen = Emulator(10, 4)
    screen.feed(b"abcdefghijklm" + between)
    before = shown(screen)
    screen.resize(4, 20)
    assert shown(screen) == before


def test_the_alternate_screen_is_cut() -> None:
    screen = Emulator(20, 3, scrollback=10)
    screen.feed(b"abcdefghijklmnopqrst\x1b[?1049h\x1b[HABCDEFGHIJKLMNOPQRST")
    screen.resize(3, 10)
    assert shown(screen) == ["ABCDEFGHIJ", "", ""]
    screen.resize(3, 20)
    assert shown(screen) == ["ABCDEFGHIJ", "", ""]
    screen.feed(b"\x1b[?1049l")
    assert shown(screen) == ["abcdefghijklmnopqrst", "", ""]


def test_a_cleared_screen_stays_clear() -> None:
    screen = Emulator(20, 3, scrollback=10)
    screen.feed(b"1\r\n2\r\n3\r\n4\r\n5\x1b[2J\x1b[H$ ")
    for columns, lines in ((30, 3), (10, 3), (20, 5), (20, 3)):
        screen.resize(lines, columns)
        assert shown(screen)[0] == "$"


def test_a_higher_screen_gets_lines_back() -> None:
    screen = Emulator(20, 3, scrollback=10)
    screen.feed(b"1\r\n2\r\n3\r\n4\r\n5")
    screen.resize(2, 20)
    assert shown(screen) == ["4", "5"]
    screen.resize(4, 20)
    assert shown(screen) == ["2", "3", "4", "5"]


def test_a_background_to_the_edge_comes_back() -> None:
    screen = Emulator(20, 3)
    screen.feed(b"\x1b[41mred\x1b[K\x1b[m\r\n")
    before = whole(screen)
    for width in (10, 20):
        screen.resize(3, width)
    assert whole(screen) == before


@in_one_test("width", range(1, 20))
def test_a_background_behind_the_text_comes_back(width: int) -> None:
    screen = Emulator(20, 3, scrollback=100)
    screen.feed(b"0123456789abcdef\x1b[41m\x1b[K\x1b[m\r\n")
    before = whole(screen)
    screen.resize(3, width)
    screen.resize(3, 20)
    assert whole(screen) == before


@given(output, st.integers(2, 45), st.integers(2, 9))
@example(b"q" * 30 + b"\x1b[48;5;200m\x1b[0 @", 21, 6)
@example(b"q" * 30 + b"\x1b[48;5;200m\x1b[0 @", 3, 6)
def test_any_width_and_back_gives_equal_lines(data: bytes, width: int, lines: int) -> None:
    screen = Emulator(20, 6, scrollback=10_000)
    screen.feed(data + b"\x1b[?69l\x1b[?1049l\x1b[r\x1b[?6l\x1b[99;1H\x1b[m\r\n$ ")
    before = whole(screen)
    screen.resize(6, width)
    screen.resize(6, 20)
    assert whole(screen) == before
    screen.resize(lines, 20)
    screen.resize(6, 20)
    assert whole(screen) == before


@pytest.mark.parametrize("text", ["漢字", "a漢b字", "漢" * 9])
def test_a_wide_character_has_no_place_in_a_single_column(text: str) -> None:
    """A half of one would be painted over whatever is beside it."""
    screen = Emulator(6, 3, scrollback=100)
    screen.feed(text.encode())
    screen.resize(3, 1)
    assert {cell for row in (*screen.scrollback, *screen.rows) for cell in row.cells} <= {"a", "b", " "}
    screen.resize(3, 6)
    assert all(row.cells[0] != "" for row in screen.rows)
