"""What commands need of the console."""

from typing import Protocol

from textual.message import Message
from textual.screen import Screen

from omnyshell.clock import Clock
from omnyshell.tui.dialogs.tunnel import TunnelSpec
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.screens.overview import OverviewScreen
from omnyshell.tui.screens.terminals import TerminalsScreen
from omnyshell.tui.settings import ConsoleSettings


class Console(Protocol):
    """The console as commands see it."""

    hub: HubLink
    clock: Clock
    settings: ConsoleSettings
    overview: OverviewScreen
    terminals: TerminalsScreen

    def post_message(self, message: Message) -> bool:
        """Have something done that is a message."""

    def switch_mode(self, mode: str) -> object:
        """Go to the overview, the terminals or the wall."""

    def use_theme(self, name: str) -> list[str]:
        """Use a theme, or the usual one; returns what is wrong with its file."""

    async def open_tunnel(self, spec: TunnelSpec) -> None:
        """Open a tunnel, and say where it is. Raises `OmnyShellException`."""

    def go_to_hub(self, name: str) -> None:
        """Go to another hub, by URL or the name of its login; `local` is this machine's."""

    @property
    def screen(self) -> Screen[object]:
        """What is shown."""
