"""The life of a stream that goes both ways and can be half-closed: one state machine for TCP, TLS, HTTP and channels.

No I/O and no clock: whoever owns a stream tells what has happened, and is told what is to be done. Any event may come
at any time, as peers choose the order; one that has no effect any more is answered with `False` or `Due.NOTHING`.

    incoming   OPEN -> ENDING -> ENDED    ENDING: the other side has finished, and what it sent is not all handed on
    outgoing   OPEN -> ENDING -> ENDED    ENDING: this side has finished, and what it wrote has not all gone out
    stage      OPENING -> OPEN -> CLOSING or RESETTING -> CLOSED -> GONE, from each to any that follows

The directions are independent of each other until the stage is past OPEN: then nothing comes in any more, and what was
written still goes out, as long as the stream is not GONE.
"""

import logging
from collections.abc import Mapping
from enum import Enum

from omnyshell.steps import step

logger = logging.getLogger("omnyshell.streams")


class Way(Enum):
    """Where one direction stands."""

    OPEN = "open"
    ENDING = "ending"
    ENDED = "ended"


class Stage(Enum):
    """Where the whole stands."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    """It closes behind all that was written."""

    RESETTING = "resetting"
    """So too, and the other side is to see that not all went well."""

    CLOSED = "closed"
    """It was closed, and is not let go yet."""

    GONE = "gone"


class Due(Enum):
    """What is to be done now that nothing waits to go out."""

    NOTHING = "nothing"
    END = "end"
    """End the outgoing direction."""

    CLOSE = "close"
    RESET = "reset"


_NEXT: Mapping[Enum, frozenset[Enum]] = {
    Way.OPEN: frozenset({Way.ENDING}),
    Way.ENDING: frozenset({Way.ENDED}),
    Way.ENDED: frozenset(),
    Stage.OPENING: frozenset({Stage.OPEN, Stage.CLOSING, Stage.RESETTING, Stage.GONE}),
    Stage.OPEN: frozenset({Stage.CLOSING, Stage.RESETTING, Stage.GONE}),
    Stage.CLOSING: frozenset({Stage.CLOSED, Stage.GONE}),
    Stage.RESETTING: frozenset({Stage.CLOSED, Stage.GONE}),
    Stage.CLOSED: frozenset({Stage.GONE}),
    Stage.GONE: frozenset(),
}

NO_IDS: Mapping[str, object] = {}


def log_change(kind: str, ids: Mapping[str, object], what: str, to: Enum) -> None:
    """Tell the log what something has become; nothing else of it."""
    if logger.isEnabledFor(logging.DEBUG):
        step(logger, f"{kind}: {what} {to.value}", **ids)


class Duplex:
    """One stream's life. `kind` and `ids`, fields of a step, say in the log whose it is; `ids` may grow."""

    __slots__ = ("_ids", "_kind", "incoming", "is_gone", "may_receive", "may_send", "outgoing", "stage")

    def __init__(self, kind: str, ids: Mapping[str, object] = NO_IDS) -> None:
        self._kind = kind
        self._ids = ids
        self.stage = Stage.OPENING
        self.incoming = Way.OPEN
        self.outgoing = Way.OPEN
        self.may_receive = False
        """Whether what comes in is to be handed on."""

        self.may_send = False
        """Whether more can be written."""

        self.is_gone = False
        """Whether nothing is left."""

    @property
    def is_opening(self) -> bool:
        """Whether nothing can flow yet."""
        return self.stage is Stage.OPENING

    @property
    def is_ending(self) -> bool:
        """Whether the whole is on its way to its end, or there."""
        return self.stage not in (Stage.OPENING, Stage.OPEN)

    def open(self) -> bool:
        """Bytes can flow. Ends that were told before count from now on: see `delivered` and `flushed`."""
        return self.stage is Stage.OPENING and self._move("stage", Stage.OPEN)

    def receive_end(self, *, waits: bool = False) -> bool:
        """The other side has finished; returns whether its end is to be handed on now.

        Where something that it sent `waits`, or the stream is not open, that is to be asked of `delivered` later.
        """
        if self.is_ending or self.incoming is not Way.OPEN:
            return False
        self._move("incoming", Way.ENDING)
        return not waits and self.delivered()

    def delivered(self) -> bool:
        """All that came in has been handed on; returns whether the end is to follow now, once."""
        return self.stage is Stage.OPEN and self.incoming is Way.ENDING and self._move("incoming", Way.ENDED)

    def send_end(self) -> bool:
        """We have finished; returns whether that is new. Its end goes out as `flushed` says."""
        return not self.is_ending and self.outgoing is Way.OPEN and self._move("outgoing", Way.ENDING)

    def flushed(self) -> Due:
        """All that was written has gone out; returns what is to follow now, each once."""
        if self.stage is Stage.OPEN:
            is_due = self.outgoing is Way.ENDING and self._move("outgoing", Way.ENDED)
            return Due.END if is_due else Due.NOTHING
        due = {Stage.CLOSING: Due.CLOSE, Stage.RESETTING: Due.RESET}.get(self.stage, Due.NOTHING)
        if due is not Due.NOTHING:
            self._move("stage", Stage.CLOSED)
        return due

    def close(self, *, reset: bool = False) -> bool:
        """End both directions; returns whether that is new. The stream is closed as `flushed` says."""
        return not self.is_ending and self._move("stage", Stage.RESETTING if reset else Stage.CLOSING)

    def lose(self) -> bool:
        """Nothing is left of the stream; returns whether that is new."""
        return self.stage is not Stage.GONE and self._move("stage", Stage.GONE)

    def _move(self, what: str, to: Way | Stage) -> bool:
        """Change one of the three. Raises `RuntimeError` for what never follows."""
        before: Way | Stage = getattr(self, what)
        if to not in _NEXT[before]:
            raise RuntimeError(f"{self._kind}: {what} cannot become {to.value} after {before.value}")
        setattr(self, what, to)
        # Asked for every piece that moves, so not worked out each time.
        is_open, self.is_gone = self.stage is Stage.OPEN, self.stage is Stage.GONE
        self.may_receive = is_open and self.incoming is not Way.ENDED
        self.may_send = is_open and self.outgoing is Way.OPEN
        log_change(self._kind, self._ids, what, to)
        return True
