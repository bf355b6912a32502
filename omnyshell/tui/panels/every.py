"""The panels of the overview, by the names that files and commands have for them."""

from collections.abc import Mapping
from typing import Any, Final

from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.nodes import NodesPanel
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.tunnels import TunnelsPanel

PANELS: Final[Mapping[str, type[Panel[Any]]]] = {
    panel.NAME.lower(): panel for panel in (NodesPanel, SessionsPanel, TunnelsPanel, AuditPanel)
}
