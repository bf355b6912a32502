"""What becomes of a connection, and of a session."""

import logging
from collections.abc import Callable, Mapping
from enum import Enum, auto

from omnyshell.steps import step

logger = logging.getLogger("omnyshell.client")


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


class Stage(Enum):
    """Where a session stands, as its client sees it."""

    OPENING = "opening"
    OPEN = "open"
    EXITED = "exited"
    """How its program ended is known; its channel has yet to be closed."""

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
    """Return the stage that follows another, and tell the log. Raises `RuntimeError` for one that never does."""
    if stage not in _FOLLOWING[before]:
        raise RuntimeError(f"a session cannot be {stage.value} after it was {before.value}")
    step(logger, f"session {stage.value}", **ids)
    return stage


class Input(Enum):
    """Where a session's input stands."""

    OPEN = "open"
    ENDED = "ended"
    """It was finished, which its node is told again where it has not heard so."""


StateListener = Callable[[LinkState], None]


def ignore_state(_state: LinkState) -> None:
    """A listener that does nothing."""
