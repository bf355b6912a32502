"""The line of keys at the bottom."""

from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Footer

_FIRST: Final = ("show_help", "command_palette")

_PADDING: Final = 3
"""Cells for each key in addition to its name and text."""


class KeyFooter(Footer):
    """Shows the keys that lead to all others first, and omits keys that do not fit."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        """The screen's keys that fit, in an order of their own."""
        room = self.app.size.width
        for key in sorted(super().compose(), key=_rank):
            room -= cell_len(getattr(key, "key_display", "")) + cell_len(getattr(key, "description", "")) + _PADDING
            if room < 0:
                return
            yield key

    def on_resize(self, _event: Resize) -> None:
        """Show the keys that fit now."""
        self.call_after_refresh(self.recompose)


def _rank(key: Widget) -> int:
    action = getattr(key, "action", "").rpartition(".")[2]
    return _FIRST.index(action) if action in _FIRST else len(_FIRST)
