"""Previews of all detached sessions, over all nodes."""

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer, Static


class WallScreen(Screen[None]):
    """A wall of previews."""

    def compose(self) -> ComposeResult:
        """Say that there is nothing to see yet."""
        yield Static("No detached session yet. Detach one, and it shows here.", markup=False)
        yield Footer()
