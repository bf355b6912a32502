"""States of a connection and of a session."""

from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto


class LinkState(Enum):
    """The states that a client and its sessions report to `on_state`."""

    RECONNECTING = auto()
    """The hub is lost and being dialed, or the session's node is missing."""

    CONNECTED = auto()
    """The client is connected to its hub again."""

    RESUMED = auto()
    """The session goes on, and no byte of output is missing or doubled."""

    RESET = auto()
    """The session goes on with its present screen painted, as output in between was lost.

    Output that was received but not read yet is dropped.
    """

    LOST = auto()
    """The hub could not be reached again in time."""


class Stage(Enum):
    """The stage of a session's life, as its client sees it."""

    OPENING = "opening"
    OPEN = "open"
    EXITED = "exited"
    """The program's exit is known; the channel is not closed yet."""

    SUSPENDED = "suspended"
    """It waits to be resumed."""

    ENDED = "ended"


FOLLOWING: Mapping[Stage, Collection[Stage]] = {
    Stage.OPENING: {Stage.OPEN, Stage.ENDED},
    Stage.OPEN: {Stage.EXITED, Stage.SUSPENDED, Stage.ENDED},
    Stage.EXITED: {Stage.ENDED},
    Stage.SUSPENDED: {Stage.OPEN, Stage.ENDED},
    Stage.ENDED: (),
}
"""The stages that can follow each."""


StateListener = Callable[[LinkState], None]


def ignore_state(_state: LinkState) -> None:
    """A listener that does nothing."""
