"""One row of the screen, which draws itself only when it is read.

Most output is overwritten or scrolls off before anybody sees it. So a row keeps the runs written to it, in order, and
puts them into cells only when cells are read.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, cast

from omnyshell.terminal.screen.stretches import Stretch
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style
from omnyshell.terminal.screen.uncollected import uncollected

# A run's text: one string a column, "" for the second column of a wide character; or text with SGR sequences, which
# change the run's style.
Cells = Sequence[str]
FlatRun = tuple[int, Cells, Style]
Run = tuple[int, Cells | Stretch, Style]

_MOST_RUNS: Final = 64
_FEW_RUNS: Final = 4
_A_PIECE: Final = 5
"""What it costs to put a piece of a stretch into cells, in cells."""

_CELLS_FOR_ONE: Final = 10
"""Cells that are made, blank or from a run, as fast as one is written by itself."""

_FORGOTTEN_FOR_ONE: Final = 2
"""Runs that are forgotten as fast as a cell is written."""

_MANY_COLUMNS: Final = 100
"""Columns of a row whose lists are worth the time it takes to have the garbage collector leave them out."""

_PIECES_OF_A_RUN: Final = 4
"""Pieces of a stretch that are kept as fast as a run."""


WRAPPED: Final = 1
PADDED: Final = 2
"""Wrapped before a wide character that did not fit: the last column has nothing of the text."""

WRAPPED_BETWEEN_MARGINS: Final = 3
"""Wrapped at a side margin: what is beside the margins is no part of the text."""

_BLANKS: Final = " " * 4096


def blanks(count: int) -> str:
    """Return `count` spaces."""
    return _BLANKS[:count] if count <= len(_BLANKS) else " " * count


class Row:
    """A row of `width` columns. `runs` may be appended to directly; each run must lie within the row.

    A run that covers one half of a wide character erases the other half with the run's background, as xterm does.
    `wide` must be set by whoever appends wide characters, and `pending` be raised by the load of a stretch. `wrapped`
    says that the text goes on in the next row, and how; `joined` that the row has gone on with the text of the one
    above, and was not erased since. `filled` is up to which column the blanks at its end had their background before it
    was narrowed. `size` is "" or what comes after `ESC #` for characters of double width: upper (3) and lower (4) half
    of double height, and plain height (6).
    """

    __slots__ = (
        "_cells", "_fill", "_revision", "_styles", "filled", "joined", "pending", "runs", "size", "wide", "width",
        "wrapped",
    )  # fmt: skip

    def __init__(self, width: int, fill: Style = DEFAULT_STYLE) -> None:
        self.width = width
        self.runs: list[Run] = [] if width <= _MANY_COLUMNS else uncollected([])
        self.wide = False
        self.wrapped = 0
        self.filled = 0
        self.joined = False
        self.size = ""
        self._fill = fill
        self._cells: list[str] | None = None
        self._styles: list[Style] = []
        self.pending = 0
        self._revision = 0

    @property
    def revision(self) -> int:
        """A number that grows with each change."""
        return self._revision + len(self.runs)

    @property
    def goes_on(self) -> bool:
        """Whether the row and the next one are one line of text, which another width would wrap elsewhere."""
        return self.wrapped in (WRAPPED, PADDED)

    @property
    def room(self) -> int:
        """How many columns can be seen: with characters of double width half of them."""
        return (self.width + 1) // 2 if self.size else self.width

    @property
    def cells(self) -> list[str]:
        """The characters, one string a column; not to be changed."""
        return self.settle()[0]

    @property
    def styles(self) -> list[Style]:
        """The styles, one a column; not to be changed."""
        return self.settle()[1]

    def clear(self, fill: Style) -> None:
        """Erase the whole row; its characters are of plain size then."""
        self._revision += len(self.runs) + 1
        self.runs.clear()
        self._cells = None
        self.pending = 0
        self._fill = fill
        self.wide = False
        self.wrapped = 0
        self.joined = False
        self.size = ""

    def erase(self, start: int, end: int, style: Style) -> None:
        """Erase the columns from `start` up to `end`, both within the row."""
        if start < end:
            self.runs.append((start, blanks(end - start), style))

    def erase_to_end(self, start: int, style: Style) -> None:
        """Erase the columns from `start` on, and forget what was written there before, and under what was last."""
        if not start:
            size = self.size
            self.clear(style)
            self.size = size
            return
        runs = self.runs
        if runs and not self.wide:
            first, text, _ = runs[-1]
            if first >= start:
                while runs and runs[-1][0] >= start:
                    runs.pop()
                    self._revision += 1
            elif first + len(text) == start:
                while len(runs) > 1 and runs[-2][0] >= first:
                    del runs[-2]
                    self._revision += 1
        runs.append((start, _BLANKS[: self.width - start], style))

    def draw(self, start: int, stretch: Stretch, style: Style) -> None:
        """Write a stretch at a column."""
        if stretch.width == self.width:
            self._revision += len(self.runs)
            self.runs.clear()
            self._cells = None
            self.pending = 0
            self.wide = False
        self.runs.append((start, stretch, style))
        self.pending += stretch.load

    @property
    def load(self) -> int:
        """What it costs to settle the row, in cells."""
        of_cells = self.width // _CELLS_FOR_ONE if self._cells is None else 0
        return of_cells + len(self.runs) + _A_PIECE * self.pending

    @property
    def held(self) -> int:
        """What it costs to forget the runs, in cells."""
        return len(self.runs) // _FORGOTTEN_FOR_ONE

    @property
    def has_cells(self) -> bool:
        """Whether there are cells, which `compact` takes time for."""
        return self._cells is not None

    @property
    def is_laden(self) -> bool:
        """Whether the runs take as much memory as cells would, and should be put into these."""
        return 4 * len(self.runs) + self.pending > 4 * (_MOST_RUNS + self.width)

    def settle(self) -> tuple[list[str], list[Style]]:
        """Put the runs into cells and return these with their styles."""
        cells = self._cells
        if cells is None:
            cells = self._hold([" "] * self.width, [self._fill] * self.width)
        styles = self._styles
        if self.runs:
            wide = self.wide
            for start, text, style in self._flat_runs() if self.pending else cast("list[FlatRun]", self.runs):
                size = len(text)
                if wide:
                    self._split_wide(cells, styles, start, start + size, style)
                if size == 1:
                    # A shortcut for runs of one cell: screens that colour each cell consist of them.
                    cells[start] = text[0]
                    styles[start] = style
                else:
                    cells[start : start + size] = text
                    styles[start : start + size] = [style] * size
            self._revision += len(self.runs)
            self.runs.clear()
            self.pending = 0
        return cells, styles

    def _hold(self, cells: list[str], styles: list[Style]) -> list[str]:
        """Take these lists for the row's own; return the cells."""
        if self.width > _MANY_COLUMNS:
            uncollected(cells)
            uncollected(styles)
        self._cells, self._styles = cells, styles
        return cells

    def _flat_runs(self) -> list[FlatRun]:
        """The runs that can be seen, without the sequences in them."""
        flat: list[FlatRun] = []
        for start, text, style in self.runs if self.wide or len(self.runs) < _FEW_RUNS else self._seen_runs():
            if not isinstance(text, Stretch):
                flat.append((start, text, style))
                continue
            column = start
            for piece, its in text.pieces(style):
                flat.append((column, piece, its))
                column += len(piece)
        return flat

    def _seen_runs(self) -> list[Run]:
        """The runs without those that later ones cover."""
        seen: list[Run] = []
        covered = 0
        for run in reversed(self.runs):
            columns = ((1 << len(run[1])) - 1) << run[0]
            if columns & ~covered:
                covered |= columns
                seen.append(run)
        seen.reverse()
        return seen

    def _split_wide(self, cells: list[str], styles: list[Style], start: int, end: int, style: Style) -> None:
        if not cells[start]:
            cells[start - 1], styles[start - 1] = " ", style.erased
        if end < self.width and not cells[end]:
            cells[end], styles[end] = " ", style.erased

    def erase_unprotected(self, start: int, end: int, style: Style) -> None:
        """Erase those of the columns from `start` up to `end` that are not protected (DECSCA, SPA)."""
        part = self.settle()[1][start:end]
        kept = {key: style.is_protected for key, style in distinct(part).items()}
        if not any(kept.values()):
            self.erase(start, end, style)
            return
        column = start
        for protected, group in groupby([kept[id(style)] for style in part]):
            after = column + sum(1 for _ in group)
            if not protected:
                self.runs.append((column, blanks(after - column), style))
            column = after

    def insert(self, column: int, count: int, style: Style, end: int | None = None) -> None:
        """Move the cells from `column` up to `end` right by `count`; the last are lost, and the gap is erased."""
        cells, styles = self.settle()
        end = self.width if end is None else end
        count = min(count, end - column)
        # What is moved beyond `end` may have been the second half of a wide character.
        self._split_at(cells, (column, end, end - count), style)
        cells[column:end] = [" "] * count + cells[column : end - count]
        styles[column:end] = [style] * count + styles[column : end - count]
        self._revision += 1

    def delete(self, column: int, count: int, style: Style, end: int | None = None) -> None:
        """Remove `count` columns at `column`; what follows up to `end` moves left, and the gap there is erased."""
        cells, styles = self.settle()
        end = self.width if end is None else end
        kept = min(column + count, end)
        self._split_at(cells, (column, kept, end), style)
        count = kept - column
        cells[column:end] = cells[kept:end] + [" "] * count
        styles[column:end] = styles[kept:end] + [style] * count
        self._revision += 1

    @property
    def links(self) -> set[str]:
        """The links that cells of the row have, and the empty one."""
        # Within a stretch the link is that of its beginning: SGR changes none.
        links = {self._fill.fields[-1]} | {style.fields[-1] for _, _, style in self.runs}
        if self._cells is not None:
            links |= {style.fields[-1] for style in distinct(self._styles).values()}
        return links

    def part(self, start: int, end: int) -> tuple[list[str], list[Style]]:
        """Return a copy of some columns; a wide character that the edges cut is a blank in it."""
        cells, styles = self.settle()
        copied = cells[start:end]
        if copied and not copied[0]:
            copied[0] = " "
        if copied and end < self.width and not cells[end]:
            copied[-1] = " "
        return copied, styles[start:end]

    def put(self, start: int, part: tuple[list[str], list[Style]]) -> None:
        """Write what `part` returned; it must lie within the row."""
        cells, styles = self.settle()
        copied, copied_styles = part
        end = start + len(copied)
        for place in (start, end):
            if place < self.width and not cells[place]:
                cells[place - 1] = cells[place] = " "
        cells[start:end] = copied
        styles[start:end] = copied_styles
        self.wide = self.wide or "" in copied
        self._revision += 1

    def append_to_cell(self, column: int, character: str, most: int) -> None:
        """Join a zero-width character to the cell at `column`, unless the cell holds `most` characters already."""
        cells, _ = self.settle()
        if len(cells[column]) < most:
            cells[column] += character
            self._revision += 1

    def touch(self) -> None:
        """Say that cells or styles were changed in place."""
        self._revision += 1

    def resize(self, width: int) -> None:
        """Cut or pad the row to `width` columns; a wide character that is cut in two vanishes."""
        cells, styles = self.settle()
        lacking = width - self.width
        if lacking < 0:
            self._split_at(cells, (width,), styles[width - 1])
            del cells[width:], styles[width:]
        else:
            cells.extend([" "] * lacking)
            styles.extend([DEFAULT_STYLE] * lacking)
        self.width = width
        self.wrapped = 0
        self._revision += 1

    def needs_cells(self, width: int) -> bool:
        """Whether its cells have to be looked at for another width: not where it keeps its runs."""
        plain = self._cells is None and not self.wide and self._fill is DEFAULT_STYLE
        return bool(self.runs) and (self.goes_on or self.joined or not plain or self.extent() > width)

    def fit(self, width: int, text: int = 0) -> bool:
        """Cut or pad the row to `width` columns; return False where there would be no room for what it has to tell.

        That is `text` cells at least, and behind them that there are blanks with a background.
        """
        if self._is_unfilled() and self.extent() <= width:
            self.width = width
            self._revision += 1
            return True
        start, filling, wrapped = max(self.filled_from(), text), self.filling, self.wrapped
        if start > width or (start == width and filling[1]):
            return False
        self.resize(width)
        self.wrapped = wrapped
        self.fill(start, *filling)
        return True

    def _is_unfilled(self) -> bool:
        """Whether it is certain at a glance that there is no background behind the text."""
        if self._cells is not None or self.wide or self.filled or self._fill is not DEFAULT_STYLE:
            return False
        return self.extent() < self.width or (len(self.runs) == 1 and self.runs[0][2] is DEFAULT_STYLE)

    @property
    def filling(self) -> tuple[Style, int]:
        """The style of the blanks at the row's end, and up to which column they ever reached."""
        cells, styles = self.settle()
        end = self._filled_to()
        style = styles[end - 1]
        if style == DEFAULT_STYLE or style != style.erased or cells[end - 1] != " ":
            return DEFAULT_STYLE, 0
        return style, max(end, self.filled)

    def filled_from(self) -> int:
        """Return the column from which on there are only blanks of one background."""
        cells, styles = self.settle()
        end = self._filled_to()
        style = styles[end - 1]
        while end and cells[end - 1] == " " and styles[end - 1] == style == style.erased:
            end -= 1
        return end

    def _filled_to(self) -> int:
        """Where blanks with a background end that are no text: at the edge, or before what the row was widened by."""
        end = self.filled
        if not 0 < end < self.width or self.styles[end - 1] == DEFAULT_STYLE:
            return self.width
        cells, styles = self.settle()
        widened = self.width - end
        is_blank = cells[end:].count(" ") == styles[end:].count(DEFAULT_STYLE) == widened
        return end if is_blank else self.width

    def fill(self, start: int, style: Style, end: int) -> None:
        """Give the blanks from `start` on a background, up to `end` as far as the row reaches."""
        if style != DEFAULT_STYLE:
            reached = min(end, self.width)
            self.settle()[1][start:reached] = [style] * (reached - start)
            self.filled = end
            self._revision += 1

    @classmethod
    def of_cells(cls, cells: list[str], styles: list[Style], width: int) -> "Row":
        """Return a row of `width` columns that begins with these cells; the lists are its own from now on."""
        row = cls(width)
        lacking = width - len(cells)
        row.wide = "" in cells
        row._hold(cells + [" "] * lacking, styles + [DEFAULT_STYLE] * lacking)
        return row

    def compact(self) -> int:
        """Replace the cells by runs of equal style, a tenth of the memory; return how many there are, about."""
        if self._cells is None:
            return len(self.runs) + self.pending // _PIECES_OF_A_RUN
        cells, styles = self.settle()
        runs: list[Run] = []
        column = 0
        for style, group in groupby(styles):
            end = column + sum(1 for _ in group)
            part = cells[column:end]
            runs.append((column, part if self.wide or max(map(len, part)) > 1 else "".join(part), style))
            column = end
        self._cells, self._styles = None, []
        self.runs = runs if self.width <= _MANY_COLUMNS else uncollected(runs)
        return len(runs)

    @property
    def plain_text(self) -> str | None:
        """The text of a row that is nothing but one run in the default style; None for any other."""
        if self._cells is not None or self.wrapped or self.joined or self.wide or self._fill is not DEFAULT_STYLE:
            return None
        runs = self.runs
        if len(runs) != 1:
            return None if runs else ""
        start, text, style = runs[0]
        return text if style is DEFAULT_STYLE and not start and type(text) is str else None

    @property
    def has_fill(self) -> bool:
        """Whether what no run covers is other than in a new terminal, or not known to be."""
        return self._cells is not None or self._fill is not DEFAULT_STYLE

    def extent(self) -> int:
        """Columns up to the last one that was written."""
        return (
            max((start + len(text) for start, text, _ in self.runs), default=0) if self._is_laid_out() else self.width
        )

    def packed(self) -> tuple[Style, list[Run]]:
        """Return the style of what no run covers, and runs of which none covers another."""
        if not self._is_laid_out():
            self.settle()
            self.compact()
            self._trim()
        return self._fill, self.runs

    def _trim(self) -> None:
        """Leave out the blanks at the end of compacted runs, where that is how the row is filled."""
        if self.runs[-1][2] == DEFAULT_STYLE:
            start, text, style = self.runs.pop()
            self._fill = DEFAULT_STYLE
            whole = text.rstrip(" ") if isinstance(text, str) else text
            if whole:
                self.runs.append((start, whole, style))

    def _is_laid_out(self) -> bool:
        """Whether there are nothing but runs, of which none covers another."""
        end = 0
        for start, text, _ in self.runs:
            if start < end:
                return False
            end = start + len(text)
        return self._cells is None

    def _blank(self, column: int, style: Style) -> None:
        cells, styles = self.settle()
        cells[column], styles[column] = " ", style

    def _split_at(self, cells: list[str], places: tuple[int, ...], style: Style) -> None:
        """Blank wide characters that stand on both sides of a place."""
        for column in places:
            if column < self.width and not cells[column]:
                self._blank(column - 1, style)
                self._blank(column, style)


def distinct(styles: list[Style]) -> dict[int, Style]:
    """Return the styles by their `id`, each object once; asking whether they are equal would take longer."""
    return dict(zip(map(id, styles), styles, strict=True))
