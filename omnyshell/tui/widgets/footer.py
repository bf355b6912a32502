"""The line of keys at the bottom."""

from typing import Final

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer

_FIRST: Final = ("show_help", "command_palette")


class KeyFooter(Footer):
    """Names the keys that lead to all others first, so that they are seen however narrow the screen is."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        """The keys of the screen, in another order than Textual's."""
        yield from sorted(super().compose(), key=_rank)


def _rank(key: Widget) -> int:
    action = getattr(key, "action", "").rpartition(".")[2]
    return _FIRST.index(action) if action in _FIRST else len(_FIRST)
