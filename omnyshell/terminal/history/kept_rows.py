"""Rows of a screen that go into a history together, and are packed when there is time."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from omnyshell.terminal.history.pages import Page
from omnyshell.terminal.screen.rows import Row

WEIGHT_OF_PAGE: Final = 512
_WEIGHT_OF_ROW: Final = 4
_COLUMNS: Final = 100
"""Columns that weigh as much as a run."""

_BYTES_A_ROW: Final = 400


def weight_of_row(width: int) -> int:
    """Return what a row weighs beside its runs, so that a page of any contents is packed in a few milliseconds."""
    return _WEIGHT_OF_ROW + width // _COLUMNS


class KeptRows:
    """Rows that nobody changes any more, of one width; see `Unsettled`."""

    def __init__(self, rows: Sequence[Row], width: int) -> None:
        self.count = len(rows)
        self.size = _BYTES_A_ROW * len(rows)
        # Each is forgotten once it is packed: to forget all of them at once may take long.
        self._rows = deque(rows)
        self._width = width
        self._pages: list[Page] = []

    def work(self) -> bool:
        """Pack a bounded part of the rows; return whether more is left."""
        packed: list[Row] = []
        weight = 0
        while self._rows and weight < WEIGHT_OF_PAGE:
            row = self._rows.popleft()
            weight += weight_of_row(self._width) + row.compact()
            packed.append(row)
        self._pages.append(Page(packed, self._width, 0))
        return bool(self._rows)

    def pages(self) -> list[Page]:
        """Return the rows, packed."""
        return self._pages
