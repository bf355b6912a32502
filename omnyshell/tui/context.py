"""The console as terminals and previews use it."""

from typing import Protocol

from omnyshell.services.client.client import OmnyShellClient
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.settings import ConsoleSettings


class ConsoleContext(Protocol):
    """The hub and the settings."""

    @property
    def client(self) -> OmnyShellClient:
        """The connection that sessions are opened on. Raises `TransportException` while there is none."""

    @property
    def hub(self) -> HubLink:
        """The link to the hub, with what it knows."""

    @property
    def settings(self) -> ConsoleSettings:
        """The user's settings."""
