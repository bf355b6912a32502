"""Rows, margins, scrolling and size: the base of the rest of the emulator."""

from collections.abc import Callable, Iterator, Sequence, Set as AbstractSet
from typing import Final, Protocol
from weakref import ref

from pyte.screens import Margins, Screen

from omnyshell.terminal.screen.cells import Cursor, Lines
from omnyshell.terminal.screen.page import Page
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style
from omnyshell.terminal.screen.work import A_ROW, Working
from omnyshell.terminal.text.layout import Layout


class DirtyLines(AbstractSet[int]):
    """The numbers of the lines that changed since `clear`.

    They are found by comparison, so that drawing has no extra cost.
    """

    def __init__(self, rows: Callable[[], list[Row]]) -> None:
        self._rows = rows
        self._seen: list[tuple[Row, int]] = []

    def clear(self) -> None:
        """Mark all lines as unchanged."""
        self._seen = [(row, row.revision) for row in self._rows()]

    def mark_all(self) -> None:
        """Mark all lines as changed."""
        self._seen = []

    def __contains__(self, y: object) -> bool:
        rows = self._rows()
        return isinstance(y, int) and 0 <= y < len(rows) and self._changed(y, rows[y])

    def __iter__(self) -> Iterator[int]:
        return iter([y for y, row in enumerate(self._rows()) if self._changed(y, row)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _changed(self, y: int, row: Row) -> bool:
        if y >= len(self._seen):
            return True
        seen, revision = self._seen[y]
        return seen is not row or revision != row.revision


LARGE: Final = 20_000
"""Cells of a screen of which the rows are cleared one by one: to forget what was in all of them takes long."""

_COMPACTED_FOR_ONE: Final = 8
"""Cells that are made runs of again as fast as one is written."""

_PACKED: Final = 100
"""What a run or a row costs that is packed for the history."""

MOST_COLUMNS: Final = 1000
MOST_LINES: Final = 1000
TAB_WIDTH: Final = 8


class Scrollback(Protocol):
    """Keeps what leaves the main screen at its top; see `History`."""

    limit: int

    def append(self, row: Row) -> int:
        """Add a row; return how many runs it has, or 0 where it may be used again."""

    def append_later(self, rows: Sequence[Row]) -> None:
        """Add rows, which are packed when there is time."""

    def clear(self) -> None:
        """Forget all rows."""

    def resize(self, width: int) -> None:
        """Show rows as on a screen of another width from now on."""

    def bring(self, count: int) -> bool:
        """Do a part of what `take_back` has to do for `count` rows; return whether there was anything."""

    def take_back(self, count: int) -> list[Row]:
        """Remove up to `count` of the newest rows and return them."""

    def bring_begun(self, most: int) -> bool:
        """Do a part of what `take_back_begun` has to do; return whether there was anything."""

    def take_back_begun(self, most: int) -> list[Row]:
        """Remove the newest rows that are the beginning of a line which goes on below, at most `most`."""


class Grid(Working, Screen):
    """A pyte screen over rows of its own.

    pyte's `__init__` is not called: it would build the storage that this class replaces.
    """

    dirty: DirtyLines  # type: ignore[assignment]
    cursor: Cursor
    _main: Page
    _page: Page
    _rows: list[Row]
    _edge: int
    """The column in which a pending wrap waits, where the cursor's own is beyond the last."""

    _narrowed: bool
    """Whether the side margins are not the edges of the screen."""

    _layout: Layout
    """How text falls into cells."""

    _has_sizes: bool = False
    """Whether any row of the screen may have characters of double width."""

    scrollback: Scrollback

    def __init__(self, columns: int, lines: int) -> None:
        self.columns = bounded(columns, MOST_COLUMNS)
        self.lines = bounded(lines, MOST_LINES)
        self._is_large = self.columns * self.lines > LARGE
        self.scrolled = 0
        """Count of all rows that ever went into `scrollback`, without those that came back; the difference of two
        readings is how far its contents moved."""
        self._main = Page([Row(self.columns) for _ in range(self.lines)])
        # Neither leads back to the screen, so that one which nobody has any more is freed at once, and not by the
        # garbage collector in the middle of something else.
        own = ref(self)
        self.dirty = DirtyLines(lambda: screen.rows if (screen := own()) is not None else [])

    def _reset_grid(self) -> None:
        """Blank both screens and put margins, tab stops and cursor where a new terminal has them."""
        rows = self._main.rows
        self._finish_rows()
        self._spend(2 * A_ROW * self.lines)
        self._clear(rows, DEFAULT_STYLE)
        self._main = self._page = Page(rows)
        self._alternate: Page | None = None
        self._rows = self._page.rows
        self._has_sizes = False
        self.tabstops = default_tab_stops(self.columns)
        self.cursor = Cursor()
        self._top, self._bottom = 0, self.lines - 1
        Grid._set_side_margins(self, 0, self.columns - 1)
        self.dirty.mark_all()

    @property
    def buffer(self) -> Lines:  # type: ignore[override]
        """The rows by number, as pyte has them; a view that follows the screen."""
        return Lines(lambda: self._rows)

    @property
    def rows(self) -> list[Row]:
        """The rows that are shown, top to bottom; not to be changed."""
        return self._rows

    @property
    def display(self) -> list[str]:
        """The text of each line; a wide character counts once."""
        return ["".join(row.cells) for row in self._rows]

    @property
    def margins(self) -> Margins | None:  # type: ignore[override]
        """The scrolling region, or None while it is the whole screen."""
        if self._top == 0 and self._bottom == self.lines - 1:
            return None
        return Margins(self._top, self._bottom)

    @property
    def side_margins(self) -> tuple[int, int] | None:
        """The left and the right margin (DECSLRM), or None while they are the edges of the screen."""
        return (self._left, self._right) if self._narrowed else None

    @property
    def cursor_column(self) -> int:
        """The column that the cursor is seen in, also while a wrap is pending."""
        x = self.cursor.x
        return x if x < self.columns else self._edge

    def _reset_margins(self) -> None:
        """Take the edges of the screen for margins."""
        self._top, self._bottom = 0, self.lines - 1
        self._reset_side_margins()

    def _reset_side_margins(self) -> None:
        """Take the edges for side margins; a wrap that is pending elsewhere is taken back."""
        if self._narrowed or self._edge < self.columns - 1:
            self.cursor.x = self.cursor_column
        self._set_side_margins(0, self.columns - 1)

    def _set_side_margins(self, left: int, right: int) -> None:
        self._left, self._right, self._edge = left, right, self.columns - 1
        self._narrowed = left > 0 or right < self.columns - 1

    def _find_sizes(self) -> None:
        """Look whether any row has characters of double width, at whose end a wrap would wait elsewhere."""
        self._has_sizes = any(row.size for row in self._rows)
        if not self._has_sizes and self.cursor.x < self.columns:
            self._edge = self.columns - 1

    @property
    def _is_within_margins(self) -> bool:
        """Whether the cursor is in the scrolling region, and between the side margins."""
        if not self._top <= self.cursor.y <= self._bottom:
            return False
        return not self._narrowed or self._left <= self.cursor_column <= self._right

    @property
    def on_alternate_screen(self) -> bool:
        """Whether the alternate screen is shown."""
        return self._page is not self._main

    def scroll_up(self, count: int | None = None) -> None:
        """SU (ECMA-48 8.3.147): move the region's contents up; what leaves the main screen's top is kept."""
        if self._narrowed:
            self._move_up(self._top, count or 1)
            return
        left = min(count or 1, self._bottom - self._top + 1)
        while left and not self._is_worked_out:
            self._scroll_one()
            left -= 1
        if left:
            self._stop(f"\x1b[{left}S")

    def _scroll_one(self) -> None:
        rows = self._rows
        style = self.cursor.style
        fill = style if style is DEFAULT_STYLE else style.erased
        row = rows.pop(self._top)
        if self._is_large:
            self._spend(row.held + (self.columns // _COMPACTED_FOR_ONE if row.has_cells else 0))
        if self._top == 0 and self.scrollback.limit and self._page is self._main:
            self.scrolled += 1
            if runs := self.scrollback.append(row):
                row = Row(self.columns, fill)
                if runs > 1:
                    self._spend(_PACKED * runs)
            else:
                row.clear(fill)
        else:
            row.clear(fill)
        rows.insert(self._bottom, row)

    def scroll_down(self, count: int | None = None) -> None:
        """SD (ECMA-48 8.3.113): move the region's contents down."""
        self._move_down(self._top, count or 1)

    def _move_down(self, first: int, count: int) -> None:
        """Insert `count` blank rows at `first`; as many fall off the region's end."""
        rows, fill = self._rows, self.cursor.style.erased
        if self._narrowed:
            self._move_between_margins(first, -count)
            return
        self._part(first - 1)
        count, is_large = min(count, self._bottom - first + 1), self._is_large
        self._spend(A_ROW * count)
        for _ in range(count):
            row = rows.pop(self._bottom)
            if not is_large:
                row.clear(fill)
            rows.insert(first, row)
        if is_large:
            self._clear(rows[first : first + count], fill)

    def _move_up(self, first: int, count: int) -> None:
        """Remove `count` rows at `first`; as many blank ones come in at the region's end."""
        rows, fill = self._rows, self.cursor.style.erased
        if self._narrowed:
            self._move_between_margins(first, count)
            return
        self._part(first - 1)
        self._part(self._bottom)
        end = self._bottom + 1
        count, is_large = min(count, end - first), self._is_large
        self._spend(A_ROW * count)
        for _ in range(count):
            row = rows.pop(first)
            if not is_large:
                row.clear(fill)
            rows.insert(self._bottom, row)
        if is_large:
            self._clear(rows[end - count : end], fill)

    def _clear(self, rows: Sequence[Row], style: Style, then: Callable[[], None] | None = None) -> None:
        """Clear rows, and do something then; of a large screen a row a step."""
        if self._is_large:
            self._by_rows(self._cleared(rows, style, then))
            return
        self._spend(A_ROW * len(rows))
        for row in rows:
            row.clear(style)
        if then is not None:
            then()

    def _cleared(self, rows: Sequence[Row], style: Style, then: Callable[[], None] | None = None) -> Iterator[None]:
        for row in rows:
            self._spend(A_ROW + row.held)
            row.clear(style)
            yield
        if then is not None:
            then()

    def _part(self, y: int) -> None:
        """Note that the text of a row does not go on in the next one any more."""
        if y >= 0:
            self._rows[y].wrapped = 0

    def _move_between_margins(self, first: int, count: int) -> None:
        """Move what is between the side margins, from `first` to the region's end, up by `count`; down if negative."""
        self._by_rows(self._moved_between_margins(first, count))

    def _moved_between_margins(self, first: int, count: int) -> Iterator[None]:
        rows, left, end = self._rows[first : self._bottom + 1], self._left, self._right + 1
        blank = ([" "] * (end - left), [self.cursor.style.erased] * (end - left))
        # Each row is read before it is overwritten.
        for y in range(len(rows)) if count > 0 else range(len(rows) - 1, -1, -1):
            source = rows[y + count] if 0 <= y + count < len(rows) else None
            self._spend(3 * A_ROW + end - left + rows[y].load + (source.load if source else 0))
            rows[y].put(left, source.part(left, end) if source else blank)
            yield


def default_tab_stops(columns: int) -> set[int]:
    """Return the stops of a new terminal."""
    return set(range(TAB_WIDTH, columns, TAB_WIDTH))


def bounded(size: int, most: int) -> int:
    """Return a number of rows or columns that a screen may have."""
    return max(1, min(size, most))
