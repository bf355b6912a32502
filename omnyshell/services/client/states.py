"""States of a connection and of a session, and how its program ended."""

from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto

import msgspec


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


class ExitStatus(msgspec.Struct, frozen=True):
    """How a program ended: its exit code, or the negative number of the signal that killed it."""

    code: int
    signal: str | None = None

    @property
    def shell_code(self) -> int:
        """The code that a shell reports: 128 plus the signal's number for a death by signal.

        Exit codes outside 0 to 255, as from Windows, become 255, so that they never look like success.
        """
        code = self.code if self.code >= 0 else 128 - self.code
        return code if code in range(256) else 255


class Stage(Enum):
    """The stage of a session's life, as its client sees it."""

    OPENING = "opening"
    MOVING = "moving"
    """It is to be asked for at another hub, as this one does not reach that of the node."""

    OPEN = "open"
    EXITED = "exited"
    """The program's exit is known; the channel is not closed yet."""

    SUSPENDED = "suspended"
    """It waits to be resumed."""

    ENDED = "ended"


FOLLOWING: Mapping[Stage, Collection[Stage]] = {
    Stage.OPENING: {Stage.OPEN, Stage.MOVING, Stage.ENDED},
    Stage.MOVING: {Stage.OPENING, Stage.ENDED},
    Stage.OPEN: {Stage.EXITED, Stage.SUSPENDED, Stage.ENDED},
    Stage.EXITED: {Stage.ENDED},
    Stage.SUSPENDED: {Stage.OPEN, Stage.ENDED},
    Stage.ENDED: (),
}
"""The stages that can follow each."""


StateListener = Callable[[LinkState], None]


def ignore_state(_state: LinkState) -> None:
    """A listener that does nothing."""
