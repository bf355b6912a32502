"""Output that was skipped, and is made into lines of the history when there is time."""

from typing import Final

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.history.pages import Page

_STEP: Final = 2048
_OVERHEAD: Final = 8 * 1024
"""Bytes that the terminal of one line takes."""

_BYTES_A_CELL: Final = 8
"""More than text has for a cell, so that rows are counted that no newline ends."""


class KeptText:
    """Plain output that ends with a newline, and the terminal of one line on which it goes on; see `Unsettled`."""

    def __init__(self, line: Emulator, text: bytes, newlines: int) -> None:
        self.count = max(newlines, len(text) // (_BYTES_A_CELL * line.columns))
        self.size = len(text) + _OVERHEAD
        self._line = line
        self._text = text
        self._at = 0

    def work(self) -> bool:
        """Draw a bounded part of the text; return whether more is left."""
        end = self._at + _STEP
        self._line.feed(self._text[self._at : end])
        self._at = end
        return end < len(self._text)

    def pages(self) -> list[Page]:
        """Return its rows."""
        return self._line.scrollback.pages()
