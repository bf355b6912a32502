"""Rows of a screen that go into a history together, and are packed when there is time."""

from collections.abc import Sequence
from typing import Final

from omnyshell.terminal.history.pages import Page
from omnyshell.terminal.screen.rows import Row

_STEP: Final = 512
_A_ROW: Final = 4
_BYTES_A_ROW: Final = 400


class KeptRows:
    """Rows that nobody changes any more, of one width; see `Unsettled`."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        self.count = len(rows)
        self.size = _BYTES_A_ROW * len(rows)
        self._rows = rows
        self._width = width
        self._at = 0
        self._pages: list[Page] = []

    def work(self) -> bool:
        """Pack a bounded part of the rows; return whether more is left."""
        begun = end = self._at
        weight = 0
        while end < len(self._rows) and weight < _STEP:
            weight += _A_ROW + self._rows[end].compact()
            end += 1
        self._pages.append(Page(self._rows[begun:end], self._width, 0))
        self._at = end
        return end < len(self._rows)

    def pages(self) -> list[Page]:
        """Return the rows, packed."""
        return self._pages
