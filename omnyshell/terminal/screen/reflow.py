"""Wrapping lines anew for another width, so that narrowing and widening gives them back."""

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from omnyshell.terminal.screen.rows import PADDED, WRAPPED, Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style
from omnyshell.terminal.screen.work import A_ROW

MOST_CELLS: Final = 4096
"""Cells of a line above the screen that are wrapped anew with what is on it; what is longer becomes several lines."""

_MOST_ROWS: Final = 1000
"""Rows that are taken for one line."""


class Place(NamedTuple):
    """A cell by its row and column; a column behind the last means a wrap that is pending there."""

    y: int
    x: int


def rewrapped(rows: Sequence[Row], width: int, kept: Callable[[Sequence[Row]], int] = lambda _line: 0) -> list[Row]:
    """Return rows of `width` columns with the same lines. The rows given must not be used any more.

    `kept` tells of a line how many of its cells are text, also where these are blanks at its end.
    """
    made: list[Row] = []
    for line in _lines(rows):
        for _ in _wrapping(line, width, made, [], text=kept(line)):
            continue
    return made


def reflowing(
    rows: Sequence[Row], places: Sequence[Place], width: int
) -> Generator[int, None, tuple[list[Row], list[Place]]]:
    """Do as `rewrapped`, and return also where the `places` are then: on the same characters of the same lines.

    Where the first place is behind the text of its line, the blanks between count as text. Yields what each step costs,
    in cells.
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
        above, starts = len(made), list[int]()
        first += len(line)
        yield from _wrapping(line, width, made, starts, offsets.get(0, 0))
        for number, offset in offsets.items():
            piece = bisect_right(starts, offset) - 1
            moved[number] = Place(above + piece, min(offset - starts[piece], width))
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


def _wrapping(
    line: list[Row], width: int, rows: list[Row], starts: list[int], kept: int = 0, text: int = 0
) -> Generator[int, None, None]:
    """Add the rows of one line at another width to `rows`, and to `starts` how many cells are before each.

    `kept` cells are no blanks, nor are `text` cells, also where they fit. Yields what each step costs.
    """
    last = line[-1]
    if last.size:
        last.resize(width)
    if last.size or (len(line) == 1 and not last.goes_on and kept <= width and last.fit(width, text)):
        rows.append(last)
        starts.append(0)
        yield A_ROW + width
        return
    (style, end), wrapped, joined = last.filling, last.wrapped, line[0].joined
    before = sum(map(_text_width, line[:-1]))
    # Of a long line no more is at hand than a row takes: to forget it at once would take long.
    cells: list[str] = []
    styles: list[Style] = []
    done, made, kept = 0, len(rows), max(kept, text)
    for row in line:
        yield A_ROW + row.width + row.load
        its_cells, its_styles = _cells_of(row, width, kept - done - len(cells))
        cells += its_cells
        styles += its_styles
        while len(cells) > width:
            done += _add_row(rows, starts, cells, styles, done, width)
            yield A_ROW + width
    text_end = _add_row(rows, starts, cells, styles, done, width)
    if end and text_end == width:
        # A row of its own, so that the background behind the text is not forgotten.
        starts.append(done + text_end)
        rows.append(Row(width))
        rows[-1].joined = True
        done, text_end = done + text_end, 0
    rows[made].joined = joined
    rows[-1].wrapped = wrapped
    # As many blanks as before: the text before them begins at another column, where the line has several rows.
    rows[-1].fill(text_end, style, end + before - done)


def _add_row(rows: list[Row], starts: list[int], cells: list[str], styles: list[Style], done: int, width: int) -> int:
    """Move cells to a new row, and its start to `starts`; return how many cells that are."""
    end = min(width, len(cells))
    padded = end < len(cells) and not cells[end] and end > 1
    end -= padded
    # The blank looks as the character would that does not fit, as where a program's output is wrapped.
    pad = ([" "], [styles[end]]) if padded else ([], [])
    row = Row.of_cells(cells[:end] + pad[0], styles[:end] + pad[1], width)
    row.wrapped = PADDED if padded else WRAPPED
    row.joined = done > 0
    del cells[:end], styles[:end]
    rows.append(row)
    starts.append(done)
    return end


def _without_wide(cells: Sequence[str]) -> list[str]:
    """Return cells with blanks for wide characters, which fit into no single column."""
    behind = [*cells[1:], " "]
    return [cell if cell and after else " " for cell, after in zip(cells, behind, strict=True)]


def _cells_of(row: Row, width: int, kept: int) -> tuple[list[str], list[Style]]:
    """Return the cells of a row, which is empty then, without the blanks it is filled with where its line ends.

    Of these, `kept` cells count as text.
    """
    cells, styles = row.settle()
    end = _text_width(row) if row.goes_on else max(row.filled_from(), kept)
    text = cells[:end], styles[:end]
    row.clear(DEFAULT_STYLE)
    return (_without_wide(text[0]), text[1]) if width == 1 else text
