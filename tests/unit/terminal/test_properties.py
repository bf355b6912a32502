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


@settings(max_examples=60)
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


@settings(max_examples=60)
@given(SIZES, output, output)
def test_a_painted_screen_equals_its_original_and_goes_on_alike(
    size: tuple[int, int], before: bytes, after: bytes
) -> None:
    original = fed(size, before)
    painted = Emulator(*size)
    painted.feed(paint(original))
    assert state(painted) == state(original)
    if original.on_alternate_screen:
        after = after.replace(b"\x1b[?", b"\x1b[").replace(b"\x1bc", b"")
    original.feed(after)
    painted.feed(after)
    assert state(painted) == state(original)


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
