"""The remote terminals: tabs, splits, and what goes on in them."""

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer, Static


class TerminalsScreen(Screen[None]):
    """Holds every session that is attached in this console."""

    def compose(self) -> ComposeResult:
        """Say that there is no terminal yet."""
        yield Static("No terminal yet. Choose a node in the overview and press Enter.", markup=False)
        yield Footer()

    @property
    def live_terminals(self) -> list[str]:
        """The sessions that are attached now, by their ids."""
        return []

    async def detach_all(self) -> int:
        """Detach every live session; returns how many there were."""
        return 0
