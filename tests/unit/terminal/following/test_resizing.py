"""Resizing in front of a queue: in its turn, in slices, and with the same result as at once."""

from hypothesis import given, strategies as st
from support.terminal_output import output

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.follower import Follower
from omnyshell.terminal.painting.snapshot import state

sizes = st.tuples(st.integers(1, 8), st.integers(1, 30))


def followed(screen: Emulator) -> Follower:
    """A follower whose time is always over after one step."""
    ticks = iter(range(10**9))
    return Follower(screen, lambda: float(next(ticks)))


def worked_off(follower: Follower) -> None:
    while follower.work(0.0):
        continue


@given(st.lists(st.one_of(output, sizes), max_size=5))
def test_resizing_in_slices_gives_what_it_gives_at_once(parts: list[bytes | tuple[int, int]]) -> None:
    whole, sliced = Emulator(20, 5, scrollback=100), Emulator(20, 5, scrollback=100)
    follower = followed(sliced)
    before: bytes | tuple[int, int] = b""
    for part in parts:
        if isinstance(part, bytes):
            whole.feed(part)
            follower.push(part)
        else:
            if not isinstance(before, bytes):
                # Of several sizes that wait only the last one would count.
                worked_off(follower)
            whole.resize(*part)
            follower.resize(*part)
        before = part
    worked_off(follower)
    assert not follower.waiting
    assert state(sliced) == state(whole)
    assert [(row.cells, row.styles) for row in sliced.scrollback] == [
        (row.cells, row.styles) for row in whole.scrollback
    ]


def test_a_resize_waits_for_the_output_before_it_and_holds_up_what_comes_after() -> None:
    screen = Emulator(20, 3)
    follower = followed(screen)
    follower.push(b"x" * 5000)
    follower.resize(3, 10)
    follower.push(b"\x1b[Hafter")
    assert screen.columns == 20
    assert follower.waiting
    follower.drain()
    assert (screen.columns, screen.display[0]) == (10, "afterxxxxx")


def test_of_sizes_that_wait_the_last_one_counts() -> None:
    screen = Emulator(20, 3)
    follower = followed(screen)
    follower.push(b"x" * 5000)
    for columns in range(1, 300):
        follower.resize(3, columns)
    follower.drain()
    assert screen.columns == 299


def test_a_large_screen_keeps_its_size_until_all_is_wrapped() -> None:
    screen = Emulator(400, 60)
    screen.feed("".join(f"\x1b[38;2;{n % 256};{n // 256};7mx" for n in range(24_000)).encode())
    screen.begin_resize(60, 100, 1)
    steps = 0
    while screen.is_behind:
        assert screen.columns == 400
        assert all(row.width == 400 for row in screen.rows)
        screen.go_on(1)
        steps += 1
    assert (screen.columns, screen.display[-1].strip()) == (100, "x" * 100)
    assert steps >= 50


def parts_of_resizing(screen: Emulator, lines: int, columns: int) -> int:
    """Resize with the least that is done at a time; return how many times that took."""
    screen.begin_resize(lines, columns, 1)
    parts = 1
    while screen.is_behind:
        screen.go_on(1)
        parts += 1
    return parts


def test_wrapping_rows_and_fetching_them_from_the_history_are_done_a_few_at_a_time() -> None:
    screen = Emulator(60, 40, scrollback=1000)
    screen.feed("".join(f"\x1b[38;5;{n % 256}mx" for n in range(60 * 200)).encode())
    assert parts_of_resizing(screen, 40, 30) > 80
    assert parts_of_resizing(screen, 200, 30) > 10
    assert {len(set(row.styles)) > 20 for row in screen.rows} == {True}


def test_a_scroll_between_side_margins_is_done_a_row_at_a_time() -> None:
    screen = Emulator(60, 40)
    screen.feed(b"x" * 60 * 40 + b"\x1b[?69h\x1b[2;59s")
    for written in (b"\x1b[40;2H\n", b"\x1b[1;2H\x1bM", b"\x1b[40;2H" + b"y" * 59):
        screen.begin(written, 1)
        parts = 1
        while screen.is_behind:
            screen.go_on(1)
            parts += 1
        assert parts >= 40, written
