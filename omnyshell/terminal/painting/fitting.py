"""Cells as text for a terminal that may count columns otherwise, so that each lands where it is."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from omnyshell.model.sessions import Widths
from omnyshell.terminal.text.layout import LAYOUTS, ZERO_WIDTH_JOINER, Layout, is_counted_alike

_CLUSTERS: Final = LAYOUTS[Widths.CLUSTERS]
_UNSHOWN: Final = "\N{REPLACEMENT CHARACTER}"


class Piece(NamedTuple):
    """Text for some cells, of which a terminal makes `taken` columns; `is_sure` where every terminal does."""

    text: str
    columns: int
    taken: int
    is_sure: bool


def pieces(cells: Sequence[str], layout: Layout) -> Iterator[Piece]:
    """Yield the text of cells for a terminal of that layout, in pieces that are to be kept apart."""
    text = "".join(cells)
    if is_counted_alike(text):
        yield Piece(text, len(cells), len(cells), is_sure=True)
        return
    sure: list[str] = []
    for group in groups(cells):
        if is_counted_alike("".join(group)):
            sure += group
            continue
        if sure:
            yield Piece("".join(sure), len(sure), len(sure), is_sure=True)
            sure = []
        yield from _unsure(group, layout)
    if sure:
        yield Piece("".join(sure), len(sure), len(sure), is_sure=True)


def fits(cells: Sequence[str], layout: Layout) -> bool:
    """Whether a terminal of that layout can show cells as they are, each by itself."""
    if is_counted_alike("".join(cells)):
        return True
    behind = [*cells[1:], " "]
    return all(
        is_counted_alike(cell) or layout.laid_out(cell) == [cell, after][: 1 if after else 2]
        for cell, after in zip(cells, behind, strict=True)
        if cell
    )


def groups(cells: Sequence[str]) -> Iterator[list[str]]:
    """Yield cells that some terminal joins, if they are written one after the other; most are alone."""
    group: list[str] = []
    before = ""
    for cell in cells:
        if cell and group and not (_CLUSTERS.is_mark(cell[0]) or (before and _CLUSTERS.joins(before, cell[0]))):
            yield group
            group = []
        group.append(cell)
        before = cell or before
    if group:
        yield group


def _unsure(group: list[str], layout: Layout) -> Iterator[Piece]:
    """Yield the text of cells together, where each part of it lands in its own columns; else one by one."""
    text = "".join(group)
    made = layout.laid_out(text)
    if len(made) == len(group) and _joins_whole_cells(made, group):
        yield Piece(text, len(group), len(group), is_sure=False)
        return
    column = 0
    while column < len(group):
        columns = 2 if group[column + 1 : column + 2] == [""] else 1
        fitted = fitting(group[column], columns, layout)
        yield Piece(fitted, columns, len(layout.laid_out(fitted)), is_sure=False)
        column += columns


def _joins_whole_cells(made: Sequence[str], group: Sequence[str]) -> bool:
    starts = [column for column, cell in enumerate(made) if cell]
    ends = [*starts[1:], len(made)]
    return all(made[start] == "".join(group[start:end]) for start, end in zip(starts, ends, strict=True))


def fitting(cell: str, columns: int, layout: Layout) -> str:
    """Return as much of a cell as takes no more than `columns` columns; a replacement where nothing does."""
    for end in range(len(cell), 0, -1):
        part = cell[:end].rstrip(ZERO_WIDTH_JOINER) if end < len(cell) else cell
        if 0 < len(layout.laid_out(part)) <= columns:
            return part
    return _UNSHOWN
