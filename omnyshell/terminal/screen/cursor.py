"""Cursor movement and tab stops (ECMA-48 8.3; DEC STD 070, 5.4)."""

from collections.abc import Iterator

from omnyshell.terminal.screen.grid import default_tab_stops
from omnyshell.terminal.screen.page import SavedCursor
from omnyshell.terminal.screen.resizing import Resizing
from omnyshell.terminal.screen.work import A_ROW


class Moving(Resizing):
    """A grid with cursor movement. Counts of None or 0 mean 1; columns and lines are 1-based."""

    charset: int
    charset_right: int
    _charsets: list[str]
    _origin: bool = False
    _newline_mode: bool = False
    _has_side_margins: bool = False
    _reverse_wraps: bool = False
    _tab_wraps: bool = False
    _wraps_back_always: bool = False

    def carriage_return(self) -> None:
        """CR: to the left margin, or from before it to the edge."""
        left = self._left
        self.cursor.x = left if left and (self._origin or self.cursor_column >= left) else 0

    def backspace(self) -> None:
        """BS; from a pending wrap it leaves the last column, as xterm does."""
        self.cursor_back(1)

    def linefeed(self) -> None:
        """LF, VT, FF; a carriage return too while mode 20 (LNM) is set."""
        self.index()
        if self._newline_mode:
            self.carriage_return()

    def next_line(self) -> None:
        """NEL."""
        self.index()
        self.carriage_return()

    def index(self) -> None:
        """IND: down one line, scrolling at the region's end."""
        cursor = self.cursor
        if cursor.x >= self.columns:
            cursor.x = self._edge
        if cursor.y == self._bottom:
            if not self._narrowed:
                self._scroll_one()
            elif self._left <= cursor.x <= self._right:
                self._move_between_margins(self._top, 1)
        elif cursor.y < self.lines - 1:
            cursor.y += 1

    def reverse_index(self) -> None:
        """RI: up one line, scrolling at the region's start."""
        cursor = self.cursor
        if cursor.x >= self.columns:
            cursor.x = self._edge
        if cursor.y == self._top:
            if self._left <= cursor.x <= self._right:
                self._move_down(self._top, 1)
        elif cursor.y > 0:
            cursor.y -= 1

    def cursor_up(self, count: int | None = None) -> None:
        """CUU: stops at the region's start when it begins within the region."""
        first = self._top if self.cursor.y >= self._top else 0
        self._settle_wrap()
        self.cursor.y = max(first, self.cursor.y - (count or 1))

    def cursor_down(self, count: int | None = None) -> None:
        """CUD: stops at the region's end when it begins within the region."""
        last = self._bottom if self.cursor.y <= self._bottom else self.lines - 1
        self._settle_wrap()
        self.cursor.y = min(last, self.cursor.y + (count or 1))

    def cursor_up1(self, count: int | None = None) -> None:
        """CPL."""
        self.cursor_up(count)
        self.carriage_return()

    def cursor_down1(self, count: int | None = None) -> None:
        """CNL."""
        self.cursor_down(count)
        self.carriage_return()

    def cursor_forward(self, count: int | None = None) -> None:
        """CUF: stops at the right margin when it begins before it."""
        x = self.cursor_column
        last = self._right if x <= self._right else self.columns - 1
        self.cursor.x = self._within_room(min(last, x + (count or 1)))

    def cursor_columns_forward(self, count: int | None = None) -> None:
        """HPR: like HPA, it may leave the margins unless origin mode is set."""
        last = self._right if self._origin else self.columns - 1
        self.cursor.x = min(last, self.cursor_column + (count or 1))

    def cursor_back(self, count: int | None = None) -> None:
        """CUB: stops at the left margin when it begins after it; with reverse wraparound it goes on a line above."""
        x = self.cursor_column
        left = self._left if x >= self._left else 0
        if self._reverse_wraps:
            self._go_back(count or 1, left)
        else:
            self.cursor.x = max(left, x - (count or 1))

    def _go_back(self, count: int, left: int) -> None:
        """Over the start of a line to the end of the one above, as xterm has it.

        Mode 45 does so where that line was wrapped, mode 1045 always, and from the region's first line to its last.
        """
        x, y = self.cursor_column, self.cursor.y
        if self.cursor.x >= self.columns:
            # The wrap that is pending counts as a step.
            count -= 1
        width = self._right - left + 1
        most = width * self.lines
        if count > most:
            # From anywhere that many steps lead into the region, or to an end; from there it goes round and round.
            count = most + (count - most) % (width * (self._bottom - self._top + 1))
        while count > x - left:
            above = self._line_above(y)
            if above is None:
                x, count = left, 0
                break
            count -= x - left + 1
            x, y = self._right, above
        self.cursor.x, self.cursor.y = x - count, y

    def _line_above(self, y: int) -> int | None:
        """The line whose end comes before the start of line `y`; None where there is no way back."""
        if self._wraps_back_always:
            if y == self._top:
                return self._bottom
            return y - 1 if y > 0 else None
        return y - 1 if y > 0 and self._rows[y - 1].wrapped else None

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        """CUP, HVP: within the margins, and counted from them, in origin mode."""
        y = (line or 1) - 1
        x = (column or 1) - 1
        if self._origin:
            self.cursor.y = min(y + self._top, self._bottom)
            self.cursor.x = min(x + self._left, self._right)
            return
        self.cursor.y = y if y < self.lines else self.lines - 1
        self.cursor.x = x if x < self.columns else self.columns - 1

    def cursor_to_column(self, column: int | None = None) -> None:
        """CHA, HPA."""
        x = (column or 1) - 1
        self.cursor.x = min(x + self._left, self._right) if self._origin else min(x, self.columns - 1)

    def cursor_to_line(self, line: int | None = None) -> None:
        """VPA."""
        self.cursor_position(line, self.cursor_column + 1 - (self._left if self._origin else 0))

    def cursor_lines_down(self, count: int | None = None) -> None:
        """VPR: like VPA, it may leave the region unless origin mode is set."""
        first = self._top if self._origin else 0
        self.cursor_to_line(self.cursor.y - first + 1 + (count or 1))

    def set_margins(self, top: int | None = None, bottom: int | None = None) -> None:
        """DECSTBM: set the region and home the cursor; a region of less than two lines is ignored."""
        first = (top or 1) - 1
        last = min(bottom or self.lines, self.lines) - 1
        if first < last:
            self._top, self._bottom = first, last
            self.cursor_position()

    def set_side_margins(self, left: int | None = None, right: int | None = None) -> None:
        """DECSLRM while mode 69 is set: set the margins and home the cursor. SCOSC otherwise."""
        if not self._has_side_margins:
            self.save_cursor()
            return
        first = (left or 1) - 1
        last = min(right or self.columns, self.columns) - 1
        if first < last:
            self._set_side_margins(first, last)
            self.cursor_position()
            self._by_rows(self._settled_rows())

    def _settled_rows(self) -> Iterator[None]:
        """Between side margins a new line moves cells of all rows at once, which must be there by then."""
        for row in self._rows:
            self._spend(A_ROW + row.load)
            row.settle()
            yield

    def tab(self) -> None:
        """HT: on to the next stop, the margin or the last column; a pending wrap stays pending, but for mode 41."""
        if self.cursor.x < self.columns:
            self._tab_forward()
        elif self._tab_wraps:
            self.index()
            self.cursor.x = 0
            self._tab_forward()

    def tab_forward(self, count: int | None = None) -> None:
        """CHT."""
        before = -1
        for _ in range(min(count or 1, self.columns)):
            if self.cursor.x == before:
                break
            before = self.cursor.x
            self.tab()
        self._spend(self.columns)

    def tab_back(self, count: int | None = None) -> None:
        """CBT."""
        x = self.cursor_column
        first = self._left if self._origin else 0
        stops = sorted(at for at in self.tabstops if 0 < at < x)
        back = min(count or 1, self.columns)
        self.cursor.x = max(stops[-back] if back <= len(stops) else 0, first)
        self._spend(self.columns)

    def set_tab_stop(self) -> None:
        """HTS."""
        self.tabstops.add(self.cursor_column)

    def clear_tab_stop(self, how: int = 0) -> None:
        """TBC: the stop under the cursor (0) or all (3)."""
        if how == 0:
            self.tabstops.discard(self.cursor_column)
        elif how == 3:
            self.tabstops.clear()

    def reset_tab_stops(self, how: int = 0) -> None:
        """DECST8C: a stop in each eighth column."""
        if how == 5:
            self.tabstops = default_tab_stops(self.columns)

    @property
    def has_default_tab_stops(self) -> bool:
        """Whether the stops are those of a new terminal."""
        return self.tabstops == default_tab_stops(self.columns)

    def save_cursor(self) -> None:
        """DECSC; each screen keeps its own."""
        self._page.saved = self._cursor_to_save()

    def _cursor_to_save(self) -> SavedCursor:
        cursor = self.cursor
        x, edge = cursor.x, self._edge if cursor.x >= self.columns and self._edge < self.columns - 1 else -1
        if edge == 0:
            # Of a row with room for one character; no terminal could be brought to save that with other rows.
            x, edge = 0, -1
        charsets = tuple(self._charsets)
        return SavedCursor(x, cursor.y, cursor.style, charsets, self.charset, self._origin, self.charset_right, edge)

    def restore_cursor(self) -> None:
        """DECRC; without a DECSC, as if a new terminal had been saved. In origin mode it stays within the margins."""
        saved = self._page.saved
        self._charsets = list(saved.charsets)
        self.charset, self.charset_right = saved.charset, saved.charset_right
        self._origin = saved.origin
        self.cursor.style = saved.style
        self._restore_column(saved)
        first, end = (self._top, self._bottom) if saved.origin else (0, self.lines - 1)
        self.cursor.y = max(first, min(saved.y, end))

    def _restore_column(self, saved: SavedCursor) -> None:
        """Where the margins are others than when a wrap was pending, it is none any more."""
        x, edge = min(saved.x, self.columns), self.columns - 1 if saved.edge < 0 else min(saved.edge, self.columns - 1)
        row = self._rows[min(saved.y, self.lines - 1)]
        if row.size:
            is_margin, edge = edge == row.room - 1, min(edge, row.room - 1)
        else:
            is_margin = edge == self._right or (edge == self.columns - 1 and edge > self._right)
        if x >= self.columns and is_margin:
            self._edge = edge
        elif x >= self.columns:
            x = edge
        if self._origin and self._narrowed and not self._left <= (edge if x >= self.columns else x) <= self._right:
            x = max(self._left, min(x, self._right))
        self.cursor.x = x

    def _tab_forward(self) -> None:
        x, stops = self.cursor.x + 1, self.tabstops
        last = self._right if x <= self._right + 1 else self.columns - 1
        while x < last and x not in stops:
            x += 1
        self.cursor.x = self._within_room(min(x, last))

    def _within_room(self, x: int) -> int:
        """The column `x`, or the last that can be seen of the cursor's row."""
        return min(x, self._rows[self.cursor.y].room - 1) if self._has_sizes else x

    def _settle_wrap(self) -> None:
        """Take back a pending wrap: the cursor is on the last column again."""
        if self.cursor.x >= self.columns:
            self.cursor.x = self._edge
