"""Rows as lines for other terminals: what is fetched of a history is what was there."""

import re

import pytest
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test
from support.terminal_output import output, soup

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.lines import drawn, newest_lines
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import PROTECTED

END = b"\x1b[?1049l\x1b[?69l\x1b[r\x1b[?6l\x1b[99;1H" + b"\r\n" * 6
WHATEVER = 10**9
CLUSTERS = b"\x1b[?2027h"


def seen(rows: list[Row]) -> list[object]:
    looks = [[style.look for style in row.styles] for row in rows]
    return [
        (row.cells, [look._replace(flags=look.flags & ~PROTECTED) for look in found])
        for row, found in zip(rows, looks, strict=True)
    ]


@given(output)
@example(b"\x1b[3I\xe6\xbc\xa2\xe5\xad\x97\x1b[0 @")
def test_lines_show_the_same_elsewhere(data: bytes) -> None:
    """What is drawn from lines counts no clusters."""
    screen = Emulator(20, 5, scrollback=1000)
    screen.feed(data.replace(CLUSTERS, b"") + END)
    rows = list(screen.scrollback)
    lines, count = newest_lines(rows, WHATEVER)
    assert count == len(rows)
    assert seen(list(drawn(lines, 20))) == seen(rows)


WORDS = ["abc", "hello ", "漢", "\r\n", "\x1b[44m", "\x1b[m", "\x1b[K", "  ", "e\u0301", "\x1b[2K"]
SOME_LINES = st.lists(st.sampled_from(WORDS), max_size=60).map("".join).map(str.encode)
WIDTHS = st.integers(20, 60)


@given(SOME_LINES, SOME_LINES, st.tuples(WIDTHS, WIDTHS, WIDTHS))
def test_lines_are_wrapped_elsewhere_as_where_they_came_from(
    before: bytes, after: bytes, widths: tuple[int, int, int]
) -> None:
    first, second, third = widths
    screen = Emulator(first, 1, scrollback=1000)
    screen.feed(before)
    screen.resize(1, second)
    screen.feed(after + b"\x1b[m\r\n\r\n")
    rows, _ = screen.scrollback.before(screen.scrollback.end, 1000)
    lines, _ = newest_lines(rows, WHATEVER)
    screen.resize(1, third)
    assert seen(list(drawn(lines, third))) == seen(list(screen.scrollback))


EDITS = ["\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[J", "\x1b[A", "\x1b[4G", "\x1b[9X", "\x1b[2P", "\x1b[3@"]
PENS = ["\x1b[41m", "\x1b[44m", "\x1b[7m", "\x1b[m"]
BLANKS = ["abc", " ", " " * 4, " " * 9, " " * 21, "\r\n", "\n", *PENS, *EDITS]


@given(st.lists(st.sampled_from(BLANKS), max_size=14).map("".join), st.sampled_from([4, 5, 10, 20]))
@example("\x1b[41m" + " " * 41, 20)
@example("abc\x1b[41m" + " " * 22, 5)
@example("\x1b[41mabc" + " " * 9, 5)
@example(" " * 41 + "\x1b[A  ", 20)
@example("abc\x1b[41m\x1b[2Kabc" + " " * 10 + "\x1b[K", 5)
def test_blanks_that_were_printed_over_the_edge_are_as_many_rows_elsewhere(data: str, width: int) -> None:
    screen = Emulator(width, 4, scrollback=1000)
    screen.feed(data.encode() + END)
    rows = list(screen.scrollback)
    assert seen(list(drawn(newest_lines(rows, WHATEVER)[0], width))) == seen(rows)


@in_one_test("widths", [(21, 20, 21), (23, 20, 22), (21, 22, 20), (60, 20, 40)])
def test_a_background_behind_a_line_is_no_text_at_any_width(widths: tuple[int, int, int]) -> None:
    screen = Emulator(widths[0], 1, scrollback=10)
    screen.feed(b"abc\x1b[44m\x1b[K")
    screen.resize(1, widths[1])
    screen.feed(b"\x1b[m\r\n")
    lines, _ = newest_lines(list(screen.scrollback), WHATEVER)
    screen.resize(1, widths[2])
    for rows in (drawn(lines, widths[2]), screen.scrollback):
        (row,) = rows
        assert sum(style.look.bg == 4 for style in row.styles) == min(widths[0], widths[2]) - 3


def test_lines_that_are_printed_have_no_more_background_than_before() -> None:
    screen = Emulator(20, 3, scrollback=10)
    screen.feed(b"\x1b[44m" + b"x" * 30 + b"\x1b[m\r\nafter\r\n\r\n\r\n")
    rows = list(screen.scrollback)
    printed = Emulator(20, 3, scrollback=10)
    printed.feed(b"\n\n" + newest_lines(rows, WHATEVER, to_edge=True)[0] + b"\n\n")
    assert seen(list(printed.scrollback)[-len(rows) :]) == seen(rows)


@given(output, st.integers(2, 40))
def test_nothing_but_text_and_looks_is_sent(data: bytes, width: int) -> None:
    screen = Emulator(width, 5, scrollback=1000)
    screen.feed(data + END)
    lines, _ = newest_lines(list(screen.scrollback), WHATEVER)
    left = re.sub(rb"\x1b\[[0-9;:]*m|\x1b\]8;[^\x1b\x07]*\x1b\\|\r\n|\x0f", b"", lines)
    assert not re.search(rb"[\x00-\x1f\x7f]", left)


def test_lines_are_sent_as_far_as_they_have_room() -> None:
    screen = Emulator(20, 2, scrollback=100)
    screen.feed(b"".join(b"%d\r\n" % number for number in range(50)))
    assert newest_lines(list(screen.scrollback), 13) == (b"46\r\n47\r\n48\r\n", 3)


@pytest.mark.parametrize("piece", ["\x1b[38;2;1;2;{}mx", "\x1b]8;;https://example.org/{}\x1b\\y"])
def test_a_row_that_is_too_long_loses_its_styles(piece: str) -> None:
    screen = Emulator(20, 1, scrollback=100)
    screen.feed("".join(piece.format(number) for number in range(20)).encode() + b"\r\n")
    (row,) = screen.scrollback
    assert newest_lines([row], 100) == ((piece[-1] * 20).encode() + b"\r\n", 1)
    assert newest_lines([row], 10) == (b"\r\n", 1)


@in_one_test(
    "hostile",
    [b"\x1b[?1049h", b"\x1b[2J", b"\x1b#8", b"\x1bc", b"\xc2\x9b2J", b"\xc2\x00\x9b2J", b"\x1b]52;c;YQ==\x07"],
)
def test_nothing_else_is_obeyed(hostile: bytes) -> None:
    rows = list(drawn(b"before\r\n" + hostile + b"\r\nafter\r\n", 30))
    assert len(rows) == 3
    texts = ["".join(row.cells).rstrip() for row in rows]
    assert (texts[0], texts[2]) == ("before", "after")


@given(soup)
def test_whatever_a_node_sends_is_rows(data: bytes) -> None:
    rows = list(drawn(data, 30))
    assert all(row.width == 30 for row in rows)
    newest_lines(rows, WHATEVER)
