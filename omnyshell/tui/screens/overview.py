"""The overview: nodes, sessions, tunnels and the audit trail, live."""

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer, Static


class OverviewScreen(Screen[None]):
    """What the hub knows, as it happens."""

    def compose(self) -> ComposeResult:
        """Lay out the panels."""
        yield Static("Nodes", markup=False)
        yield Footer()
