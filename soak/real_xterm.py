"""Paintings in a real xterm, under Xvfb: it shows what an xterm shows that was given all that a program wrote."""

import argparse
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import paint
from soak.report import Figure, report

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings"
DISPLAY = ":97"
OTHER_WIDTHS = ("emoji", "unicode")
"""Recordings with characters that xterm and the node count otherwise where the node knows of no terminal."""

MODES = (*range(1, 10), 12, 25, 45, 66, 67, 69, *range(1000, 1008), 1015, 1016, 1045, 1049, 2004)
RESOURCES = {"allowWindowOps": "true", "checksumExtension": "52", "decTerminalID": "525", "scrollBar": "false"}
PATIENCE = 10.0

# Passes bytes between xterm's terminal and a socket.
RELAY = """
import os, select, socket, sys, tty
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
tty.setraw(0)
while True:
    ready, _, _ = select.select([0, peer], [], [])
    for one in ready:
        data = os.read(one if one == 0 else peer.fileno(), 65536)
        if not data:
            sys.exit()
        os.write(1, data) if one is peer else peer.sendall(data)
"""

# What a terminal would answer; there is nobody who reads it.
_questions = re.compile(
    rb"\x1b\[[>=?]?[0-9;]*(?:c|n|\$p|(?<=>)q|(?<=>0)q)|\x1bP[^\x1b]*\x1b\\|\x1b\][0-9;]*\?(?:\x07|\x1b\\)"
)


class Xterm:
    """One of a size, on the display of Xvfb."""

    def __init__(self, columns: int, lines: int, place: Path) -> None:
        self.lines, self.columns = lines, columns
        path = place / f"{id(self):x}"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen()
            listening.settimeout(2 * PATIENCE)
            resources = {**RESOURCES, "vt100.geometry": f"{columns}x{lines}"}
            words = [word for name, value in resources.items() for word in ("-xrm", f"XTerm*{name}: {value}")]
            command = ["xterm", *words, "-e", sys.executable, "-c", RELAY, str(path)]
            env = os.environ | {"DISPLAY": DISPLAY, "LC_ALL": "C.UTF-8"}
            self._process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
            self._peer, _ = listening.accept()
        self._peer.settimeout(PATIENCE)

    def write(self, data: bytes) -> None:
        self._peer.sendall(data)
        self._ask(b"\x1b[5n", rb"\x1b\[0n")

    def _ask(self, question: bytes, ends: bytes) -> bytes:
        self._peer.sendall(question)
        answer = b""
        while not re.search(ends, answer):
            answer += self._peer.recv(65536)
        return answer

    def look(self) -> dict[str, bytes]:
        """Return what it says of itself: cursor, modes, margins, tab stops, title, and a sum for each row's cells."""
        self.write(b"\x18")
        seen = {f"mode {mode}": self._ask(b"\x1b[?%d$p" % mode, rb"\$y") for mode in MODES}
        seen |= {f"ANSI mode {mode}": self._ask(b"\x1b[%d$p" % mode, rb"\$y") for mode in (4, 20)}
        for name in (b"m", b"r", b"s", b" q", b'"q'):
            seen[f"setting {name.decode()}"] = self._ask(b"\x1bP$q" + name + b"\x1b\\", rb"\x1b\\")
        for name, question in {"cursor": b"\x1b[1$w", "tab stops": b"\x1b[2$w", "title": b"\x1b[21t"}.items():
            seen[name] = self._ask(question, rb"\x1b\\")
        self._peer.sendall(b"\x1b[?6l\x1b[?69l")
        for y in range(1, self.lines + 1):
            seen[f"row {y}"] = self._ask(b"\x1b[1;1;%d;1;%d;%d*y" % (y, y, self.columns), rb"!~[0-9A-F]+\x1b\\")
        return seen

    def close(self) -> None:
        self._peer.close()
        self._process.terminate()
        self._process.wait()


@contextmanager
def display() -> Iterator[None]:
    process = subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", "1600x1200x24"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while not Path(f"/tmp/.X11-unix/X{DISPLAY[1:]}").exists() and time.monotonic() < end:
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def difference(painted: Xterm, other: Xterm, data: bytes) -> str | None:
    """What tells the two apart; None where the output ends within a sequence."""
    screen = Emulator(painted.columns, painted.lines, term="xterm")
    screen.feed(data)
    if screen.unfinished:
        return None
    for terminal in (painted, other):
        terminal.write(b"\x1bc\x1b[!p\x1b]2;its own\x07")
    painted.write(paint(screen, same_size=True))
    other.write(_questions.sub(b"", data))
    seen, right = painted.look(), other.look()
    return "; ".join(f"{name}: {seen[name]!r}, not {right[name]!r}" for name in seen if seen[name] != right[name])


def run(cuts: int, seed: int) -> tuple[int, list[str]]:
    chooser = random.Random(seed)
    files = [file for file in sorted(RECORDINGS.glob("*.bin")) if not file.name.startswith(OTHER_WIDTHS)]
    pairs: dict[tuple[int, int], tuple[Xterm, Xterm]] = {}
    compared, faults = 0, []
    with display(), tempfile.TemporaryDirectory(prefix="xterm-") as place, ExitStack() as ends:
        while compared < cuts:
            file = chooser.choice(files)
            columns, lines = map(int, file.suffixes[0][1:].split("x"))
            if (columns, lines) not in pairs:
                made = Xterm(columns, lines, Path(place)), Xterm(columns, lines, Path(place))
                pairs[columns, lines] = made
                for terminal in made:
                    ends.callback(terminal.close)
            data = file.read_bytes()
            cut = chooser.randrange(1, len(data) + 1)
            found = difference(*pairs[columns, lines], data[:cut])
            compared += found is not None
            faults += [f"{file.name}, {cut} bytes: {found}"] if found else []
    return compared, faults


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not (shutil.which("xterm") and shutil.which("Xvfb")):
        print("xterm and Xvfb are needed")
        return
    compared, faults = run(options.cuts, options.seed)
    for fault in faults:
        print(fault)
    report(
        "real_xterm",
        Figure(
            "recordings cut at random places, painted in a real xterm beside one that got all",
            "cells with attributes (but colours), cursor, modes, margins, tab stops and title are equal",
            f"{compared} places, {len(faults)} differences",
            not faults,
        ),
    )


if __name__ == "__main__":
    main()
