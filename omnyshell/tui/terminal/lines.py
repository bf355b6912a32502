"""The lines of a terminal, scrollback and screen, under numbers that do not change."""

from collections.abc import Sequence
from typing import NamedTuple

from omnyshell.terminal import Emulator, Row


class Point(NamedTuple):
    """A cell. `line` is a number of `Lines`, `column` counts from 0."""

    line: int
    column: int


class Lines:
    """The lines to which one can scroll.

    A line keeps its number while it moves up the screen and through the scrollback.

    While the alternate screen is shown there is nothing above it.
    """

    def __init__(self, screen: Emulator) -> None:
        self._screen = screen

    @property
    def first(self) -> int:
        """The oldest line that is kept."""
        screen = self._screen
        return screen.scrolled - (0 if screen.on_alternate_screen else len(screen.scrollback))

    @property
    def top(self) -> int:
        """The first line of the screen."""
        return self._screen.scrolled

    @property
    def last(self) -> int:
        """The last line of the screen."""
        return self._screen.scrolled + self._screen.lines - 1

    @property
    def width(self) -> int:
        """Columns of the screen; lines in the scrollback may have other widths."""
        return self._screen.columns

    @property
    def cursor(self) -> Point:
        """Where the program's cursor is."""
        screen = self._screen
        return Point(self.top + screen.cursor.y, screen.cursor_column)

    def row(self, line: int) -> Row | None:
        """Return a line; None if it no longer or does not yet exist."""
        screen = self._screen
        if line > self.last or (line < self.top and screen.on_alternate_screen):
            return None
        return screen.rows[line - self.top] if line >= self.top else screen.scrollback.from_end(self.top - line)

    def cells(self, line: int) -> Sequence[str]:
        """Return a line's characters, one string a column; "" for the second column of a wide one."""
        row = self.row(line)
        if row is None:
            return ()
        cells = row.cells
        if line < self.top:
            # It was kept as runs, which take a tenth of the memory.
            row.compact()
        return cells

    def goes_on(self, line: int) -> bool:
        """Whether the text was wrapped into the next line."""
        row = self.row(line)
        return row is not None and row.goes_on

    def clamp(self, point: Point) -> Point:
        """Return the nearest existing cell."""
        line = max(self.first, min(point.line, self.last))
        return Point(line, max(0, min(point.column, self.width - 1)))
