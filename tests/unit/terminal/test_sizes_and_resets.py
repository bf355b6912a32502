"""Rows of double width, DECCOLM, DECSCL, and both titles, as xterm has them."""

import pytest
from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, reset_sequence, state

DOUBLE, UPPER, LOWER, PLAIN = "\x1b#6", "\x1b#3", "\x1b#4", "\x1b#5"


def after(output: str, columns: int = 10, lines: int = 4, **options: int) -> Emulator:
    screen = Emulator(columns, lines, **options)  # type: ignore[arg-type]
    screen.feed(output.encode())
    # Whatever is shown is painted so, and goes on alike.
    painted = Emulator(columns, lines)
    painted.feed(paint(screen))
    assert state(painted) == state(screen)
    return screen


def text(screen: Emulator) -> list[str]:
    return [line.rstrip() for line in screen.display]


@in_one_test(
    ("output", "lines"),
    [
        (DOUBLE + "abcdefg", ["abcde", "fg", "", ""]),
        (UPPER + "abcdefg", ["abcde", "fg", "", ""]),
        (DOUBLE + "abcde\x1b[D!", ["abc!e", "", "", ""]),
        (DOUBLE + "abcde\b!", ["abc!e", "", "", ""]),
        (DOUBLE + "漢字漢", ["漢字", "漢", "", ""]),
        (DOUBLE + "abcde\u0301f", ["abcde\u0301", "f", "", ""]),
        (DOUBLE + "\x1b[9C!", ["    !", "", "", ""]),
        (DOUBLE + "\t!", ["    !", "", "", ""]),
        # Beyond the half that is seen nothing can be written.
        (DOUBLE + "\x1b[8Gxyz", ["", "", "", ""]),
        ("abcdefgh" + DOUBLE + "!", ["abcd!fgh", "", "", ""]),
        (DOUBLE + "\x1b[?7labcdefg", ["abcdg", "", "", ""]),
        (DOUBLE + "abc\r\x1b[4hX", ["Xabc", "", "", ""]),
        (DOUBLE + PLAIN + "abcdefg", ["abcdefg", "", "", ""]),
        # It goes with the row: scrolled, inserted and deleted.
        (DOUBLE + "\x1b[4H\n\x1b[3;1Hplain row", ["", "", "plain row", ""]),
        ("\r\n" + DOUBLE + "\x1b[4H\n\x1b[Habcdefg", ["abcde", "fg", "", ""]),
        (DOUBLE + "\x1b[L\x1b[2;1Habcdefg", ["", "abcde", "fg", ""]),
        (DOUBLE + "\x1b[Mabcdefg", ["abcdefg", "", "", ""]),
        # Erasing a row leaves it, erasing the screen ends it.
        (DOUBLE + "\x1b[2K\x1b[Kabcdefg", ["abcde", "fg", "", ""]),
        (DOUBLE + "\x1b[2Jabcdefg", ["abcdefg", "", "", ""]),
        (DOUBLE + "\x1b#8\x1b[2Jabcdefg", ["abcdefg", "", "", ""]),
        (DOUBLE + "\x1bcabcdefg", ["abcdefg", "", "", ""]),
        (DOUBLE + "\x1b[?69h\x1b[?69labcdefg", ["abcdefg", "", "", ""]),
        ("\x1b[?69h" + DOUBLE + "abcdefg", ["abcdefg", "", "", ""]),
        # Each screen has its own.
        (DOUBLE + "\x1b[?47habcdefg", ["abcdefg", "", "", ""]),
        ("\x1b[?47h" + DOUBLE + "\x1b[?47labcdefg", ["abcdefg", "", "", ""]),
        ("\x1b[?47h" + DOUBLE + "\x1b[?47l\x1b[?47habcdefg", ["abcde", "fg", "", ""]),
        # A mark joins what is before the cursor, though nothing can be written there.
        (DOUBLE + "\x1b[9Ge\u0301", ["        \u0301", "", "", ""]),
        # What was on the other screen does not come back with its cursor.
        ("\x1b[?1049h" + DOUBLE + "abcde\x1b[?1049h\x1b[?1049lx", ["x", "", "", ""]),
        ("\x1b[?1049h0123456789\x1b7\x1b[?1049lx", ["x", "", "", ""]),
        # A wrap that is pending at the half is saved with the cursor.
        (DOUBLE + "abcde\x1b7\x1b[3H\x1b8!", ["abcde", "!", "", ""]),
        (DOUBLE + "abcde\x1b7" + PLAIN + "\x1b[3H\x1b8!", ["abcd!", "", "", ""]),
    ],
)
def test_a_row_of_double_width_has_half_the_columns(output: str, lines: list[str]) -> None:
    assert text(after(output)) == lines


