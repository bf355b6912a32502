"""The panels of the overview, by the names that files and commands have for them."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from textual.binding import Binding

from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.tunnels import TunnelsPanel
from omnyshell.tui.preferences.own import Own

P = TypeVar("P", bound=Panel[Any])


def with_commands(panel: type[P], own: Own) -> type[P]:
    """Return the panel's class, with a key for each command of the user's own."""
    made = [
        Binding(command.key, f"own('{command.name}')", command.name, tooltip="A command of your own")
        for command in own.commands_of(panel.NAME.lower())
        if command.key
    ]
    return type(panel.__name__, (panel,), {"BINDINGS": made}) if made else panel


PANELS: Final[Mapping[str, type[Panel[Any]]]] = {
    panel.NAME.lower(): panel for panel in (NodesPanel, SessionsPanel, TunnelsPanel, AuditPanel)
}
