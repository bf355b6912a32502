"""What the screen shows after each kind of control function."""

import pyte
import pytest
from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import plain_text, reset_sequence
from omnyshell.terminal.screen.style import (
    BLINK,
    CONCEAL,
    DEFAULT_STYLE,
    DIM,
    INDEXED,
    ITALIC,
    PROTECTED,
    STRIKE,
    TRUE_COLOUR,
    Look,
)


def screen_after(output: str | bytes, columns: int = 10, lines: int = 4, **options: int) -> Emulator:
    screen = Emulator(columns, lines, **options)  # type: ignore[arg-type]
    screen.feed(output.encode() if isinstance(output, str) else output)
    return screen


def text_after(output: str | bytes, columns: int = 10, lines: int = 4) -> list[str]:
    return [line.rstrip() for line in screen_after(output, columns, lines).display]


@in_one_test(
    ("output", "shown"),
    [
        ("one\r\ntwo", ["one", "two", "", ""]),
        ("0123456789ab", ["0123456789", "ab", "", ""]),
        ("0123456789\r\nx", ["0123456789", "x", "", ""]),
        ("0123456789\b\bX", ["0123456X89", "", "", ""]),
        ("\x1b[?7l0123456789abc", ["012345678c", "", "", ""]),
        ("abc\x1b[2D\x1b[4hX", ["aXbc", "", "", ""]),
        ("abcdef\r\x1b[2P", ["cdef", "", "", ""]),
        ("abcdef\r\x1b[2@", ["  abcdef", "", "", ""]),
        ("abcdef\r\x1b[2X", ["  cdef", "", "", ""]),
        ("a\x1b[3b", ["aaaa", "", "", ""]),
        ("a\x1b[m\x1b[3b", ["a", "", "", ""]),
        ("a\x1b]8;;\x07\x1b[3b", ["a", "", "", ""]),
        ("👩\u200d\x1b]8;;\x07🔬", ["👩\u200d🔬", "", "", ""]),
        ("1\r\n2\r\n3\r\n4\x1b[S", ["2", "3", "4", ""]),
        ("1\r\n2\r\n3\r\n4\x1b[2T", ["", "", "1", "2"]),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[3H\n", ["1", "3", "", "4"]),
        ("1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[2H\x1bM", ["1", "", "2", "4"]),
        ("1\r\n2\r\n3\r\n4\x1b[2H\x1b[L", ["1", "", "2", "3"]),
        ("1\r\n2\r\n3\r\n4\x1b[2H\x1b[M", ["1", "3", "4", ""]),
        ("\x1b[2;4r\x1b[?6h\x1b[1;1Hx", ["", "x", "", ""]),
        ("\tx\r\x1b[3g\ty", ["        xy", "", "", ""]),
        ("\x1b[4G\x1bH\r\tx\x1b[Zy", ["   y", "", "", ""]),
        ("\x1b(0lqk\x1b(Bl", ["┌─┐l", "", "", ""]),
        ("\x1b)0\x0eq\x0fq", ["─q", "", "", ""]),
        ("\x1b#8", ["E" * 10] * 4),
        ("main\x1b[?1049hother", ["    other", "", "", ""]),
        ("main\x1b[?1049hother\x1b[?1049l!", ["main!", "", "", ""]),
        ("main\x1b[?47hother\x1b[?47l", ["main", "", "", ""]),
        ("main\x1b[?1047hother\x1b[?1047l", ["main", "", "", ""]),
        ("a\x1b7bc\x1b8X", ["aXc", "", "", ""]),
        ("a\x1b[3\n1mb", ["a", " b", "", ""]),
        ("a\x1bPpayload\x1b\\b\x1b_more\x1b\\c\x1b^x\x1b\\d\x1bXy\x1b\\e", ["abcde", "", "", ""]),
        ("漢字\x1b[2Gx", [" x字", "", "", ""]),
        ("漢字\x1b[3Gx", ["漢x", "", "", ""]),
        ("012345678漢", ["012345678", "漢", "", ""]),
        ("漢字漢字漢\rab\x1b[P", ["ab 漢字漢", "", "", ""]),
        ("e\u0301x", ["e\u0301x", "", "", ""]),
        ("👩\u200d🔬x", ["👩\u200d🔬x", "", "", ""]),
        ("a\u200db", ["a\u200db", "", "", ""]),
    ],
)
def test_text(output: str, shown: list[str]) -> None:
    assert text_after(output) == shown
    bytewise = Emulator(10, 4)
    for byte in output.encode():
        bytewise.feed(bytes((byte,)))
    assert [line.rstrip() for line in bytewise.display] == shown


@in_one_test(
    ("sgr", "look"),
    [
        ("2", Look(flags=DIM)),
        ("3;5;8;9", Look(flags=ITALIC | BLINK | CONCEAL | STRIKE)),
        ("4", Look(underline=1)),
        ("4:3", Look(underline=3)),
        ("21", Look(underline=2)),
        ("4;24", Look()),
        ("31;102", Look(fg=1, bg=10)),
        ("38;5;9", Look(fg=INDEXED + 9)),
        ("38:5:200", Look(fg=INDEXED + 200)),
        ("48;2;1;2;3", Look(bg=TRUE_COLOUR + 0x010203)),
        ("48:2:1:2:3", Look(bg=TRUE_COLOUR + 0x010203)),
        ("48:2::1:2:3", Look(bg=TRUE_COLOUR + 0x010203)),
        ("58:2::1:2:3;4", Look(underline=1, underline_colour=TRUE_COLOUR + 0x010203)),
        ("38;5;300;1", Look(flags=1)),
        ("1;2;22", Look()),
        ("31;0", Look()),
        ("31;", Look()),
        ("38;2;1;2;3;39", Look()),
    ],
)
def test_renditions(sgr: str, look: Look) -> None:
    assert screen_after(f"\x1b[{sgr}mx").rows[0].styles[0].look == look


def test_key_modifiers_are_no_rendition() -> None:
    screen = screen_after("\x1b[>4;1mx\x1b[?4mx")
    assert screen.rows[0].styles[0].look == Look()
    assert screen.modify_other_keys == 1


def test_erasing_takes_the_background() -> None:
    screen = screen_after("\x1b[1;31;44mab\x1b[K\r\n\x1b[2J")
    assert {style.look for row in screen.rows for style in row.styles} == {Look(bg=4)}


def test_links_belong_to_their_cells() -> None:
    screen = screen_after("\x1b]8;id=1;https://example.org/\x1b\\ab\x1b[0mc\x1b]8;;\x07d")
    assert [style.look.link for style in screen.rows[0].styles[:4]] == ["id=1;https://example.org/"] * 3 + [""]


def test_pytes_interface() -> None:
    screen = screen_after("\x1b[1;91;48;5;196ma漢")
    cell = screen.buffer[0][0]
    assert isinstance(screen, pyte.Screen)
    assert isinstance(cell, pyte.screens.Char)
    assert cell == pyte.screens.Char("a", "brightred", "ff0000", bold=True)
    assert [screen.buffer[0][x].data for x in range(4)] == ["a", "漢", "", " "]
    assert screen.display == ["a漢       "] + [" " * 10] * 3
    assert (screen.cursor.x, screen.cursor.y, screen.cursor.hidden) == (3, 0, False)
    assert screen.cursor.attrs.fg == "brightred"


def test_pytes_own_stream_can_drive_it() -> None:
    screen = Emulator(10, 2)
    pyte.ByteStream(screen).feed(b"\x1b[31mred\x1b[0m\x1b[2;1H\x1b[?25lx")
    assert screen.display == ["red       ", "x         "]
    assert screen.buffer[0][0].fg == "red"
    assert screen.cursor.hidden


def test_only_what_changed_is_dirty() -> None:
    screen = screen_after("one\r\ntwo")
    assert set(screen.dirty) == {0, 1, 2, 3}
    screen.dirty.clear()
    assert set(screen.dirty) == set()
    screen.feed(b"\x1b[2;9Hx")
    assert set(screen.dirty) == {1}
    assert 1 in screen.dirty
    assert screen.display[1] == "two     x "
    screen.dirty.clear()
    screen.feed(b"\x1b[4H\n")
    assert set(screen.dirty) == {0, 1, 2, 3}


def test_the_scrollback_keeps_the_main_screens_lines() -> None:
    screen = screen_after("1\r\n2\r\n3\r\n4\r\n5\r\n6", scrollback=2)
    assert ["".join(row.cells).rstrip() for row in screen.scrollback] == ["1", "2"]
    screen.feed(b"\x1b[?1049h" + b"x\r\n" * 9 + b"\x1b[?1049l\r\n7\r\n")
    assert ["".join(row.cells).rstrip() for row in screen.scrollback] == ["3", "4"]
    assert screen.scrolled == 4
    screen.feed(b"\x1b[3J")
    assert not screen.scrollback


@pytest.mark.parametrize(("lines", "columns", "shown"), [(2, 10, ["2", "3"]), (6, 2, ["1", "2", "3", "", "", ""])])
def test_resizing_keeps_the_cursors_row(lines: int, columns: int, shown: list[str]) -> None:
    screen = screen_after("1\r\n2\r\n3")
    screen.resize(lines, columns)
    assert [line.rstrip() for line in screen.display] == shown
    assert screen.display[screen.cursor.y].rstrip() == "3"


def test_what_was_changed_is_reset_and_nothing_else() -> None:
    assert reset_sequence(screen_after("hello \x1b[31mred\x1b[0m\x1b[?2004h\x1b[?2004l")) == b""
    changed = screen_after(
        "\x1b[?1049h\x1b[?1003;1006h\x1b[?25l\x1b[?1h\x1b=\x1b[3 q\x1b[>4;2m\x1b[>5u\x1b[?2004h\x1b[1m"
    )
    assert reset_sequence(changed) == (
        b"\x1b[<1u\x1b[?1049l\x1b[?2004l\x1b[?1006l\x1b[?1003l\x1b>\x1b[?25h\x1b[?1l\x1b[0 q\x1b[>4m\x1b[0m"
    )


def test_plain_text_keeps_wide_characters_whole() -> None:
    assert plain_text(screen_after("漢字 x\r\n\r\n y  \r\n")) == "漢字 x\n\n y\n"
    assert plain_text(screen_after("")) == ""


@in_one_test(
    ("output", "lines"),
    [
        ("a\x1b[0T", ["a", ""]),
        ("a\x1b[1;1;1;1;1T", ["a", ""]),
        ("a\x1b[1;T", ["a", ""]),
        ("a\x1b[T", ["", "a"]),
        ("abcdefgh\x1b[3Ki", ["abcdefgh", "i"]),
        ("abcdefgh\x1b[3Ji", ["abcdefgh", "i"]),
        ("\x1b[?69h\x1b[2;4s\x1b[3K\x1b[0T\x1b[1Gx", ["x", ""]),
    ],
)
def test_what_is_no_parameter_of_a_function_does_nothing(output: str, lines: list[str]) -> None:
    screen = Emulator(8, 2)
    screen.feed(output.encode())
    assert [line.rstrip() for line in screen.display] == lines


@in_one_test("over", ["\ra", "\r\x1b[Ca", "\r\x1b[X", "\r\x1b[C\x1b[X", "\r\x1b[C漢\x1b[D\x1b[X"])
def test_the_other_half_of_what_is_overwritten_is_erased_with_the_background_alone(over: str) -> None:
    screen = Emulator(8, 2)
    screen.feed(f"\x1b[41m漢字\x1b[1;4;7;31;44m{over}".encode())
    blank = next(style for cell, style in zip(*screen.rows[0].settle(), strict=True) if cell == " ")
    assert blank.look == Look(bg=4)


@in_one_test(
    ("switches", "goes_on"),
    [
        ("\x1b[?47h", True),
        ("\x1b[?47h\x1b[?47l", True),
        ("\x1b[?1047h", True),
        ("\x1b[?1047h\x1b[?1047l", False),
        ("\x1b[?1049h", False),
        ("\x1b[?1049h\x1b[?1049l", True),
        ("\x1b[?47h\x1b[?1049h", False),
    ],
)
def test_a_wrap_that_is_pending_is_taken_back_where_a_screen_is_cleared(switches: str, *, goes_on: bool) -> None:
    screen = Emulator(4, 3)
    screen.feed(f"abcd{switches}x".encode())
    assert (screen.cursor.y, screen.cursor_column) == ((1, 1) if goes_on else (0, 3))


def test_the_alternate_screen_is_cleared_by_1049_also_where_it_is_shown() -> None:
    screen = Emulator(8, 2)
    screen.feed(b"main\x1b[?1049h\x1b#6\x1b[Hab\x1b[?1049hc\x1b[?1049l")
    assert screen.display[0].rstrip() == "main"
    screen.feed(b"\x1b[?47h")
    assert [line.rstrip() for line in screen.display] == ["  c", ""]
    assert not screen.rows[0].size


def test_the_alignment_pattern_leaves_the_pen_its_colours_alone() -> None:
    screen = Emulator(8, 2)
    screen.feed(b'\x1b[1"q\x1b[1;4;7;31;44m\x1b#8')
    assert screen.cursor.style.look == Look(fg=1, bg=4, flags=PROTECTED)
    assert screen.rows[1].styles == [DEFAULT_STYLE] * 8