def test_halves_of_double_height_are_painted_as_they_are() -> None:
    output = paint(after(f"{UPPER}big\r\n{LOWER}big\r\n{DOUBLE}wide\r\nplain")).decode()
    assert [output.count(size) for size in (UPPER, LOWER, DOUBLE)] == [1, 1, 1]


@pytest.mark.parametrize("columns", [11, 7])
def test_an_odd_width_has_one_column_more(columns: int) -> None:
    half = (columns + 1) // 2
    assert text(after(DOUBLE + "x" * half + "y", columns))[:2] == ["x" * half, "y"]


def test_a_row_of_double_width_is_cut_and_not_wrapped_anew_where_the_screen_gets_narrower() -> None:
    screen = after(DOUBLE + "abcde\r\nnext")
    screen.resize(4, 6)
    assert text(screen) == ["abcde", "next", "", ""]
    screen.feed(b"\x1b[Hxxxxx")
    assert text(screen) == ["xxxde", "xxxt", "", ""]


@in_one_test("size", [(4, 3), (4, 20), (2, 2), (9, 9)])
@in_one_test("row", ["\x1b[1H", "\x1b[2H", "\x1b[3H"])
def test_a_row_of_double_width_is_no_part_of_a_line_that_is_wrapped_anew(row: str, size: tuple[int, int]) -> None:
    screen = after("abcdefghijklmnopqrstuvwxyz" + row + DOUBLE)
    screen.resize(*size)
    assert all(len(one.cells) == screen.columns for one in screen.rows)
    screen.feed(b"\x1b[H\x1b[J!\r\n?")
    assert "".join(screen.display).split() == ["!", "?"]


def test_what_finds_no_room_in_any_row_is_lost() -> None:
    # Below the region nothing scrolls, so that the next row is the same.
    screen = after("\x1b[1;2r\x1b[4H" + DOUBLE + "漢字x", columns=2)
    assert text(screen) == ["", "", "", "x"]


def test_text_is_drawn_plainly_again_when_no_row_is_of_double_width() -> None:
    screen = after(DOUBLE + "ab\x1b[2J\x1b[H0123456789\x1b[Cx")
    assert text(screen) == ["012345678x", "", "", ""]
    assert screen.cursor.x == 10


@in_one_test(
    ("output", "lines"),
    [
        ("text\x1b[?3h!", ["text!", "", "", ""]),
        ("text\x1b[?40h\x1b[?3h!", ["!", "", "", ""]),
        ("text\x1b[?40h\x1b[?3l!", ["!", "", "", ""]),
        ("text\x1b[?40h\x1b[?95h\x1b[?3h!", ["!ext", "", "", ""]),
        ("\x1b[2;3r\x1b[?40h\x1b[?3h\x1b[4H\nx", ["", "", "", "x"]),
        (DOUBLE + "\x1b[?40h\x1b[?95h\x1b[?3habcdefg", ["abcdefg", "", "", ""]),
    ],
)
def test_deccolm_clears_the_screen_where_mode_40_allows_it(output: str, lines: list[str]) -> None:
    assert text(after(output)) == lines


@in_one_test(("level", "resets"), [("61", True), ("62;1", True), ("65;2", True), ("", False), ("99", False)])
def test_decscl_is_a_soft_reset(level: str, resets: bool) -> None:
    screen = after(f'\x1b[2;3r\x1b[1m\x1b[4hx\x1b[{level}"p')
    assert (screen.margins is None) == resets
    assert text(screen)[0] == "x"


def test_resetting_side_margins_leaves_those_above_and_below() -> None:
    screen = after("\x1b[2;3r\x1b[?69h\x1b[2;5s\x1b[?69l")
    assert screen.side_margins is None
    assert screen.margins is not None


@in_one_test(
    ("output", "window", "icon"),
    [
        ("\x1b]0;both\x07", "both", "both"),
        ("\x1b]2;w\x07\x1b]1;i\x07", "w", "i"),
        ("\x1b]2;w\x07\x1b]1;i\x07\x1b[22;0t\x1b]0;x\x07\x1b[23;0t", "w", "i"),
        ("\x1b]2;w\x07\x1b]1;i\x07\x1b[22;0t\x1b]0;x\x07\x1b[23;1t\x1b[23;2t", "x", "i"),
        ("\x1b]2;w\x07\x1b]1;i\x07\x1b[22;1t\x1b[22;2t\x1b]0;x\x07\x1b[23;0t", "w", "i"),
        ("\x1b]1;a\x07\x1b[22;1t\x1b]1;b\x07\x1b[22;1t\x1b]1;c\x07\x1b[23;1t\x1b[23;1t", "", "a"),
        ("\x1b]2;w\x07\x1b[22;3t\x1b]2;x\x07\x1b[23;3t", "x", ""),
        # In hexadecimal digits, where XTSMTITLE says so; whatever else comes is ignored.
        ("\x1b[>0t\x1b]2;6162\x07", "ab", ""),
        ("\x1b[>0t\x1b]2;61621b63\x07", "abc", ""),
        ("\x1b[>0t\x1b]2;ab\x07\x1b]2;title\x07", "", ""),
        ("\x1b[>0t\x1b[>0T\x1b]2;6162\x07", "6162", ""),
    ],
)
def test_titles_of_window_and_icon(output: str, window: str, icon: str) -> None:
    screen = after(output)
    assert (screen.title, screen.icon_name) == (window, icon)


