"""The terminal emulator beside stock pyte, in one run: `python -m bench.emulator [KIND...]`.

Both get the same bytes and are asked for their display afterwards; processor time, the best of some rounds, taken in
turns. Stock pyte gets a part of the input, because it is slow, in short chunks, because some sequences make it lose
one. It drops the rest of a run of text after a
zero-width joiner, so its figure for such text ("emoji, joined") says nothing.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pyte

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.follower import Follower

COLUMNS, LINES = 80, 24
HISTORY = 10_000
CHUNK = 64 * 1024
STOCK_CHUNK = 128
SIZE = 600_000
STOCK_SIZE = 60_000
ROUNDS = 3
RECORDINGS = Path(__file__).parents[1] / "tests" / "recordings"
UNTOLD = "emoji, joined"


def _repeated(make: Callable[[random.Random, int], str]) -> bytes:
    source, parts, size, number = random.Random(7), [], 0, 0
    while size < SIZE:
        parts.append(make(source, number).encode())
        size += len(parts[-1])
        number += 1
    return b"".join(parts)


def _log(source: random.Random, number: int) -> str:
    took = source.randrange(99)
    return (
        f"2026-11-24T05:00:{number % 60:02} INFO [worker-{number % 8}] request /api/items/{number} took {took} ms\r\n"
    )


def _line_of(characters: list[str], count: int) -> Callable[[random.Random, int], str]:
    return lambda source, _number: "".join(source.choices(characters, k=count)) + "\r\n"


def _dense_sgr(source: random.Random, number: int) -> str:
    end = "\r\n" if number % 12 == 0 else ""
    return f"\x1b[{31 + source.randrange(7)}m{source.choice(['foo', 'x', 'word'])}\x1b[0m {end}"


def _indexed(source: random.Random, _number: int) -> str:
    return f"\x1b[48;5;{source.randrange(256)}m\x1b[38;5;{source.randrange(256)}m#"


def _direct(source: random.Random, _number: int) -> str:
    return f"\x1b[38;2;{source.randrange(256)};{source.randrange(256)};{source.randrange(256)}m█"


def _addressed(source: random.Random, _number: int) -> str:
    return f"\x1b[{source.randrange(LINES) + 1};{source.randrange(76) + 1}H{source.choice(['x', 'ab', 'test'])}"


def _region(_source: random.Random, number: int) -> str:
    return f"\x1b[5;20r\x1b[20;1Hline {number}\n\x1b[5;1H\x1bMtop\x1b[10;1H\x1b[2Lq\x1b[M\x1b[r"


KINDS: dict[str, Callable[[random.Random, int], str]] = {
    "log lines": _log,
    "seq": lambda _source, number: f"{number}\r\n",
    "dense SGR": _dense_sgr,
    "256 colours": _indexed,
    "true colour": _direct,
    "CJK": _line_of(list("中文字符測試日本語漢字仮名한국어"), 39),
    "emoji": _line_of(["😀", "🚀", "🎉", "a", "é"], 25),
    UNTOLD: _line_of(["😀", "👍🏽", "👩\u200d🔬", "❤\ufe0f", "a"], 25),
    "cursor addressing": _addressed,
    "scroll regions": _region,
}


def inputs(wanted: list[str]) -> Iterator[tuple[str, bytes]]:
    for name, make in KINDS.items():
        if not wanted or name in wanted:
            yield name, _repeated(make)
    for path in sorted(RECORDINGS.glob("*.80x24.bin")):
        name = f"recording {path.name.partition('.')[0]}"
        if not wanted or name in wanted:
            data = path.read_bytes()
            yield name, data * (SIZE // len(data) + 1)


def ours(data: bytes) -> None:
    screen = Emulator(COLUMNS, LINES)
    for at in range(0, len(data), CHUNK):
        screen.feed(data[at : at + CHUNK])
    assert screen.display


def stock(data: bytes) -> None:
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    for at in range(0, len(data), STOCK_CHUNK):
        try:
            stream.feed(data[at : at + STOCK_CHUNK])
        except TypeError:  # some sequences stop it; what follows in the chunk is lost to it
            continue
    assert screen.display


def followed(data: bytes, history: int = 0) -> None:
    follower = Follower(Emulator(COLUMNS, LINES, scrollback=history), time.monotonic)
    for at in range(0, len(data), CHUNK):
        follower.push(data[at : at + CHUNK])
    assert follower.screen.display


def kept(data: bytes) -> None:
    followed(data, HISTORY)


def rate(run: Callable[[bytes], None], data: bytes) -> float:
    begun = time.process_time()
    run(data)
    return len(data) / (time.process_time() - begun) / 1e6


def main() -> None:
    ratios = []
    print(f"{'input':24}{'MB/s':>8}{'pyte':>8}{'ratio':>8}")
    for name, data in inputs(sys.argv[1:]):
        rates = [(rate(ours, data), rate(stock, data[:STOCK_SIZE])) for _ in range(ROUNDS)]
        mine, theirs = (max(column) for column in zip(*rates, strict=True))
        ratios += [mine / theirs] if name != UNTOLD else []
        print(f"{name:24}{mine:8.1f}{theirs:8.2f}{mine / theirs:8.1f}")
    print(f"{'median':40}{median(ratios):8.1f}\n{'smallest':40}{min(ratios):8.1f}")
    flood = b"y\r\n" * 7_000_000
    print(f"a flood of plain lines, followed: {max(rate(followed, flood) for _ in range(3)):.0f} MB/s")
    print(f"and with a history: {max(rate(kept, flood) for _ in range(3)):.0f} MB/s")


if __name__ == "__main__":
    main()
