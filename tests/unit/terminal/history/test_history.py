"""The lines that left the screen at its top: packed, bounded, given back."""

import random
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test
from support.terminal_output import output

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.history.budget import Budget
from omnyshell.terminal.history.history import History
from omnyshell.terminal.history.pages import Page, plain_row
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE
from omnyshell.terminal.screen.work import finished

MEBIBYTE = 1024 * 1024


def rows(texts: Iterable[str] | range, width: int = 80) -> Iterator[Row]:
    for text in texts:
        row = Row(width)
        row.runs.append((0, str(text), DEFAULT_STYLE))
        yield row


def filled(count: int, limit: int = 10_000, width: int = 80) -> History:
    history = History(limit, width)
    for row in rows(range(count), width):
        history.append(row)
    return history


def texts(found: list[Row] | History) -> list[str]:
    return ["".join(row.cells).rstrip() for row in found]


def numbers(first: int, end: int) -> list[str]:
    return list(map(str, range(first, end)))


@in_one_test("count", [0, 1, 102, 103, 500, 1234])
def test_the_newest_rows_are_kept(count: int) -> None:
    history = filled(count, limit=500)
    assert texts(history) == numbers(max(0, count - 500), count)
    assert len(history) == min(count, 500)
    if count:
        assert texts([history[-1], history[0]]) == [str(count - 1), str(max(0, count - 500))]


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        filled(3)[3]


def test_rows_come_back_newest_first() -> None:
    history = filled(300)
    assert texts(history.take_back(2)) == ["298", "299"]
    assert texts(history.take_back(250)) == numbers(48, 298)
    assert texts(history.take_back(100)) == numbers(0, 48)
    assert history.take_back(1) == []


def test_pages_are_put_above_as_far_as_there_is_room() -> None:
    history = filled(300, limit=500)
    assert history.prepend(older(-150, 0)) == 150
    assert texts(history) == numbers(-150, 300)
    assert history.prepend(older(-400, -150)) >= 50
    assert texts(history) == numbers(-200, 300)
    assert history.prepend(older(-500, -400)) == 0


def older(first: int, end: int) -> list[Page]:
    history = History(1000, 100)
    for row in rows(numbers(first, end), 100):
        history.append(row)
    return history.pages()


def test_pages_are_read_from_the_newest_to_the_oldest() -> None:
    history = filled(1234)
    read: list[str] = []
    number = history.end
    while True:
        found, number = history.before(number, 100)
        if not found:
            break
        assert len(found) <= 100
        read[:0] = texts(found)
    assert read == numbers(0, 1234)


def test_numbers_last_while_rows_come_and_go() -> None:
    history = filled(1000, limit=800)
    number = history.end - 100
    expected = texts(history.before(number, 10)[0])
    for row in rows(range(1000, 1300)):
        history.append(row)
    assert texts(history.before(number, 10)[0]) == expected == numbers(890, 900)
    history.clear()
    assert history.before(number, 10)[0] == []
    for row in rows(["new"]):
        history.append(row)
    assert history.before(number, 10)[0] == []
    assert texts(history.before(history.end, 10)[0]) == ["new"]


def test_a_line_that_was_wrapped_is_read_whole() -> None:
    screen = Emulator(10, 2, scrollback=100)
    screen.feed(b"first\r\n" + b"x" * 35 + b"\r\nlast\r\nend")
    found, _ = screen.scrollback.before(screen.scrollback.end, 2)
    assert texts(found) == ["x" * 10, "x" * 10, "x" * 10, "x" * 5]


@in_one_test("others", range(6))
def test_a_line_is_not_cut_in_two_where_rows_are_packed(others: int) -> None:
    screen = Emulator(20, 1, scrollback=10_000)
    screen.feed(b"before\r\n" * others + (b"x" * 30 + b"\r\n") * 500)
    screen.resize(1, 40)
    assert len(screen.scrollback) == others + 500


@given(output, st.integers(1, 30))
def test_packed_rows_are_equal(data: bytes, width: int) -> None:
    screen = Emulator(20, 5, scrollback=1000)
    screen.feed(data + b"\x1b[?1049l\x1b[?69l\x1b[r" + b"\r\n" * 5)
    contents = [(list(row.cells), list(row.styles), row.wrapped) for row in screen.scrollback]
    pages = screen.scrollback.pages()
    assert [(row.cells, row.styles, row.wrapped) for page in pages for row in page.rows(20)] == contents
    assert sum(page.count_at(width) for page in pages) == sum(len(page.rows(width)) for page in pages)


def coloured(number: int, source: random.Random) -> str:
    colour = source.randrange(31, 37)
    return f"\x1b[{colour}m{number:>8}\x1b[0m {''.join(source.choices('abcdefghijklmnop ', k=68))}\x1b[1m!\x1b[0m\r\n"


def plain(number: int, source: random.Random) -> str:
    return f"{number:>8} {''.join(source.choices('abcdefghijklmnop ABCDEFGHIJKL0123456789/+', k=70))}\r\n"


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(("make", "most"), [(plain, MEBIBYTE), (coloured, MEBIBYTE)])
def test_ten_thousand_lines_take_a_mebibyte_at_most(make: object, most: int) -> None:
    assert callable(make)
    source = random.Random(1)
    data = "".join(make(number, source) for number in range(10_500)).encode()
    screen = Emulator(80, 24, scrollback=10_000)
    screen.feed(data[: len(data) // 20])
    tracemalloc.start()
    try:
        screen.feed(data[len(data) // 20 :])
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(screen.scrollback) == 10_000
    assert screen.scrollback.size < most
    assert taken < 1.25 * most


# Many histories


def shared(budget: Budget, count: int) -> History:
    history = History(10_000, 80)
    history.share(budget)
    for row in rows(map("{:070}".format, range(count))):
        history.append(row)
    return history


def test_who_has_most_gives_up_first() -> None:
    budget = Budget(40_000)
    quiet = shared(budget, 300)
    before = texts(quiet)
    loud = shared(budget, 10_000)
    assert texts(quiet) == before
    assert texts(loud)[-1] == f"{9999:070}"
    assert budget.used == quiet.size + loud.size <= 40_000


def test_what_is_being_read_may_be_forgotten_for_others_meanwhile() -> None:
    budget = Budget(40_000)
    history = shared(budget, 1000)
    right = texts(history.before(history.end, 900)[0])
    steps = history.finding_before(history.end, 900)
    next(steps)
    loud = shared(budget, 10_000)
    while history.forget_oldest() or loud.forget_oldest():
        continue
    found, _ = finished(steps)
    assert texts(found) == right


def test_what_is_cleared_takes_nothing() -> None:
    budget = Budget(40_000)
    history = shared(budget, 1000)
    other = shared(budget, 100)
    history.clear()
    assert budget.used == other.size
    assert not history.size


def test_a_budget_of_nothing_keeps_no_pages() -> None:
    budget = Budget(0)
    history = shared(budget, 1000)
    assert budget.used == 0
    assert len(history) < 110


def test_a_row_that_is_nothing_but_text_may_be_used_again() -> None:
    history = History(10, 8)
    row = plain_row("plain", 8)
    assert history.append(row) == 0
    row.clear(DEFAULT_STYLE)
    row.runs.append((0, "styled", DEFAULT_STYLE.after("", (1, None, -1, 0, None, None))))
    assert history.append(row) == 1
    assert texts(list(history)) == ["plain", "styled"]
    assert history[0] is history[0]
    assert texts(history.take_back(2)) == ["plain", "styled"]
