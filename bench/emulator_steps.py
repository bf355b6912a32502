"""How long the emulator holds the loop at most: `python -m bench.emulator_steps [WORD...]`.

Each row is something that a program, or whoever resizes, makes of a screen; with words, only rows that have one of
them. It is followed as the node and the console do, in the shortest steps there are. The figures are milliseconds of
processor time of the longest step, the best of some rounds, as a machine has other things to do. The goal is 8.
The second figure is with Python's garbage collector, which goes through all but what was there at the start, as in
services.
"""

import gc
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.follower import Follower
from omnyshell.terminal.painting.lines import painting_lines
from omnyshell.terminal.painting.snapshot import painting

ROUNDS = 2
LARGEST = (1000, 500)
USUAL = (80, 24)
HISTORY = 10_000
MOST = 99_999_999


def colours(count: int) -> str:
    source = random.Random(5)
    return "".join(
        f"\x1b[38;2;{source.randrange(256)};{source.randrange(256)};{source.randrange(256)}mx" for _ in range(count)
    )


def dense(columns: int, lines: int) -> str:
    """A screen full of true colours, each cell another one."""
    return f"\x1b[H{colours(columns * lines)}\x1b[m"


def plain(columns: int, lines: int) -> str:
    return f"\x1b[H{'x' * (columns * lines)}\x1b[H"


ATTACKS: dict[str, str] = {
    "ED": "\x1b[2J",
    "ED below": "\x1b[H\x1b[J",
    "DECALN": "\x1b#8",
    "RIS": "\x1bc",
    "REP": f"x\x1b[{MOST}b",
    "IL": f"\x1b[H\x1b[{MOST}L",
    "DL": f"\x1b[H\x1b[{MOST}M",
    "IL within margins": f"\x1b[?69h\x1b[2;{MOST}s\x1b[1;2H\x1b[{MOST}L",
    "newlines within margins": f"\x1b[?69h\x1b[2;{MOST}s\x1b[{MOST};2H" + "\n" * 20,
    "wraps within margins": f"\x1b[?69h\x1b[2;{MOST}s\x1b[{MOST};2H" + "word " * 4000,
    "REP within margins": f"\x1b[?69h\x1b[2;{MOST}s\x1b[{MOST};{MOST}Hx\x1b[20000b",
    "wide text that wraps within margins": f"\x1b[?69h\x1b[2;{MOST}s\x1b[{MOST};2Hx" + "漢" * 20_000,
    "marks that wrap within margins": f"\x1b[?69h\x1b[2;{MOST}s\x1b[{MOST};2Hx" + "e\u0301" * 20_000,
    "a character that becomes wide within margins": f"\x1b[?2027h\x1b[?69h\x1b[2;{MOST}s"
    + (f"\x1b[{MOST};{MOST}H❤\x1b[m\ufe0f" * 20),
    "SU": f"\x1b[{MOST}S",
    "SD": f"\x1b[{MOST}T",
    "SU in a region": f"\x1b[2;{MOST}r\x1b[{MOST}S",
    "DECFRA": f"\x1b[65;1;1;{MOST};{MOST}$x",
    "DECERA": f"\x1b[1;1;{MOST};{MOST}$z",
    "DECSERA": f"\x1b[1;1;{MOST};{MOST}${{",
    "DECCRA": f"\x1b[1;1;{MOST};{MOST};1;2;2;1$v",
    "DECCARA": f"\x1b[2*x\x1b[1;1;{MOST};{MOST};1;4$r",
    "DECRARA": f"\x1b[1;1;{MOST};{MOST};1;4;7$t",
    "DECIC": "\x1b['}",
    "DECDC": "\x1b['~",
    "SL": "\x1b[ @",
    "ICH": "\x1b[H\x1b[5@" * 200,
    "DECSED": "\x1bV\x1bW\x1b[?2J",
    "to the alternate screen and back": "\x1b[?1049h\x1b[?1049l",
    "1047 and back": "\x1b[?1047h\x1b[?1047l",
    "the last column again and again": "\x1b[H" + "\x1b[999Cx" * 40_000,
    "a row of all": "".join(f"\x1b[{row}Hx\x1b[31my" for row in range(1, 501)) * 40,
    "colours without text": "\x1b[31m\x1b[38;2;1;2;3m" * 20_000,
    "colours by place": "".join(
        f"\x1b[{1 + n % 500};{1 + n // 7 % 990}H\x1b[38;2;{n % 251};1;2mx" for n in range(20_000)
    ),
    "OSC 52": f"\x1b]52;c;{'QUJD' * 262_000}\x07",
    "OSC 8": "".join(f"\x1b]8;;http://{'u' * 900}{n}\x07x" for n in range(500)),
    "DCS": f"\x1bP{'q' * 1_000_000}\x1b\\",
    "a title": f"\x1b]2;{'t' * 1_000_000}\x07",
    "marks": "e\u0301\u0302\u0303" * 30_000,
    "wide": "漢" * 60_000,
    "joined emoji": "👩\u200d🔬" * 20_000,
    "NUL": "\0" * 200_000,
    "newlines": "\n" * 200_000,
    "a flood of lines": "word\r\n" * 100_000,
    "log lines": "".join(f"2026-11-24 INFO [worker] request {n} took 17 ms\r\n" for n in range(10_000)),
}


