"""Erasing, inserting and deleting (ECMA-48 8.3). What becomes blank takes the pen's background (xterm's "bce")."""

from typing import Any

from omnyshell.terminal.screen.cursor import Moving
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE


class Editing(Moving):
    """A grid that can be erased and edited. Counts of None or 0 mean 1."""

    def erase_in_line(self, how: int = 0, *_more: Any, private: bool = False, **_other: Any) -> None:  # noqa: ARG002
        """EL, and DECSEL as if nothing were protected: to the end (0), from the start (1), the whole line (2).

        With a wrap pending nothing is erased to the end: the cursor is past it, as in xterm.js and tmux.
        """
        cursor = self.cursor
        row, style = self._rows[cursor.y], cursor.style.erased
        if how == 0:
            if cursor.x == 0:
                row.clear(style)
            else:
                row.wrapped = False
                row.erase(cursor.x, self.columns, style)
        elif how == 1:
            row.erase(0, min(cursor.x + 1, self.columns), style)
        elif how == 2:
            row.clear(style)

    def erase_in_display(self, how: int = 0, *_more: Any, private: bool = False, **_other: Any) -> None:  # noqa: ARG002
        """ED, and DECSED: to the end (0), from the start (1), the whole screen (2), the scrollback (3)."""
        y = self.cursor.y
        if how == 0:
            self.erase_in_line(0)
            self._clear_rows(y + 1, self.lines)
        elif how == 1:
            self._clear_rows(0, y)
            self.erase_in_line(1)
        elif how == 2:
            self._clear_rows(0, self.lines)
        elif how == 3:
            self.scrollback.clear()

    def erase_characters(self, count: int | None = None) -> None:
        """ECH."""
        self._settle_wrap()
        x = self.cursor.x
        self._row.erase(x, min(x + (count or 1), self.columns), self.cursor.style.erased)

    def insert_characters(self, count: int | None = None) -> None:
        """ICH."""
        self._settle_wrap()
        self._row.insert(self.cursor.x, count or 1, self.cursor.style.erased)

    def delete_characters(self, count: int | None = None) -> None:
        """DCH."""
        self._settle_wrap()
        self._row.delete(self.cursor.x, count or 1, self.cursor.style.erased)

    def insert_lines(self, count: int | None = None) -> None:
        """IL; nothing outside the scrolling region. The cursor goes to the first column."""
        if self._top <= self.cursor.y <= self._bottom:
            self._move_down(self.cursor.y, count or 1)
            self.cursor.x = 0

    def delete_lines(self, count: int | None = None) -> None:
        """DL; nothing outside the scrolling region. The cursor goes to the first column."""
        if self._top <= self.cursor.y <= self._bottom:
            self._move_up(self.cursor.y, count or 1)
            self.cursor.x = 0

    def alignment_display(self) -> None:
        """DECALN (DEC STD 070, 8.2): the screen full of E, no margins, the cursor home."""
        self._top, self._bottom = 0, self.lines - 1
        self._origin = False
        for row in self._rows:
            row.clear(DEFAULT_STYLE)
            row.runs.append((0, "E" * self.columns, DEFAULT_STYLE))
        self.cursor_position()

    @property
    def _row(self) -> Row:
        return self._rows[self.cursor.y]

    def _clear_rows(self, first: int, end: int) -> None:
        style = self.cursor.style.erased
        for row in self._rows[first:end]:
            row.clear(style)
