"""Changing the size: lines are wrapped for the new width, and rows go into the scrollback or come back from it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from omnyshell.terminal.screen.grid import LARGE, MOST_COLUMNS, MOST_LINES, TAB_WIDTH, Grid, bounded
from omnyshell.terminal.screen.page import Page
from omnyshell.terminal.screen.reflow import MOST_CELLS, Place, is_blank, reflowing
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE
from omnyshell.terminal.screen.work import A_ROW

_A_PAGE: Final = 8192
"""What it costs to get a page of rows from the scrollback, in cells."""

Result = TypeVar("Result")


class Resizing(Grid):
    """A grid whose size can be changed."""

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Change the size. The cursor's row stays visible, and margins are reset.

        Lines of the main screen, with those above it, are wrapped for the new width, and rows come back from the
        scrollback; see `_reflowed`. The alternate screen is cut or padded.
        """
        for _ in self._resized(lines or self.lines, columns or self.columns):
            continue

    def _resized(self, lines: int, columns: int) -> Iterator[None]:
        """Change the size a row at a time, and count what each costs. Until all is done nothing may be looked at."""
        lines, columns = bounded(lines, MOST_LINES), bounded(columns, MOST_COLUMNS)
        if (lines, columns) == (self.lines, self.columns):
            return
        yield from self._reflowed(lines, columns)
        if self._alternate is not None:
            yield from self._cut(self._alternate, lines, columns)
        self.tabstops.update(x for x in range(TAB_WIDTH, columns, TAB_WIDTH) if x >= self.columns)
        self.tabstops = {x for x in self.tabstops if x < columns}
        self.lines, self.columns = lines, columns
        self._is_large = lines * columns > LARGE
        self._narrowed, self._edge = False, columns - 1
        self._reset_margins()
        row = self._rows[self.cursor.y]
        if row.size:
            self.cursor.x = min(self.cursor.x, row.room - 1)
        self.dirty.mark_all()

    def _cut(self, page: Page, lines: int, columns: int) -> Iterator[None]:
        """Cut or pad the alternate screen: below its cursor first, then above it."""
        rows = page.rows
        shown = page is self._page
        cut = max(0, (self.cursor.y if shown else page.saved.y) - lines + 1)
        saved = page.saved.without_margin
        page.saved = replace(saved, x=min(saved.x, columns - 1), y=max(0, min(saved.y - cut, lines - 1)))
        if shown:
            self.cursor.x = min(self.cursor_column, columns - 1)
            self.cursor.y = min(self.cursor.y, lines - 1)
        del rows[:cut], rows[lines:]
        for row in rows if columns != self.columns else ():
            self._spend(A_ROW + row.width + row.load)
            row.resize(columns)
            yield
        rows.extend(Row(columns, DEFAULT_STYLE) for _ in range(lines - len(rows)))

    def _reflowed(self, lines: int, columns: int) -> Iterator[None]:
        """Wrap the main screen's lines for a new width, and have as many rows of them as there are lines.

        Too many rows, and blank ones below the text go first. Then the upper ones move into the scrollback; but where
        only the height changed, rows below the cursor go before that. Too few, and rows come back from the scrollback;
        but a screen that only got higher is padded where there is room below the text.
        """
        page = self._main
        shown = page is self._page
        saved = page.saved.without_margin
        cursor = Place(self.cursor.y, self._reflowed_column()) if shown else Place(saved.y, saved.x)
        most = MOST_CELLS // self.columns if columns != self.columns else 0
        while self.scrollback.bring_begun(most):
            self._spend(_A_PAGE)
            yield
        begun = self.scrollback.take_back_begun(most)
        self.scrolled -= len(begun)
        used = yield from self._counted(_used(page.rows, cursor.y))
        blank = len(page.rows) - used
        rows = begun + page.rows[:used]
        places = [Place(y + len(begun), x) for y, x in (cursor, Place(min(saved.y, used - 1), saved.x))]
        if columns != self.columns:
            self.scrollback.resize(columns)
            self._spend(_A_PAGE)
            yield
            rows, places = yield from self._counted(reflowing(rows, places, columns))
        rows, moved = yield from self._fitted(rows, blank, places[0].y, lines, columns)
        (y, x), (saved_y, saved_x) = (Place(max(0, min(y + moved, lines - 1)), x) for y, x in places)
        page.rows[:] = rows
        page.saved = replace(saved, y=saved_y, x=saved_x)
        if shown:
            self.cursor.y, self.cursor.x = y, x

    def _counted(self, steps: Generator[int, None, Result]) -> Generator[None, None, Result]:
        """Go through steps that yield what they cost; return what comes of them."""
        while True:
            try:
                self._spend(next(steps))
            except StopIteration as end:
                result: Result = end.value
                return result
            yield

    def _reflowed_column(self) -> int:
        """The cursor's column for wrapping: behind the last one while a wrap is pending at the screen's edge."""
        return self.columns if self.cursor.x > self._edge == self.columns - 1 else self.cursor_column

    def _fitted(
        self, rows: list[Row], blank: int, y: int, lines: int, columns: int
    ) -> Generator[None, None, tuple[list[Row], int]]:
        """Return the rows of the screen, and how far the given ones moved down; `y` is the cursor's row."""
        excess = len(rows) - lines
        if excess > 0:
            below = len(rows) - 1 - y
            above = min(excess, y) if columns != self.columns else max(0, excess - below)
            self._scroll_off(rows[:above])
            return rows[above : above + lines], -above
        lacking = lines - len(rows) - blank
        if blank:
            lacking -= max(0, lines - self.lines)
        while lacking > 0 and self.scrollback.bring(lacking):
            self._spend(_A_PAGE)
            yield
        back = self.scrollback.take_back(lacking) if lacking > 0 else []
        self.scrolled -= len(back)
        padding = [Row(columns) for _ in range(lines - len(rows) - len(back))]
        return back + rows + padding, len(back)

    def _scroll_off(self, rows: Sequence[Row]) -> None:
        if self.scrollback.limit:
            self.scrollback.append_later(rows[-self.scrollback.limit :])
            self.scrolled += len(rows)


def _used(rows: Sequence[Row], cursor: int) -> Generator[int, None, int]:
    """Find how many rows there are down to the cursor, or to the last that is not blank."""
    used = len(rows)
    while used > cursor + 1 and is_blank(rows[used - 1]):
        used -= 1
        yield A_ROW + rows[used].width
    return used