def test_titles_that_were_put_aside_are_put_back_as_they_were_pushed() -> None:
    screen = after("\x1b[22;1t\x1b[22;2t\x1b[22;0t")
    assert reset_sequence(screen) == b"\x1b[23;0t\x1b[23;2t\x1b[23;1t"


@in_one_test(
    ("output", "left"),
    [
        ("\x1b]4;256;red\x07\x1b]105;0\x07", 0),
        ("\x1b]5;1;red\x07\x1b]104;257\x07", 0),
        ("\x1b]5;1;red\x07\x1b]4;3;red\x07\x1b]104\x07", 0),
        ("\x1b]5;1;red\x07\x1b]4;3;red\x07\x1b]105\x07", 1),
        ("\x1b]4;0;red\x07\x1b]105;0\x07", 1),
    ],
)
def test_special_colours_go_by_two_numbers(output: str, left: int) -> None:
    assert len(after(output).settings.values) == left


@in_one_test("output", ["ab" + DOUBLE, UPPER + "\x1b[2;1H" + LOWER])
@in_one_test("size", [(4, 1), (3, 21), (2, 2)])
def test_what_got_another_size_after_it_was_wrapped_is_resized(output: str, size: tuple[int, int]) -> None:
    screen = Emulator(1, 5, scrollback=9)
    screen.feed(output.encode())
    screen.resize(*size)
    screen.feed("漢\u0301\ufe0f".encode())
    assert {len(row.cells) for row in (*screen.rows, *screen.scrollback)} == {screen.columns}


def test_a_cursor_that_was_saved_behind_a_row_of_double_width_is_no_wider_than_a_narrow_screen() -> None:
    screen = Emulator(26, 7)
    screen.feed((DOUBLE + "x" * 13 + "\x1b7").encode())
    screen.resize(7, 12)
    painted = Emulator(12, 7)
    painted.feed(paint(screen))
    assert state(painted) == state(screen)


def test_a_reset_takes_origin_mode_from_what_is_saved_next() -> None:
    screen = after("\x1b[?6h\x1bc\x1b7\x1b[2;4r\x1b8\x1b[HX")
    assert text(screen) == ["X", "", "", ""]
    assert reset_sequence(screen) == b"\x1b7\x1b[r\x1b8"


@pytest.mark.parametrize("output", ["\x1b[?1049h漢字", DOUBLE + "漢字", DOUBLE + "12漢字\x1b[!p"])
def test_half_a_wide_character_does_not_stay_where_a_row_is_cut(output: str) -> None:
    screen = Emulator(8, 2)
    screen.feed(output.encode())
    for columns in range(7, 0, -1):
        screen.resize(2, columns)
        painted = Emulator(columns, 2)
        painted.feed(paint(screen))
        assert state(painted) == state(screen)


def test_a_wrap_that_waits_at_the_end_of_double_width_is_taken_back_by_a_reset() -> None:
    assert after(DOUBLE + "abcde\x1b[!pX").display[0].rstrip() == "abcdX"


@pytest.mark.parametrize("scroll", ["\x1b[S", "\x1b[T"])
def test_what_comes_after_a_full_row_of_double_width_that_scrolls_away_is_on_the_next_line(scroll: str) -> None:
    screen, again = Emulator(10, 4), Emulator(10, 4)
    screen.feed(f"\x1b[2;1H{DOUBLE}abcde{scroll}".encode())
    again.feed(paint(screen))
    for terminal in (screen, again):
        terminal.feed(b"X")
        assert terminal.display[2].startswith("X")
        assert (terminal.cursor.y, terminal.cursor.x) == (2, 1)


@pytest.mark.parametrize("written", ["ab", ""])
def test_a_pen_that_a_reset_left_protected_protects_nothing_where_it_is_painted(written: str) -> None:
    screen, again = Emulator(10, 4), Emulator(10, 4)
    screen.feed(f'\x1b[1"q{written}\x1b7\x1b[?1049h\x1b[!p\x1b[?1049l'.encode())
    assert screen.cursor.style.is_protected
    again.feed(paint(screen))
    for terminal in (screen, again):
        terminal.feed(b"xy\x1b8z\x1b[?2J\x1b[2J")
        assert terminal.protection == 0
        assert "".join(terminal.display).strip() == ""
