"""Screens that cost: whoever draws what a peer sent spends no more than the time it gives."""

import time

import pytest

from omnyshell.terminal import Emulator
from omnyshell.terminal.following.follower import SLICE_SECONDS, draw_for

MOST = 2**31 - 1
COUNTED = [f"\x1b[{MOST}{final}" for final in "@ABCDEFGHILMPSTXZabde"]
WHOLE = [
    "\x1bc",
    "\x1b[2J",
    "\x1b#8",
    "\x1b[?1049h\x1b[?1049l",
    "\x1bM\x1b[H",
    "\n",
    "x\u0301",
    f"x\x1b[{MOST}b",
    "\x1b[42$x",
    "\x1b[44;31m#\x1b[1;1;120;300$z",
    "\x1b[1;1;120;299;1;1;2$v",
    "\x1b[1;1;120;300;0$t",
    '\x1b[1"qx\x1b[?2J\x1b[${',
    "\x1bVx\x1bW\x1b[2J",
    "\x1b[?69h\x1b[2;299s\x1bM\x1b[H",
    "\x1b[?69h\x1b[2;299s漢\x1b['}\x1b[ @",
    "\x1b[?1045h\x1b[99999999D",
    "\x1b[?47hx\x1b[?47l",
    "\x1b]4;1;red;2;blue\x07\x1b]104\x07",
]


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("attack", [*COUNTED, *WHOLE])
def test_no_sequence_takes_more_than_its_time(attack: str) -> None:
    screen = Emulator(300, 120)
    data = (attack * (1024 * 1024 // len(attack))).encode()
    started = slice_started = time.perf_counter()
    longest = 0.0
    for _ in draw_for(screen, data, time.monotonic, 0.1):
        longest = max(longest, time.perf_counter() - slice_started)
        slice_started = time.perf_counter()
    assert time.perf_counter() - started < 0.6
    assert longest < 60 * SLICE_SECONDS


def test_what_is_drawn_in_time_is_drawn_whole() -> None:
    screen = Emulator(80, 24)
    for _ in draw_for(screen, b"\x1b[H" + b"word\r\n" * 20_000 + b"\x1b[2J\x1b[Hlast", time.monotonic, 5.0):
        pass
    assert screen.display[0].rstrip() == "last"


def test_time_is_that_of_work_alone() -> None:
    ticks = iter(range(1000))
    drawn = list(draw_for(Emulator(80, 24), b"\x1bc" * 100_000, lambda: float(next(ticks)), 20.0))
    assert 1 <= len(drawn) <= 10
