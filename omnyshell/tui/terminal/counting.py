"""Columns in the console: as what paints it counts them, and as the terminal does that the console runs in."""

import os
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from omnyshell.model.sessions import Widths
from omnyshell.terminal.painting.fitting import groups
from omnyshell.terminal.text.layout import LAYOUTS, ZERO_WIDTH_JOINER, Layout, is_counted_alike
from omnyshell.terminal.text.terminals import widths_here

WIDTHS: Final = Widths.CLUSTERS
"""How a terminal in the console counts: as Rich does, since what cannot be measured cannot be painted."""

OUTER: Final = LAYOUTS[widths_here(os.environ)]
"""How the terminal around the console lays text out."""

UNSHOWN: Final = "\N{REPLACEMENT CHARACTER}"


def kept_apart(cells: Sequence[str], outer: Layout) -> Sequence[str]:
    """Return cells of which Textual and the outer terminal make the same columns when they are written in a row.

    Of what they do not agree upon, or would join, the beginning is left, with blanks. A joiner at a cell's end is left
    out: Rich takes whatever follows it for joined.
    """
    if is_counted_alike("".join(cells)):
        return cells
    result: list[str] = []
    for group in groups(list(map(_without_joiner, cells))):
        text = "".join(group)
        if is_counted_alike(text) or _columns(text, outer) == len(group):
            result += group
            continue
        for place, cell in enumerate(group):
            columns = 2 if group[place + 1 : place + 2] == [""] else 1
            kept = (_beginning(cell, columns, outer) if not place else UNSHOWN.ljust(columns)) if cell else ""
            result.append(kept)
    return result


def _without_joiner(cell: str) -> str:
    return cell.rstrip(ZERO_WIDTH_JOINER) or (UNSHOWN if cell else "")


def _columns(text: str, outer: Layout) -> int | None:
    """Return the columns of a text; None where Textual and the outer terminal do not agree."""
    columns = cell_len(text)
    return columns if len(outer.laid_out(text)) == columns else None


def _beginning(cell: str, columns: int, outer: Layout) -> str:
    for end in range(len(cell), 0, -1):
        kept = _without_joiner(cell[:end])
        taken = _columns(kept, outer)
        if taken and taken <= columns:
            return kept + " " * (columns - taken)
    return UNSHOWN.ljust(columns)
