"""The terminal emulator beside stock pyte, in one run: `python -m bench.emulator [--xterm DIR] [KIND...]`.

Both get the same bytes and are asked for their display afterwards; processor time, the best of some rounds, taken in
turns. Stock pyte gets a part of the input, because it is slow, in short chunks, because some sequences make it lose
one. It drops the rest of a run of text after a zero-width joiner, so of "emoji, joined" it gets as many cells as it
would draw: the same text without the joiners.

With `--xterm DIR` there are columns for xterm.js too, where node is installed and DIR has its headless package:
`npm install --prefix DIR @xterm/headless`. Each kind is fed to a process of its own, once, and then again: it is warm
then, and its best round counts.
"""

import argparse
import random
import subprocess
import tempfile
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
JOINED = "emoji, joined"
XTERM = Path(__file__).with_name("xterm_rate.js")
XTERM_ROUNDS = 12


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


def _addressed_and_erased(source: random.Random, number: int) -> str:
    return f"{_addressed(source, number)}\x1b[K"


def _indexed_row(source: random.Random, number: int) -> str:
    cells = "".join(f"\x1b[38;5;{source.randrange(256)}m{source.choice('abcdef')}" for _ in range(COLUMNS))
    return f"\x1b[{number % LINES + 1};1H{cells}"


def _two_direct(source: random.Random, _number: int) -> str:
    red, green, blue, *more = (source.randrange(256) for _ in range(6))
    return f"\x1b[38;2;{red};{green};{blue};48;2;{more[0]};{more[1]};{more[2]}m▀"


def _direct_places(source: random.Random, number: int) -> str:
    red, green, blue = (source.randrange(256) for _ in range(3))
    return f"{_addressed(source, number)}\x1b[48;2;{red};{green};{blue}m "


def _direct_bold(source: random.Random, number: int) -> str:
    red, green, blue = (source.randrange(256) for _ in range(3))
    end = "\x1b[0m\r\n" if number % COLUMNS == COLUMNS - 1 else ""
    return f"\x1b[1;38;2;{red};{green};{blue}mx{end}"


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
    JOINED: _line_of(["😀", "👍🏽", "👩\u200d🔬", "❤\ufe0f", "a"], 25),
    "cursor addressing": _addressed,
    "CUP and EL": _addressed_and_erased,
    "256 colours, rows": _indexed_row,
    "true colour, both": _two_direct,
    "true colour, bold": _direct_bold,
    "true colour, places": _direct_places,
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


def ours(data: bytes, history: int = 0) -> None:
    screen = Emulator(COLUMNS, LINES, scrollback=history)
    for at in range(0, len(data), CHUNK):
        screen.feed(data[at : at + CHUNK])
    assert screen.display


def remembered(data: bytes) -> None:
    ours(data, HISTORY)


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


def xterm(directory: str, data: bytes) -> tuple[float, float]:
    """The rates of xterm.js: of a process that gets this once, as ours does, and of one that has had it before."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        command = ["node", str(XTERM), directory, file.name, *map(str, (COLUMNS, LINES, 0, XTERM_ROUNDS))]
        once, warm = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        return float(once), float(warm)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xterm", metavar="DIR", default="")
    parser.add_argument("kinds", metavar="KIND", nargs="*")
    return parser.parse_args()


def beside(name: str, data: bytes, directory: str) -> tuple[float, float, tuple[float, ...]]:
    """The rates of this emulator, of pyte, and of xterm.js where that is asked for."""
    for_stock = (data.replace("\u200d".encode(), b"") if name == JOINED else data)[:STOCK_SIZE]
    rates = [(rate(ours, data), rate(stock, for_stock)) for _ in range(ROUNDS)]
    mine, theirs = (max(column) for column in zip(*rates, strict=True))
    return mine, theirs, xterm(directory, data) if directory else ()


def compare(kinds: list[str], directory: str) -> None:
    ratios, ratios_to_xterm = [], []
    beside_xterm = f"{'xterm.js':>10}{'ratio':>8}{'warm':>8}{'ratio':>8}" if directory else ""
    print(f"{'input':24}{'MB/s':>8}{'pyte':>8}{'ratio':>8}{beside_xterm}")
    for name, data in inputs(kinds):
        mine, theirs, xterms = beside(name, data, directory)
        ratios.append(mine / theirs)
        line = f"{name:24}{mine:8.1f}{theirs:8.2f}{mine / theirs:8.1f}"
        ratios_to_xterm += [mine / its for its in xterms[:1]]
        line += "".join(f"{its:10.1f}{mine / its:8.2f}" for its in xterms)
        print(line, flush=True)
    print(f"{'median':40}{median(ratios):8.1f}\n{'smallest':40}{min(ratios):8.1f}")
    if directory:
        print(f"{'smallest beside xterm.js':58}{min(ratios_to_xterm):8.2f}")


def best(run: Callable[[bytes], None], data: bytes) -> float:
    return max(rate(run, data) for _ in range(ROUNDS))


def histories() -> None:
    """Say what a history costs whoever feeds."""
    print(f"\n{'with a history':24}{'MB/s':>8}{'without':>8}{'ratio':>8}")
    for name in ("log lines", "seq", "dense SGR", "256 colours", "true colour"):
        data = _repeated(KINDS[name]) * 4
        with_history, without = best(remembered, data), best(ours, data)
        print(f"{name:24}{with_history:8.1f}{without:8.1f}{with_history / without:8.2f}", flush=True)


def main() -> None:
    asked = options()
    compare(asked.kinds, asked.xterm)
    histories()
    flood = b"y\r\n" * 7_000_000
    print(f"\na flood of plain lines, followed: {best(followed, flood):.0f} MB/s")
    print(f"and with a history: {best(kept, flood):.0f} MB/s")


if __name__ == "__main__":
    main()
