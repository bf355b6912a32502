"""Writes `omnyshell/terminal/text/cluster_table.py` from the tables of Unicode that the `wcwidth` package has.

    python -m support.terminal_references.make_clusters omnyshell/terminal/text/cluster_table.py

The properties are those of UAX 29 (Grapheme_Cluster_Break) and of UTS 51 (Extended_Pictographic, emoji variation
sequences), which `unicodedata` does not have.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from wcwidth import table_grapheme, table_vs16

Ranges = Iterable[tuple[int, int]]

HEAD = '''"""What makes clusters of characters, as inclusive ranges; made by `make_clusters.py`, not by hand."""

# fmt: off
'''
TABLES: dict[str, Ranges] = {
    "PICTOGRAPHIC": table_grapheme.EXTENDED_PICTOGRAPHIC,
    "EXTEND": table_grapheme.GRAPHEME_EXTEND,
    "SPACING_MARK": table_grapheme.GRAPHEME_SPACINGMARK,
    "PREPEND": table_grapheme.GRAPHEME_PREPEND,
    "HANGUL_LEADING": table_grapheme.GRAPHEME_L,
    "HANGUL_FOLLOWING": (*table_grapheme.GRAPHEME_V, *table_grapheme.GRAPHEME_T),
    "WIDENED": next(iter(table_vs16.VS16_NARROW_TO_WIDE.values())),
}


def merged(ranges: Ranges) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and found[-1][1] >= first - 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def table(name: str, ranges: Ranges) -> str:
    cells = [f"(0x{first:X}, 0x{last:X})," for first, last in merged(ranges)]
    lines = [" ".join(cells[at : at + 5]) for at in range(0, len(cells), 5)]
    return f"{name}: tuple[tuple[int, int], ...] = (\n" + "".join(f"    {line}\n" for line in lines) + ")\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(HEAD + "".join(table(name, ranges) for name, ranges in TABLES.items()))
