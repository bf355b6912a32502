"""xterm.js's pairs of what is written to a terminal (`*.in`) and what xterm then showed (`*.text`)."""

from collections.abc import Iterator
from pathlib import Path

from conformance.outcomes import Outcome
from omnyshell.terminal.emulator import Emulator

PLACE = "test/fixtures/escape_sequence_files"
COLUMNS, LINES = 80, 25


def run(folder: Path) -> Iterator[Outcome]:
    """Yield an outcome for each pair."""
    for path in sorted((folder / PLACE).glob("*.in")):
        yield Outcome(path.stem, difference(path.read_bytes(), path.with_suffix(".text").read_text(encoding="utf-8")))


def difference(data: bytes, wanted: str) -> str:
    """Return the first line that differs from `wanted`; `data` passes a terminal's line discipline (ONLCR)."""
    screen = Emulator(COLUMNS, LINES)
    screen.feed(data.replace(b"\n", b"\r\n"))
    lines = [line.rstrip() for line in wanted.split("\n")][:LINES]
    lines += [""] * (LINES - len(lines))
    for y, (shown, line) in enumerate(zip(screen.display, lines, strict=True)):
        if shown.rstrip() != line:
            return f"line {y + 1}: {shown.rstrip()!r} for {line!r}"
    return ""
