"""What becomes of a connection and of a session when the hub is lost."""

from collections.abc import Callable
from enum import Enum, auto


class LinkState(Enum):
    """What a client and its sessions tell those who show them."""

    RECONNECTING = auto()
    """The hub is lost; it is being dialed, or the session's node is being waited for."""

    CONNECTED = auto()
    """The client has its hub again."""

    RESUMED = auto()
    """The session goes on, and no byte of output is missing or doubled."""

    RESET = auto()
    """The session goes on with its present screen painted: what it printed meanwhile was not kept.

    Output that was received and not read yet is dropped.
    """

    LOST = auto()
    """The hub could not be reached again in time."""


StateListener = Callable[[LinkState], None]


def ignore_state(_state: LinkState) -> None:
    """A listener that does nothing."""
