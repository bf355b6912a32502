"""What the screens of terminals and previews need of the console."""

from typing import Protocol

from omnyshell.services.client.client import OmnyShellClient
from omnyshell.tui.settings import ConsoleSettings


class ConsoleContext(Protocol):
    """The hub and the settings."""

    @property
    def client(self) -> OmnyShellClient:
        """The connection that sessions are opened on. Raises `TransportException` while there is none."""

    @property
    def settings(self) -> ConsoleSettings:
        """What the user decided."""
