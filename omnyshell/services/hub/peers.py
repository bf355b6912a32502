"""What the broker, the registry and the relay need of a connected peer."""

from typing import Protocol

from omnyshell.errors import ErrorCodes
from omnyshell.model.principals import Principal
from omnyshell.protocol.messages import ControlMessage
from omnyshell.security.authenticators import Evidence


class Peer(Protocol):
    """A logged-in connection. Peers are compared and hashed by identity."""

    @property
    def principal(self) -> Principal:
        """Who logged in."""

    @property
    def evidence(self) -> Evidence | None:
        """What the login was accepted for, where that is known."""

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the peer announced."""

    @property
    def address(self) -> str:
        """The peer's IP address."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message ahead of all data."""

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        """Send a message behind what its channel has queued."""

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        """Send a data frame on, addressed to this channel."""

    def discard(self, channel: int) -> None:
        """Forget what waits to be sent on the channel."""

    def dropped(self, size: int) -> None:
        """Count a data frame of the peer that has no place, with so many bytes."""

    def fail(self, code: ErrorCodes, text: str) -> None:
        """Send a fatal `error` and close 4400."""

    def close(self, code: int, reason: str) -> None:
        """Close with this code."""
