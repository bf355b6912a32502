"""Erasing, inserting and deleting (ECMA-48 8.3). What becomes blank takes the pen's background (xterm's "bce")."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from omnyshell.terminal.screen.cursor import Moving
from omnyshell.terminal.screen.rows import Row, blanks
from omnyshell.terminal.screen.style import DEFAULT_STYLE, NO_UNDERLINE, PROTECTED, Style, style_of
from omnyshell.terminal.screen.work import A_ROW

ISO: Final = 1
DEC: Final = 2


class Editing(Moving):
    """A grid that can be erased and edited. Counts of None or 0 mean 1."""

    _protection: int = 0
    """Who protects cells: nobody, ISO (SPA) or DEC (DECSCA). Plain erasing heeds ISO's, selective erasing both."""

    def erase_in_line(self, how: int = 0, *_more: Any, selective: bool = False, **_other: Any) -> None:
        """EL, or DECSEL if `selective`: to the end (0), from the start (1), the whole line (2).

        A pending wrap is taken back: the cursor is on the last column, which is erased too (DEC STD 070, xterm).
        """
        if how not in (0, 1, 2):
            return
        self._settle_wrap()
        row = self._row
        if how == 0 and not self._protection:
            self.erase_to_line_end()
        elif how == 0:
            row.wrapped = 0
            self._erase(row, self.cursor.x, self.columns, selective)
        elif how == 1:
            self._erase(row, 0, self.cursor.x + 1, selective)
        elif how == 2:
            size = row.size
            self._erase(row, 0, self.columns, selective)
            row.size = size

    def erase_to_line_end(self) -> None:
        """EL to the end, which programs that draw send for every line."""
        cursor = self.cursor
        if self._protection:
            self.erase_in_line()
            return
        if cursor.x >= self.columns:
            cursor.x = self._edge
        row = self._rows[cursor.y]
        row.wrapped = 0
        row.erase_to_end(cursor.x, cursor.style.erased)

    def erase_in_display(self, how: int = 0, *_more: Any, selective: bool = False, **_other: Any) -> None:
        """ED, or DECSED: to the end (0), from the start (1), the whole screen (2), the scrollback (3)."""
        y = self.cursor.y
        if how == 0:
            self.erase_in_line(0, selective=selective)
            self._erase_rows(y + 1, self.lines, selective)
        elif how == 1:
            self._erase_rows(0, y, selective)
            self.erase_in_line(1, selective=selective)
        elif how == 2:
            self._settle_wrap()
            self._erase_rows(0, self.lines, selective, self._find_sizes)
        elif how == 3:
            self.scrollback.clear()

    def _erase_rows(self, first: int, end: int, selective: bool, then: Callable[[], None] | None = None) -> None:
        if self._protection and (selective or self._protection == ISO):
            self._by_rows(self._erased_rows(first, end, then))
        else:
            self._clear(self._rows[first:end], self.cursor.style.erased, then)

    def _erased_rows(self, first: int, end: int, then: Callable[[], None] | None) -> Iterator[None]:
        style = self.cursor.style.erased
        for row in self._rows[first:end]:
            self._spend(A_ROW + 3 * self.columns + row.load)
            row.erase_unprotected(0, self.columns, style)
            yield
        if then is not None:
            then()

    def _erase(self, row: Row, first: int, end: int, selective: bool) -> None:
        style = self.cursor.style.erased
        if self._protection and (selective or self._protection == ISO):
            self._spend(A_ROW + 3 * (end - first))
            row.erase_unprotected(first, end, style)
        elif end - first == self.columns:
            row.clear(style)
        else:
            row.runs.append((first, blanks(end - first), style))

    def selective_erase_in_line(self, how: int = 0) -> None:
        """DECSEL."""
        self.erase_in_line(how, selective=True)

    def selective_erase_in_display(self, how: int = 0) -> None:
        """DECSED."""
        self.erase_in_display(how, selective=True)

    def erase_characters(self, count: int | None = None) -> None:
        """ECH."""
        self._settle_wrap()
        x = self.cursor.x
        self._erase(self._row, x, min(x + (count or 1), self.columns), False)

    def protect_characters(self, how: int = 0) -> None:
        """DECSCA: what is written from now on is protected (1), or not (0, 2)."""
        self._protection = DEC
        self._protect(on=how == 1)

    def start_protected_area(self) -> None:
        """SPA."""
        self._protection = ISO
        self._protect(on=True)

    def end_protected_area(self) -> None:
        """EPA."""
        self._protect(on=False)

    def _protect(self, *, on: bool) -> None:
        look = self.cursor.style.look
        self.cursor.style = style_of(look._replace(flags=look.flags | PROTECTED if on else look.flags & ~PROTECTED))

    def insert_characters(self, count: int | None = None) -> None:
        """ICH; nothing outside the side margins."""
        self._settle_wrap()
        if self._left <= self.cursor.x <= self._right:
            self._spend(A_ROW + self.columns)
            self._row.insert(self.cursor.x, count or 1, self.cursor.style.erased, self._right + 1)

    def delete_characters(self, count: int | None = None) -> None:
        """DCH; nothing outside the side margins."""
        self._settle_wrap()
        if self._left <= self.cursor.x <= self._right:
            self._spend(A_ROW + self.columns)
            self._row.delete(self.cursor.x, count or 1, self.cursor.style.erased, self._right + 1)

    def insert_lines(self, count: int | None = None) -> None:
        """IL; nothing outside the margins. The cursor goes to the left one."""
        if self._is_within_margins:
            self._move_down(self.cursor.y, count or 1)
            self.cursor.x = self._left

    def delete_lines(self, count: int | None = None) -> None:
        """DL; nothing outside the margins. The cursor goes to the left one."""
        if self._is_within_margins:
            self._move_up(self.cursor.y, count or 1)
            self.cursor.x = self._left

    def insert_columns(self, count: int | None = None) -> None:
        """DECIC; nothing outside the margins."""
        self._move_columns(self.cursor_column, count or 1, Row.insert)

    def delete_columns(self, count: int | None = None) -> None:
        """DECDC; nothing outside the margins."""
        self._move_columns(self.cursor_column, count or 1, Row.delete)

    def scroll_left(self, count: int | None = None) -> None:
        """SL: what is within the margins, while the cursor is."""
        self._move_columns(self._left, count or 1, Row.delete)

    def scroll_right(self, count: int | None = None) -> None:
        """SR: what is within the margins, while the cursor is."""
        self._move_columns(self._left, count or 1, Row.insert)

    def _move_columns(self, column: int, count: int, move: Callable[[Row, int, int, Style, int], None]) -> None:
        if self._is_within_margins:
            self._by_rows(self._moved_columns(column, count, move))

    def _moved_columns(
        self, column: int, count: int, move: Callable[[Row, int, int, Style, int], None]
    ) -> Iterator[None]:
        style, end = self.cursor.style.erased, self._right + 1
        for row in self._rows[self._top : self._bottom + 1]:
            self._spend(2 * A_ROW + end - self._left + row.load)
            move(row, column, count, style, end)
            yield

    def back_index(self) -> None:
        """DECBI: a column to the left; at the left margin the contents move to the right instead."""
        if self.cursor_column != self._left:
            self.cursor_back(1)
        else:
            self._move_columns(self._left, 1, Row.insert)

    def forward_index(self) -> None:
        """DECFI: a column to the right; at the right margin the contents move to the left instead."""
        if self.cursor_column != self._right:
            self.cursor_forward(1)
        else:
            self._move_columns(self._left, 1, Row.delete)

    def alignment_display(self) -> None:
        """DECALN (DEC STD 070, 8.2): the screen full of E, no margins, the cursor home, a pen with colours alone."""
        self._reset_margins()
        self._origin = False
        look = self.cursor.style.look
        self.cursor.style = style_of(look._replace(flags=look.flags & PROTECTED, underline=NO_UNDERLINE))
        self._has_sizes = False
        self.cursor_position()
        self._by_rows(self._aligned())

    def _aligned(self) -> Iterator[None]:
        for row in self._rows:
            self._spend(2 * A_ROW + row.held)
            row.clear(DEFAULT_STYLE)
            row.runs.append((0, "E" * self.columns, DEFAULT_STYLE))
            yield

    @property
    def _row(self) -> Row:
        return self._rows[self.cursor.y]
