"""States of a connection and of a session."""

import logging
from collections.abc import Callable, Mapping
from enum import Enum, auto

from omnyshell.steps import step

logger = logging.getLogger("omnyshell.client")


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


_FOLLOWING: Mapping[Stage, frozenset[Stage]] = {
    Stage.OPENING: frozenset({Stage.OPEN, Stage.ENDED}),
    Stage.OPEN: frozenset({Stage.EXITED, Stage.SUSPENDED, Stage.ENDED}),
    Stage.EXITED: frozenset({Stage.ENDED}),
    Stage.SUSPENDED: frozenset({Stage.OPEN, Stage.ENDED}),
    Stage.ENDED: frozenset(),
}


def entered(stage: Stage, before: Stage, **ids: object) -> Stage:
    """Return `stage`, and log the change. Raises `RuntimeError` for a stage that cannot follow `before`."""
    if stage not in _FOLLOWING[before]:
        raise RuntimeError(f"a session cannot be {stage.value} after it was {before.value}")
    step(logger, f"session {stage.value}", **ids)
    return stage


class Input(Enum):
    """The state of a session's input."""

    OPEN = "open"
    ENDED = "ended"
    """The input was ended. After a resume the node is told so again, unless it knows."""


StateListener = Callable[[LinkState], None]


def ignore_state(_state: LinkState) -> None:
    """A listener that does nothing."""
