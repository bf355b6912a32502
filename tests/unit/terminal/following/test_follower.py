"""The screen that follows behind the relay."""

import time

import pytest
from hypothesis import given, settings, strategies as st
from support.terminal_output import output

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.follower import QUEUE_LIMIT, Follower
from omnyshell.terminal.painting.snapshot import paint_main, state

PLAIN_LINES = [
    b"y\r\n",
    b"line \x1b[31mred\x1b[0m\r\n",
    b"\x1b[44mback",
    b"\ttab\r\n",
    "漢字 é\r\n".encode(),
    b"x" * 90 + b"\n",
    b"stairs\n",
    b"y" * 20 + b"\n",
    b"z" * 7,
    b"\n",
    b"\0\0\0",
    b"\r",
]
FLOOD = st.lists(st.sampled_from(PLAIN_LINES), min_size=1, max_size=4).map(lambda lines: b"".join(lines) * 1500)


class ManualClock:
    """A clock that advances by a fixed step with each look."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@settings(max_examples=8)
@given(output, FLOOD, output, st.integers(1, 50), st.sampled_from([0, 30]))
def test_skipping_gives_the_same_screen(before: bytes, flood: bytes, after: bytes, parts: int, kept: int) -> None:
    plain = Emulator(20, 6, scrollback=kept)
    plain.feed(before + flood + after)
    follower = Follower(Emulator(20, 6, scrollback=kept), ManualClock(0.001))
    follower.push(before)
    follower.drain()
    size = len(flood) // parts + 1
    for at in range(0, len(flood), size):
        follower.push(flood[at : at + size])
        follower.work()
    follower.push(after)
    assert state(follower.screen) == state(plain)
    assert scrollback(follower.screen) == scrollback(plain)


def scrollback(screen: Emulator) -> list[object]:
    return [(row.cells, row.styles, row.wrapped) for row in screen.scrollback]


def test_a_plain_flood_never_fills_the_queue() -> None:
    follower = Follower(Emulator(80, 24), time.monotonic)
    for _ in range(64):
        follower.push(b"y\r\n" * 20_000)
        assert not follower.full
    assert follower.screen.display[0].rstrip() == "y"


def test_what_cannot_be_skipped_fills_the_queue() -> None:
    follower = Follower(Emulator(80, 24), time.monotonic)
    while not follower.full:
        follower.push(b"\x1b[H" * 7000)
    assert follower.waiting < QUEUE_LIMIT + 21_000
    while follower.work():
        pass
    assert not follower.full


def test_what_is_skipped_stays_in_the_scrollback() -> None:
    screen = Emulator(80, 24, scrollback=1000)
    follower = Follower(screen, ManualClock(0.001))
    follower.push(b"".join(b"%d\r\n" % number for number in range(20_000)))
    slices = 0
    while follower.waiting:
        follower.work()
        slices += 1
    assert slices < 3
    assert screen.scrollback.is_unsettled
    while follower.work():
        assert not follower.waiting
    assert not screen.scrollback.is_unsettled
    assert len(screen.scrollback) == 1000
    assert "".join(screen.scrollback[0].cells).rstrip() == "18977"
    assert "".join(screen.scrollback[-1].cells).rstrip() == "19976"
    # A line that is kept never has the number of one before.
    assert screen.scrolled >= 20_000 - 23


def test_work_stops_when_its_time_is_over() -> None:
    follower = Follower(Emulator(80, 24), ManualClock(0.001))
    follower.push(b"\x1b[H" * 30_000)
    assert follower.work(0.004)
    assert 30_000 * 3 - follower.waiting <= 4 * 2048


def test_resizing_comes_after_what_was_written_before_it() -> None:
    follower = Follower(Emulator(10, 2), time.monotonic)
    follower.push(b"0123456789abc\x1b[?1049h\x1b[H0123456789abc")
    follower.resize(2, 20)
    assert [line.rstrip() for line in follower.screen.display] == ["0123456789", "abc"]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "output",
    [
        b"\x1b[38;2;1;2;3m\x1b[5;5Hword\x1b[K",
        b"\x1b[38;5;9mX\x1b[48;5;12mY",
        b"y\r\n",
        "漢字e\u0301👩\u200d💻".encode(),
        b"\x1bc\x1b[2J",
        b"\x1b[K\x1b[m",
    ],
)
def test_no_slice_holds_the_loop_longer_than_it_may(output: bytes) -> None:
    follower = Follower(Emulator(200, 60), time.monotonic)
    follower.push(output * (64 * 1024 // len(output)))
    longest = 0.0
    while follower.waiting:
        begun = time.thread_time()
        follower.work()
        longest = max(longest, time.thread_time() - begun)
    # A slice of 4 ms, and the step that is begun before its end, which a slow machine takes several times as long for.
    assert longest < 0.02


def test_the_main_screen_can_be_painted_ahead() -> None:
    screen = Emulator(20, 3)
    screen.feed(b"before\r\n$ \x1b[?1049hediting")
    client = Emulator(20, 3)
    client.feed(paint_main(screen))
    screen.feed(b"\x1b[?1049l")
    assert client.display == screen.display
    assert (client.cursor.x, client.cursor.y) == (2, 1)
