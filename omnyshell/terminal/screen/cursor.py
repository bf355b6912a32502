"""Cursor movement and tab stops (ECMA-48 8.3; DEC STD 070, 5.4)."""

from omnyshell.terminal.screen.grid import Grid
from omnyshell.terminal.screen.page import SavedCursor


class Moving(Grid):
    """A grid with cursor movement. Counts of None or 0 mean 1; columns and lines are 1-based."""

    charset: int
    charset_right: int
    _charsets: list[str]
    _origin: bool = False
    _newline_mode: bool = False

    def carriage_return(self) -> None:
        """CR."""
        self.cursor.x = 0

    def backspace(self) -> None:
        """BS; from a pending wrap it leaves the last column, as xterm does."""
        self.cursor_back(1)

    def linefeed(self) -> None:
        """LF, VT, FF; a carriage return too while mode 20 (LNM) is set."""
        self.index()
        if self._newline_mode:
            self.cursor.x = 0

    def next_line(self) -> None:
        """NEL."""
        self.index()
        self.cursor.x = 0

    def index(self) -> None:
        """IND: down one line, scrolling at the region's end."""
        cursor = self.cursor
        if cursor.x >= self.columns:
            cursor.x = self.columns - 1
        if cursor.y == self._bottom:
            self._scroll_one()
        elif cursor.y < self.lines - 1:
            cursor.y += 1

    def reverse_index(self) -> None:
        """RI: up one line, scrolling at the region's start."""
        cursor = self.cursor
        if cursor.x >= self.columns:
            cursor.x = self.columns - 1
        if cursor.y == self._top:
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
        self.cursor.x = 0

    def cursor_down1(self, count: int | None = None) -> None:
        """CNL."""
        self.cursor_down(count)
        self.cursor.x = 0

    def cursor_forward(self, count: int | None = None) -> None:
        """CUF, HPR."""
        self.cursor.x = min(self.columns - 1, self.cursor.x + (count or 1))

    def cursor_back(self, count: int | None = None) -> None:
        """CUB."""
        x = min(self.cursor.x, self.columns - 1)
        self.cursor.x = max(0, x - (count or 1))

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        """CUP, HVP: within the region, and counted from it, in origin mode."""
        y = (line or 1) - 1
        x = (column or 1) - 1
        if self._origin:
            self.cursor.y = min(y + self._top, self._bottom)
        else:
            self.cursor.y = y if y < self.lines else self.lines - 1
        self.cursor.x = x if x < self.columns else self.columns - 1

    def cursor_to_column(self, column: int | None = None) -> None:
        """CHA, HPA."""
        self.cursor.x = min((column or 1), self.columns) - 1

    def cursor_to_line(self, line: int | None = None) -> None:
        """VPA."""
        self.cursor_position(line, min(self.cursor.x, self.columns - 1) + 1)

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

    def tab(self) -> None:
        """HT: on to the next stop or the last column; a pending wrap stays pending."""
        if self.cursor.x < self.columns:
            self._tab_forward()

    def tab_forward(self, count: int | None = None) -> None:
        """CHT."""
        for _ in range(min(count or 1, self.columns)):
            self.tab()

    def tab_back(self, count: int | None = None) -> None:
        """CBT."""
        x = min(self.cursor.x, self.columns - 1)
        for _ in range(min(count or 1, self.columns)):
            x = next((at for at in range(x - 1, 0, -1) if at in self.tabstops), 0)
        self.cursor.x = x

    def set_tab_stop(self) -> None:
        """HTS."""
        self.tabstops.add(min(self.cursor.x, self.columns - 1))

    def clear_tab_stop(self, how: int = 0) -> None:
        """TBC: the stop under the cursor (0) or all (3)."""
        if how == 0:
            self.tabstops.discard(min(self.cursor.x, self.columns - 1))
        elif how == 3:
            self.tabstops.clear()

    def save_cursor(self) -> None:
        """DECSC; each screen keeps its own."""
        self._page.saved = self._cursor_to_save()

    def _cursor_to_save(self) -> SavedCursor:
        cursor = self.cursor
        return SavedCursor(
            cursor.x, cursor.y, cursor.style, tuple(self._charsets), self.charset, self._origin, self.charset_right
        )

    def restore_cursor(self) -> None:
        """DECRC; without a DECSC, as if a new terminal had been saved. In origin mode it stays within the region."""
        saved = self._page.saved
        self._charsets = list(saved.charsets)
        self.charset, self.charset_right = saved.charset, saved.charset_right
        self._origin = saved.origin
        self.cursor.style = saved.style
        self.cursor.x = min(saved.x, self.columns)
        first, end = (self._top, self._bottom) if saved.origin else (0, self.lines - 1)
        self.cursor.y = max(first, min(saved.y, end))

    def _tab_forward(self) -> None:
        x, stops, last = self.cursor.x + 1, self.tabstops, self.columns - 1
        while x < last and x not in stops:
            x += 1
        self.cursor.x = min(x, last)

    def _settle_wrap(self) -> None:
        """Take back a pending wrap: the cursor is on the last column again."""
        if self.cursor.x >= self.columns:
            self.cursor.x = self.columns - 1
