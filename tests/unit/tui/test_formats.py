"""How the console writes times, sizes and rates, and how texts are cut."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st
from rich.cells import cell_len
from support.in_one_test import in_one_test

from omnyshell.durations import format_duration
from omnyshell.tui.formats import RATE_FLOOR, Tone, age, fitted, hanging, left, milliseconds, rate, size
from omnyshell.tui.widgets.header import History

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@in_one_test(
    ("seconds", "text"), [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (90_000, "1d")]
)
def test_spans(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@in_one_test(
    ("count", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1.0K"),
        (1024, "1.0K"),
        (10_240, "10K"),
        (999 * 1024, "999K"),
        (1 << 30, "1.0G"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@given(st.integers(0, 1 << 49))
def test_a_rate_fits_its_column(count: int) -> None:
    assert cell_len(rate(count).text) <= 7


def test_short_times_and_ages() -> None:
    assert [milliseconds(value) for value in (None, 0.0004, 0.0123, 1.5)] == ["-", "0.4 ms", "12 ms", "1.5 s"]
    assert age(None, NOW).text == "-"
    assert age(NOW - timedelta(minutes=3), NOW).text == "3m"
    assert left(NOW + timedelta(minutes=3), NOW) == ("3m", Tone.WARN)
    assert left(NOW - timedelta(minutes=3), NOW).text == "now"
    assert left(NOW, NOW, "ended").text == "ended"
    assert left(None, NOW).text == "-"


@given(st.text(max_size=20), st.integers(1, 15), st.booleans(), st.booleans())
def test_a_cell_takes_its_width_and_nothing_a_terminal_obeys(text: str, width: int, right: bool, end: bool) -> None:
    cell = fitted(text, width, right=right, keep_end=end)
    assert cell_len(cell) == width
    assert cell.isprintable()


def test_cut_texts_say_so() -> None:
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("hub:20001", 6, keep_end=True) == "…20001"
    assert fitted("ab", 4, right=True) == "  ab"
    assert "\x1b" not in fitted("\x1b[31mred", 10)


def test_bars() -> None:
    history = History(4)
    history.add(-3)
    history.add(900)
    assert (history.bars(), history.last) == ("▁▁▁▁", 900)
    history.add(RATE_FLOOR)
    assert history.bars() == "▁▁▁█"


def test_what_is_wrapped_goes_on_below_itself():
    text = "exec.pty, exec.pipes, sessions.detach, 目録.目録"
    lines = hanging(text, 30, 8).split("\n")
    assert len(lines) > 1
    assert all(line.startswith(" " * 8) for line in lines[1:])
    assert cell_len(lines[0]) <= 22
    assert all(cell_len(line) <= 30 for line in lines[1:])
    assert " ".join(map(str.strip, lines)) == text
    assert hanging(text, 12, 8) == text, "no room beside the indent"
