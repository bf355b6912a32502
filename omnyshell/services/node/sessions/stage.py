"""The stages of a node's session. Whether a client is attached is independent of them."""

from collections.abc import Collection, Mapping
from enum import Enum


class Stage(Enum):
    """How far a session has come."""

    STARTING = "starting"
    """Its process is being started."""

    RUNNING = "running"
    ENDING = "ending"
    """It was killed, or its node stops: it waits for its processes to end."""

    ENDED = "ended"
    """The exit is known. Output and exit are kept for a client that may not have them."""


FOLLOWING: Mapping[Stage, Collection[Stage]] = {
    Stage.STARTING: {Stage.RUNNING},
    Stage.RUNNING: {Stage.ENDING, Stage.ENDED},
    Stage.ENDING: {Stage.ENDED},
    Stage.ENDED: (),
}
"""The stages that can follow each."""
