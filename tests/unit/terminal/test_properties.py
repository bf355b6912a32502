"""What must hold for whatever a program writes."""

import pytest
from hypothesis import given, settings, strategies as st
from support.terminal_output import output, soup

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint, plain_text, reset_sequence, state

SIZES = st.tuples(st.integers(1, 14), st.integers(1, 8))


def fed(size: tuple[int, int], data: bytes) -> Emulator:
    screen = Emulator(*size)
    screen.feed(data)
    return screen


@given(SIZES, soup, st.lists(st.integers(0, 200), max_size=8))
def test_any_chunking_gives_the_same_screen(size: tuple[int, int], data: bytes, cuts: list[int]) -> None:
    whole = fed(size, data)
    cut = Emulator(*size)
    at = 0
    for end in [*sorted(cuts), len(data)]:
        cut.feed(data[at:end])
        at = max(at, end)
    bytewise = Emulator(*size)
    for byte in data:
        bytewise.feed(bytes((byte,)))
    assert state(cut) == state(whole) == state(bytewise)
    assert cut.unfinished == whole.unfinished == bytewise.unfinished


@given(size=SIZES, before=output, after=output, same_size=st.booleans())
def test_a_painted_screen_equals_its_original_and_goes_on_alike(
    size: tuple[int, int], before: bytes, after: bytes, *, same_size: bool
) -> None:
    original = fed(size, before)
    painted = Emulator(*size)
    painted.feed(paint(original, same_size=same_size))
    assert state(painted) == state(original)
    if original.on_alternate_screen:
        after = after.replace(b"\x1b[?", b"\x1b[").replace(b"\x1bc", b"")
    original.feed(after)
    painted.feed(after)
    assert state(painted) == state(original)


LINES = st.lists(st.sampled_from(["abc", "hello ", "漢", "\r\n", "\x1b[31m", "\x1b[m", "e\u0301"])).map("".join)


@given(SIZES, LINES.map(str.encode), SIZES)
def test_a_painted_screen_is_wrapped_anew_as_its_original(
    size: tuple[int, int], before: bytes, new: tuple[int, int]
) -> None:
    original = fed(size, before)
    painted = Emulator(*size)
    painted.feed(paint(original, same_size=True))
    for screen in (original, painted):
        screen.resize(new[1], new[0])
    assert state(painted) == state(original)


def test_a_larger_terminal_shows_wrapped_lines_where_they_were() -> None:
    original = fed((10, 4), b"x" * 25 + b"\r\ny")
    assert [row.rstrip() for row in fed((40, 9), paint(original)).display[:4]] == ["x" * 10, "x" * 10, "x" * 5, "y"]


def test_a_terminal_that_was_painted_wraps_lines_anew() -> None:
    painted = fed((10, 4), paint(fed((10, 4), "wrapped 漢 twice over\r\nwhole".encode()), same_size=True))
    painted.resize(4, 30)
    assert [row.rstrip() for row in painted.display] == ["wrapped 漢 twice over", "whole", "", ""]


def test_a_terminal_that_was_painted_keeps_its_tab_stops_beyond_the_screen() -> None:
    assert b"\x1b[3g" not in paint(fed((80, 2), b"$ "), same_size=True)
    assert b"\x1b[3g" in paint(fed((80, 2), b"\x1b[5G\x1bH"), same_size=True)


def test_a_cursor_of_no_special_shape_is_left_as_the_user_has_it() -> None:
    assert b" q" not in paint(fed((80, 2), b"\x1b[2 q\x1b[0 q"))


@pytest.mark.parametrize("program", [b"\x1b[22;2t", b"\x1b[22;2t\x1b]2;vim\x07", b"\x1b[22;2t\x1b[22;2t\x1b]2;a\x07"])
def test_the_title_of_a_terminal_that_was_painted_is_its_own_in_the_end(program: bytes) -> None:
    original = fed((20, 2), program)
    painted = fed((20, 2), b"\x1b]2;its own\x07" + paint(original))
    assert painted.title == original.title or painted.title == "its own"
    painted.feed(reset_sequence(painted))
    assert painted.title == "its own"


@pytest.mark.parametrize("between", ["\0", "\x1b[1m", "\x1b[1;3H"])
def test_what_was_kept_apart_behind_a_joiner_is_painted_apart(between: str) -> None:
    original = fed((9, 2), f"👩\u200d{between}💻\u200d\0🔬漢".encode())
    assert state(fed((9, 2), paint(original))) == state(original)
    assert len([cell for cell in original.display[0] if cell != " "]) > 3


@settings(max_examples=40)
@given(SIZES, output)
def test_what_a_program_set_is_reset(size: tuple[int, int], data: bytes) -> None:
    users = fed(size, data + b"\x18")
    users.feed(reset_sequence(users))
    assert reset_sequence(users) == b""
    assert not users.on_alternate_screen
    assert users.mode == Emulator(*size).mode


@settings(max_examples=40)
@given(SIZES, soup, SIZES, soup)
def test_resizing_keeps_rows_whole(size: tuple[int, int], before: bytes, new: tuple[int, int], after: bytes) -> None:
    screen = fed(size, before)
    screen.resize(new[1], new[0])
    screen.feed(after)
    for row in screen.rows:
        assert len(row.cells) == len(row.styles) == screen.columns
        assert row.cells[0] != ""
    assert len(screen.rows) == screen.lines
    assert 0 <= screen.cursor.y < screen.lines
    assert 0 <= screen.cursor.x <= screen.columns
    assert plain_text(screen).count("\n") <= screen.lines
