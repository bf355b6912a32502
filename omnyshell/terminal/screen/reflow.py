"""Wrapping lines anew for another width, so that narrowing and widening gives them back."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from omnyshell.terminal.screen.rows import PADDED, WRAPPED, Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style

MOST_CELLS: Final = 4096
"""Cells of a line above the screen that are wrapped anew with what is on it; what is longer becomes several lines."""

_MOST_ROWS: Final = 1000
"""Rows that are taken for one line."""


class Place(NamedTuple):
    """A cell by its row and column; a column behind the last means a wrap that is pending there."""

    y: int
    x: int


def rewrapped(rows: Sequence[Row], width: int) -> list[Row]:
    """Return rows of `width` columns with the same lines. The rows given must not be used any more."""
    return [row for line in _lines(rows) for row in _wrap(line, width)[0]]


def reflowed(rows: Sequence[Row], places: Sequence[Place], width: int) -> tuple[list[Row], list[Place]]:
    """Do as `rewrapped`, and return also where the `places` are then: on the same characters of the same lines.

    Where the first place is behind the text of its line, the blanks between count as text.
    """
    made: list[Row] = []
    moved: dict[int, Place] = {}
    first = 0
    for line in _lines(rows):
        offsets = {
            number: sum(map(_text_width, line[: place.y - first])) + place.x
            for number, place in enumerate(places)
            if first <= place.y < first + len(line)
        }
        pieces, starts = _wrap(line, width, offsets.get(0, 0))
        for number, offset in offsets.items():
            piece = max(at for at, start in enumerate(starts) if start <= offset)
            moved[number] = Place(len(made) + piece, min(offset - starts[piece], width))
        made += pieces
        first += len(line)
    return made, [moved[number] for number in range(len(places))]


def is_blank(row: Row) -> bool:
    """Whether a row is as a new terminal's."""
    return row.cells.count(" ") == row.width and row.styles.count(DEFAULT_STYLE) == row.width


def _lines(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each line of text."""
    line: list[Row] = []
    for row in rows:
        if line and not continues(line[-1], row):
            line[-1].wrapped = 0
            yield line
            line = []
        line.append(row)
        if not row.goes_on or len(line) >= _MOST_ROWS:
            yield line
            line = []
    if line:
        yield line


def continues(row: Row, following: Row) -> bool:
    """Whether a line of text goes on from one row in the next: not where the latter was erased since.

    Nor where the wide character is gone from it for which there was no room, or that room was written to, and a row of
    double width is a line of its own.
    """
    if not (row.goes_on and following.joined) or row.size or following.size:
        return False
    if row.wrapped == PADDED and (following.cells[1:2] != [""] or row.cells[-1] != " "):
        return False
    return following.goes_on or following.filled > 0 or following.filled_from() > 0


def _text_width(row: Row) -> int:
    return row.width - (row.wrapped == PADDED)


def _wrap(line: list[Row], width: int, kept: int = 0) -> tuple[list[Row], list[int]]:
    """Return the rows of one line at another width, and how many cells are before each; `kept` cells are no blanks."""
    last = line[-1]
    if last.size:
        last.resize(width)
        return line, [0]
    if len(line) == 1 and not last.goes_on and kept <= width and last.fit(width):
        return line, [0]
    cells, styles = _cells_of(line, kept)
    if width == 1:
        cells = _without_wide(cells)
    rows: list[Row] = []
    starts: list[int] = []
    at = 0
    while not rows or at < len(cells):
        end = min(at + width, len(cells))
        padded = end < len(cells) and not cells[end] and end - at > 1
        end -= padded
        # The blank looks as the character would that does not fit, as where a program's output is wrapped.
        pad = ([" "], [styles[end]]) if padded else ([], [])
        row = Row.of_cells(cells[at:end] + pad[0], styles[at:end] + pad[1], width)
        row.wrapped = PADDED if padded else WRAPPED
        row.joined = at > 0
        starts.append(at)
        rows.append(row)
        at = end
    if last.filling[1] and len(cells) - starts[-1] == width:
        # A row of its own, so that the background behind the text is not forgotten.
        starts.append(at)
        rows.append(Row(width))
        rows[-1].joined = True
    rows[0].joined = line[0].joined
    rows[-1].wrapped = last.wrapped
    style, end = last.filling
    # As many blanks as before: the text before them begins at another column, where the line has several rows.
    text_end = len(cells) - starts[-1]
    rows[-1].fill(text_end, style, end + text_end - (len(cells) - sum(map(_text_width, line[:-1]))))
    return rows, starts


def _without_wide(cells: Sequence[str]) -> list[str]:
    """Return cells with blanks for wide characters, which fit into no single column."""
    behind = [*cells[1:], " "]
    return [cell if cell and after else " " for cell, after in zip(cells, behind, strict=True)]


def _cells_of(line: Sequence[Row], kept: int) -> tuple[list[str], list[Style]]:
    """Return the cells of a line, without the blanks with which its last row is filled."""
    cells: list[str] = []
    styles: list[Style] = []
    for row in line:
        row_cells, row_styles = row.settle()
        end = _text_width(row)
        if row is line[-1] and not row.goes_on:
            end = max(row.filled_from(), kept - len(cells))
        cells += row_cells[:end]
        styles += row_styles[:end]
    return cells, styles
