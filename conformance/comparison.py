"""Short outputs of our own, shown by `@xterm/headless` and by tmux, beside what the emulator shows."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from conformance.outcomes import Outcome
from conformance.short_cases import COLUMNS, LINES, cases

PLACE: Final = "node_modules/@xterm/headless"
PACKAGES: Final = "@xterm/headless@6.0.0 @xterm/addon-unicode11"
_AT_ONCE: Final = 4


def run(folder: Path) -> Iterator[Outcome]:
    """Yield an outcome for each case and each of both, where tmux is there."""
    os.environ["NODE_PATH"] = str(folder)
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(_AT_ONCE) as threads:
        files = [(name, Path(place, str(number))) for number, (name, _) in enumerate(cases())]
        for (_, data), (_, file) in zip(cases(), files, strict=True):
            file.write_bytes(data)
        for outcomes in threads.map(_compared, files):
            yield from outcomes


def _compared(case: tuple[str, Path]) -> list[Outcome]:
    # These need node and tmux, and are imported where both are there.
    from support.terminal_references.compare import differences, ours
    from support.terminal_references.make import xterm
    from support.terminal_references.tmux_cells import show

    name, file = case
    shown = ours(file.read_bytes(), COLUMNS, LINES)
    references = {"xterm.js": xterm(file, COLUMNS, LINES)}
    if shutil.which("tmux"):
        references["tmux"] = show(file, COLUMNS, LINES)
    outcomes = []
    for reference, screen in references.items():
        found = differences(shown, screen, reference)
        problem = "" if shown.cursor == screen.cursor else f"cursor {shown.cursor} for {screen.cursor}"
        if found:
            y, x, _, cell, wanted = found[0]
            problem = f"{len(found)} cells, the first in row {y + 1}, column {x + 1}: {cell.text!r} for {wanted.text!r}"
        outcomes.append(Outcome(f"{reference}:{name}", problem))
    return outcomes
