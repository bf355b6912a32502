"""Text with colours in it, which is kept as it came: it shows what it would if each sequence were obeyed at once."""

import random

import pytest
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import state
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.stretches import pen_after, split_at_sgr, stretch_of
from omnyshell.terminal.screen.style import DEFAULT_STYLE

number = st.one_of(st.sampled_from(["", "0", "1", "4", "22", "38", "48", "255", "256", "0038", "999"]), st.just("7"))
colour = st.builds("{}8;{}".format, st.sampled_from("34"), st.one_of(
    st.builds("5;{}".format, number), st.builds("2;{};{};{}".format, number, number, number)))  # fmt: skip
code = st.one_of(colour, number, st.sampled_from(["4:3", "38:2::1:2:3", "39", "31", "48;2;1", "38;9;1", ";"]))
sgr = st.builds(lambda codes: f"\x1b[{';'.join(codes)}m", st.lists(code, max_size=3))
plain_colours = st.lists(st.builds("\x1b[{}m".format, colour), min_size=7, max_size=20)
text = st.sampled_from(["a", "word ", "  ", "é│", "漢", "e\u0301", "👩\u200d", "ab" * 9, "x" * 30])
stretch = st.lists(st.one_of(text, sgr, sgr), min_size=1, max_size=24).map("".join)
place = st.builds("\x1b[{};{}H".format, st.integers(1, 5), st.integers(1, 13))
between = st.one_of(place, st.sampled_from(["\r\n", "\x1b[K", "\x1b[2K", "\x1b[1K", "\x1b[3b", "\x1b[2@", "\x1b[P",
    "\x1b[2J", "\x1b[L", "\x1b[?7l", "\x1b[?7h", "\x1b[4h", "\x1b[4l", "\x1b7", "\x1b8", '\x1b[1"q', "\x1b(0", "\x1b(B",
    "\x1b[?2027h", "\x1b[1m\x1b[X", "\x1bN"]))  # fmt: skip
drawn = st.lists(st.one_of(stretch, between), max_size=14).map("".join)


@given(drawn)
@example("👩\u200d\x1b[3b")
def test_what_is_looked_at_late_is_what_is_looked_at_at_once(data: str) -> None:
    late, at_once = Emulator(13, 5, scrollback=50), Emulator(13, 5, scrollback=50)
    late.feed(data.encode())
    for byte in data.encode():
        at_once.feed(bytes((byte,)))
        for row in at_once.rows:
            row.settle()
    assert state(late) == state(at_once)
    rows = [(row.cells, row.styles, row.wrapped) for row in late.scrollback]
    assert rows == [(row.cells, row.styles, row.wrapped) for row in at_once.scrollback]


@given(st.one_of(st.lists(sgr, max_size=20), plain_colours, st.lists(st.one_of(sgr, *[plain_colours.map("".join)]))))
def test_a_pen_is_found_from_the_last_sequences(sequences: list[str]) -> None:
    sequences = split_at_sgr("".join(sequences))[1::2]
    one_by_one = DEFAULT_STYLE
    for sequence in sequences:
        one_by_one = pen_after(one_by_one, (sequence,))
    assert pen_after(DEFAULT_STYLE, sequences) == one_by_one


def test_of_random_colours_the_pen_is_found_without_reading_all() -> None:
    source = random.Random(4)
    sequences = [f"\x1b[38;2;{source.randrange(256)};{source.randrange(256)};7m" for _ in range(100)]
    assert pen_after(DEFAULT_STYLE, [*sequences, "\x1b[38;5;300m"]) == pen_after(DEFAULT_STYLE, sequences[-1:])
    assert pen_after(DEFAULT_STYLE, ["\x1b[1m", *sequences]).look.flags == 1


@pytest.mark.parametrize("erases", [True, False])
def test_what_is_covered_is_forgotten(erases: bool) -> None:
    screen = Emulator(80, 24)
    source = random.Random(3)
    for _ in range(4000):
        end = "\x1b[K" if erases else ""
        screen.feed(f"\x1b[1;{source.randrange(75) + 2}H\x1b[38;2;{source.randrange(256)};1;2mtext{end}".encode())
        assert len(screen.rows[0].runs) < 200
    assert "text" in screen.display[0]


def test_what_is_remembered_is_so_wherever_it_comes_again() -> None:
    screen = Emulator(8, 4)
    screen.feed(b"\x1b[1;5H\x1b[31mwords\x1b[3;1H\x1b[m\x1b[31mwords\x1b[m\x1b[4;1H\x1b[31mwords")
    assert [line.strip() for line in screen.display] == ["word", "s", "words", "words"]


def test_runs_wait_no_longer_than_they_take_less_memory_than_cells() -> None:
    row = Row(80)
    for n in range(1000):
        row.draw(n % 70, stretch_of(["", f"\x1b[38;5;{n % 256}m", "ab", "\x1b[1m", "c"]), DEFAULT_STYLE)
        if row.is_laden:
            row.settle()
        assert len(row.runs) <= 144


@in_one_test("width", range(3, 9))
def test_a_text_that_was_wrapped_is_whole_where_it_comes_again(width: int) -> None:
    text = b"\x1b[1;36mavahi\x1b[0m is \x1b[1;32m" + b"%d\x1b[m" % width
    Emulator(width, 3).feed(text)
    again = Emulator(30, 1)
    again.feed(text)
    assert again.display[0].rstrip() == f"avahi is {width}"
