"""The line of keys at the bottom."""

from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Footer

_FIRST: Final = ("show_help", "command_palette")

_PADDING: Final = 3
"""Cells that a key has beside its name and what it does."""


class KeyFooter(Footer):
    """Names the keys that lead to all others first, and no key that would be cut, however narrow the screen is."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        """The keys of the screen that have room, in another order than Textual's."""
        room = self.app.size.width
        for key in sorted(super().compose(), key=_rank):
            room -= cell_len(getattr(key, "key_display", "")) + cell_len(getattr(key, "description", "")) + _PADDING
            if room < 0:
                return
            yield key

    def on_resize(self, _event: Resize) -> None:
        """Show what has room now."""
        self.call_after_refresh(self.recompose)


def _rank(key: Widget) -> int:
    action = getattr(key, "action", "").rpartition(".")[2]
    return _FIRST.index(action) if action in _FIRST else len(_FIRST)