def longest_step(screen: Emulator, data: str) -> float:
    """The longest step of following what a program writes, 64 KiB at a time as it is read."""
    follower = Follower(screen, time.thread_time)
    raw, longest = data.encode(), 0.0
    for at in range(0, len(raw), 64 * 1024):
        begun = time.thread_time()
        follower.push(raw[at : at + 64 * 1024])
        longest = max(longest, time.thread_time() - begun)
        longest = max(longest, longest_of(follower))
    return longest


def longest_of(follower: Follower) -> float:
    """The longest of the steps that are left to do."""
    longest, more = 0.0, True
    while more:
        begun = time.thread_time()
        more = follower.work(0.0)
        longest = max(longest, time.thread_time() - begun)
    return longest


def resizing(size: tuple[int, int], fill: Callable[[int, int], str], to: tuple[int, int]) -> float:
    """The longest step of resizing a full screen with a full history, there and back."""
    columns, lines = size
    screen = Emulator(columns, lines, scrollback=HISTORY)
    rows = fill(columns, lines).encode()
    for _ in range(HISTORY // lines // 4):
        screen.feed(rows + b"\n" * lines)
    screen.feed(rows)
    follower = Follower(screen, time.thread_time)
    longest = 0.0
    for new_columns, new_lines in (to, size):
        begun = time.thread_time()
        follower.resize(new_lines, new_columns)
        longest = max(longest, time.thread_time() - begun, longest_of(follower))
    return longest


def painted(size: tuple[int, int], most: float = math.inf) -> float:
    """The longest step of painting a full screen that nobody has looked at before."""
    screen = Emulator(*size)
    screen.feed(dense(*size).encode())
    return longest_of_steps(painting(screen, same_size=True, most=most))


def painted_history(size: tuple[int, int]) -> float:
    """The longest step of what is asked of a history by a client."""
    screen = Emulator(*size, scrollback=HISTORY)
    screen.feed((dense(*size) + "\n" * size[1]).encode())
    history = screen.scrollback
    history.settle()

    def lines() -> Iterator[None]:
        rows, _ = yield from history.finding_before(history.end, 500)
        yield from painting_lines(rows, 32 * 1024)

    return longest_of_steps(lines())


def longest_of_steps(steps: Iterator[None]) -> float:
    longest, begun = 0.0, time.thread_time()
    for _ in steps:
        longest = max(longest, time.thread_time() - begun)
        begun = time.thread_time()
    return max(longest, time.thread_time() - begun)


def rows() -> Iterator[tuple[str, Callable[[], float]]]:
    for to in ((40, 24), (120, 40), (81, 24), (80, 10)):
        yield f"80x24, resized to {to[0]}x{to[1]}", partial(resizing, USUAL, dense, to)
    for to in ((80, 24), (500, 500), (999, 499), (1000, 100)):
        for kind, fill in (("plain", plain), ("dense", dense)):
            yield f"1000x500 {kind}, resized to {to[0]}x{to[1]}", partial(resizing, LARGEST, fill, to)
    yield "200x50, resized to 100x50", partial(resizing, (200, 50), dense, (100, 50))
    yield "80x24, painted", lambda: painted(USUAL)
    yield "1000x500 dense, painted", lambda: painted(LARGEST)
    yield "1000x500 dense, too large to be peeked at", lambda: painted(LARGEST, 512 * 1024)
    yield "1000x500 dense, its history painted", lambda: painted_history(LARGEST)
    yield from attacks("80x24", USUAL, dense)
    yield from attacks("1000x500", LARGEST, plain)
    yield from attacks("1000x500 dense", LARGEST, dense)


def attacks(
    where: str, size: tuple[int, int], fill: Callable[[int, int], str]
) -> Iterator[tuple[str, Callable[[], float]]]:
    filled = fill(*size)
    for name, data in ATTACKS.items():

        def attack(data: str = data) -> float:
            screen = Emulator(*size, scrollback=HISTORY)
            screen.feed(filled.encode())
            return longest_step(screen, data)

        yield f"{where}, {name}", attack
    for name in ("ED", "IL", "DL", "SU", "to the alternate screen and back", "1047 and back"):
        yield f"{where}, looked at, {name}", partial(forgotten, size, filled, ATTACKS[name])
    yield f"{where}, filling", lambda: longest_step(Emulator(*size, scrollback=HISTORY), filled * 2)


def forgotten(size: tuple[int, int], filled: str, data: str) -> float:
    """The longest step of what takes cells off a screen, and off the other one, that somebody has looked at."""
    screen = Emulator(*size, scrollback=HISTORY)
    for page in ("", "\x1b[?1049h"):
        screen.feed(f"{page}{filled}".encode())
        assert screen.display
    on_alternate = longest_step(screen, f"{data}\x1b[?1049l")
    screen.feed(filled.encode())
    assert screen.display
    return max(on_alternate, longest_step(screen, data))


def best(run: Callable[[], float]) -> float:
    return min(run() for _ in range(ROUNDS)) * 1000


def without_collecting(run: Callable[[], float]) -> float:
    gc.collect()
    gc.disable()
    try:
        return run()
    finally:
        gc.enable()


def main() -> None:
    words = sys.argv[1:]
    gc.collect()
    gc.freeze()
    print(f"{'what':56}{'longest step':>14}{'with collector':>16}")
    for name, run in rows():
        if not words or any(word in name for word in words):
            alone = best(partial(without_collecting, run))
            print(f"{name:56}{alone:14.1f}{best(run):16.1f}", flush=True)


if __name__ == "__main__":
    main()
