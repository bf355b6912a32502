"""The line of keys at the bottom."""

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.reactive import Reactive
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
            if isinstance(compact := getattr(type(key), "compact", None), Reactive):
                # Textual would style each key three times: as it is, as a compact one, and as it is.
                key.set_reactive(compact, self.compact)
            yield key

    async def recompose(self) -> None:
        """Mount the keys anew if they are others, as each is a widget: whatever gets the focus asks for it."""
        if not self.is_attached or _faces(list(self.compose())) != _faces(self.children):
            await super().recompose()

    def on_resize(self, _event: Resize) -> None:
        """Show the keys that fit now."""
        self.call_after_refresh(self.recompose)


def _faces(keys: Sequence[Widget]) -> list[tuple[object, ...]]:
    """What makes keys look and do as they do."""
    names = ("key", "key_display", "description", "action", "tooltip")
    return [(*(getattr(key, name, None) for name in names), key.has_class("-disabled")) for key in keys]


def _rank(key: Widget) -> int:
    action = getattr(key, "action", "").rpartition(".")[2]
    return _FIRST.index(action) if action in _FIRST else len(_FIRST)
