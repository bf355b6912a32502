"""Says which share of the package tests reach, by the report of `make coverage`, and fails where it is below a floor.

    python tools/coverage_floors.py build/coverage/report.json

A share counts lines and branches alike, as coverage's own report does. The files that hold a folder back are named.
"""

import json
import sys
from pathlib import Path, PurePath
from typing import NamedTuple

FLOORS = {
    "omnyshell": 90.0,
    "omnyshell/protocol": 95.0,
    "omnyshell/security": 95.0,
    "omnyshell/services/hub": 95.0,
}
"""The least share of each folder, in percent."""

NAMED = 12
"""How many files of a folder that is below its floor are named, those with the most left first."""


class Reached(NamedTuple):
    """Lines and branches of some code, and how many of them a test has reached."""

    reached: int
    of: int

    @property
    def share(self) -> float:
        """In percent."""
        return 100 * self.reached / self.of if self.of else 100.0


def main() -> None:
    """Print the table, and end with 1 where a folder is below its floor."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    files = read(json.loads(Path(sys.argv[1]).read_text()))
    low = [folder for folder, floor in FLOORS.items() if not tell(files, folder, floor)]
    if low:
        sys.exit(f"below its floor: {', '.join(low)}")


def read(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> dict[PurePath, Reached]:
    """Return what a report says of each file."""
    found = {}
    for path, about in report["files"].items():
        sums = about["summary"]
        reached = sums["covered_lines"] + sums["covered_branches"]
        found[PurePath(path)] = Reached(reached, sums["num_statements"] + sums["num_branches"])
    return found


def tell(files: dict[PurePath, Reached], folder: str, floor: float) -> bool:
    """Print the lines of a folder; returns whether it is at its floor or above. A folder of nothing is below."""
    parts = {path: part for path, part in files.items() if path.is_relative_to(folder)}
    whole = Reached(sum(part.reached for part in parts.values()), sum(part.of for part in parts.values()))
    is_enough = bool(parts) and whole.share >= floor
    print(f"{folder:<50} {whole.share:6.2f} %   floor {floor:g} %{'' if is_enough else '   TOO LITTLE'}")
    if not is_enough:
        for path, part in sorted(parts.items(), key=lambda item: item[1].reached - item[1].of)[:NAMED]:
            print(f"  {path!s:<48} {part.share:6.2f} %   {part.of - part.reached} left")
    return is_enough


if __name__ == "__main__":
    main()
