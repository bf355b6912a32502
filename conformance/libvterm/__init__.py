"""libvterm's `t/*.test`: scripts of what is written to a terminal and what it then has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.libvterm.player import Player
from conformance.outcomes import Outcome

PLACE: Final = "t"


def run(folder: Path) -> Iterator[Outcome]:
    """Yield an outcome for each line that applies, named by file and number."""
    for path in sorted((folder / PLACE).glob("*.test")):
        for case, problem in Player().play(path.read_text(encoding="utf-8")):
            yield Outcome(f"{path.stem}:{case}", problem)
