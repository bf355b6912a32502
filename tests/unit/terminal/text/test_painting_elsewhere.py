"""A screen painted for a terminal that counts columns otherwise than the one that it was written for."""

import itertools

from hypothesis import given, strategies as st
from support.in_one_test import in_one_test
from support.terminal_output import output

from omnyshell.model.sessions import Widths
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.fitting import groups
from omnyshell.terminal.painting.lines import drawn, newest_lines
from omnyshell.terminal.painting.snapshot import paint, paint_main, state
from omnyshell.terminal.state.table import CLUSTERS
from omnyshell.terminal.text.layout import is_counted_alike

SIZES = st.tuples(st.integers(2, 14), st.integers(1, 6))
WIDTHS = st.sampled_from(Widths)
CURSORS_AT_REST = b"\x18\x1b\\\x1b[?69l\x1b[?6l\x1b[H\x1b7\x1b[?47h\x1b[H\x1b7\x1b[?47l\x1b[H"


def fed(size: tuple[int, int], data: bytes, widths: Widths) -> Emulator:
    screen = Emulator(*size, widths=widths)
    screen.feed(data)
    return screen


def assert_columns(shown: Emulator, original: Emulator, *, mistaken: bool = False) -> None:
    """Each cell that all terminals count alike is where it was, with its style.

    A terminal that was taken for another may cover a blank one, and join those that it would have joined anyway.
    """
    for row, was in zip(shown.rows, original.rows, strict=True):
        column = 0
        for group in groups(was.cells):
            for place, cell in enumerate(group, column):
                is_sure = is_counted_alike("".join(group) if mistaken else cell)
                if cell and is_sure and not (mistaken and cell == " " and not row.cells[place]):
                    assert row.cells[place] == cell
                    assert row.styles[place] == was.styles[place]
            column += len(group)


@given(SIZES, WIDTHS, output, output)
def test_a_terminal_of_the_same_kind_shows_the_same_and_goes_on_alike(
    size: tuple[int, int], widths: Widths, before: bytes, after: bytes
) -> None:
    original = fed(size, before, widths)
    if CLUSTERS in original.mode and widths is Widths.SEPARATE:
        return
    painted = fed(size, paint(original), widths)
    assert state(painted) == state(original)
    if original.on_alternate_screen:
        after = after.replace(b"\x1b[?", b"\x1b[").replace(b"\x1bc", b"")
    original.feed(after)
    painted.feed(after)
    assert state(painted) == state(original)


@given(SIZES, WIDTHS, WIDTHS, WIDTHS, output)
def test_each_cell_lands_in_its_column(
    size: tuple[int, int], written: Widths, supposed: Widths, real: Widths, data: bytes
) -> None:
    """Also where the terminal is not the one that it is taken for, if no cluster has to be printed last of all."""
    mistaken = supposed is not real
    original = fed(size, data + (CURSORS_AT_REST if mistaken else b""), written)
    original.widths = supposed
    painted = paint(original)
    shown = fed(size, painted[: len(painted) - len(original.unfinished)], real)
    assert_columns(shown, original, mistaken=mistaken)


LINE = "a👩\u200d🔬b❤\ufe0fc🇩🇪d🇫e👍🏽f1\ufe0f\u20e3gकाh"


@in_one_test("written", Widths)
@in_one_test("real", Widths)
def test_what_follows_is_where_it_was(written: Widths, real: Widths) -> None:
    original = fed((40, 2), f"\x1b[44m{LINE}".encode(), written)
    original.widths = real
    shown = fed((40, 2), paint(original), real)
    assert_columns(shown, original)
    assert (shown.cursor.x, shown.cursor.y) == (original.cursor.x, original.cursor.y)
    assert [style.look.bg for style in shown.rows[0].styles] == [style.look.bg for style in original.rows[0].styles]
    main = fed((40, 2), paint_main(original), real)
    assert_columns(main, original)


@in_one_test("written", Widths)
@in_one_test("cell", ["👩\u200d🔬", "❤\ufe0f", "🇩🇪", "👍🏽", "1\ufe0f\u20e3"])
def test_nothing_runs_over_the_edge(written: Widths, cell: str) -> None:
    for real, column in itertools.product(Widths, (9, 10, 11, 12)):
        original = fed((12, 2), f"\x1b[1;{column}H{cell}\x1b[2;1Hbelow".encode(), written)
        original.widths = real
        assert_columns(fed((12, 2), paint(original), real), original)


@in_one_test("written", Widths)
@in_one_test("real", Widths)
@in_one_test("style", ["", "\x1b[1;31m"])
def test_lines_above_keep_their_columns(written: Widths, real: Widths, style: str) -> None:
    original = fed((60, 2), f"{style}{LINE}".encode(), written)
    lines, count = newest_lines(original.rows[:1], 4096, real)
    assert count == 1
    shown = fed((60, 2), lines, real)
    assert_columns(shown, original)
    kept, _ = newest_lines(original.rows[:1], 4096)
    [row] = drawn(kept, 60)
    assert [at for at, cell in enumerate(row.cells) if cell in "abcdefgh" and cell] == [
        at for at, cell in enumerate(original.rows[0].cells) if cell in "abcdefgh" and cell
    ]
