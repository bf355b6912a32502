"""The state machine of a bidirectional stream that can be half-closed; TCP, TLS, HTTP and channels use it.

No I/O and no clock: the owner of a stream reports events, and the results say what to do. Peers choose the order of
events, so any event may come at any time; one without effect returns `False` or `Due.NOTHING`.

    incoming   OPEN -> ENDING -> ENDED    ENDING: the other side has finished, and what it sent is not all handed on
    outgoing   OPEN -> ENDING -> ENDED    ENDING: this side has finished, and what it wrote has not all gone out
    stage      OPENING -> OPEN -> CLOSING or RESETTING -> CLOSED -> GONE, from each to any that follows

The directions are independent while the stage is OPENING or OPEN. After that nothing is received, and bytes that were
written are still sent until the stream is GONE.
"""

import logging
from collections.abc import Mapping
from enum import Enum

from omnyshell.steps import step

logger = logging.getLogger("omnyshell.streams")


class Way(Enum):
    """The state of one direction."""

    OPEN = "open"
    ENDING = "ending"
    ENDED = "ended"


class Stage(Enum):
    """The state of the whole stream."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    """The stream closes after all that was written."""

    RESETTING = "resetting"
    """Like CLOSING, but the other side must see that something failed."""

    CLOSED = "closed"
    """The stream was closed, and its resources are not released yet."""

    GONE = "gone"


class Due(Enum):
    """What to do once nothing waits to be sent."""

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
    """Log a change of state, with ids only."""
    if logger.isEnabledFor(logging.DEBUG):
        step(logger, f"{kind}: {what} {to.value}", **ids)


class Duplex:
    """The state of one stream. `kind` and `ids` identify it in the log; `ids` may be extended later."""

    __slots__ = ("_ids", "_kind", "incoming", "is_gone", "may_receive", "may_send", "outgoing", "stage")

    def __init__(self, kind: str, ids: Mapping[str, object] = NO_IDS) -> None:
        self._kind = kind
        self._ids = ids
        self.stage = Stage.OPENING
        self.incoming = Way.OPEN
        self.outgoing = Way.OPEN
        self.may_receive = False
        """Whether received bytes are passed on."""

        self.may_send = False
        """Whether more can be written."""

        self.is_gone = False
        """Whether the stream is gone."""

    @property
    def is_opening(self) -> bool:
        """Whether the stream is not open yet."""
        return self.stage is Stage.OPENING

    @property
    def is_ending(self) -> bool:
        """Whether the stream is closing, or closed."""
        return self.stage not in (Stage.OPENING, Stage.OPEN)

    def open(self) -> bool:
        """Bytes can flow; return whether that is new.

        Ends that were reported before take effect now: see `delivered` and `flushed`.
        """
        return self.stage is Stage.OPENING and self._move("stage", Stage.OPEN)

    def receive_end(self, *, waits: bool = False) -> bool:
        """The other side has finished; return whether to pass its end on now.

        If bytes that it sent still wait (`waits`), or the stream is not open, ask `delivered` later.
        """
        if self.is_ending or self.incoming is not Way.OPEN:
            return False
        self._move("incoming", Way.ENDING)
        return not waits and self.delivered()

    def delivered(self) -> bool:
        """All received bytes were passed on; return, once, whether to pass the end on now."""
        return self.stage is Stage.OPEN and self.incoming is Way.ENDING and self._move("incoming", Way.ENDED)

    def send_end(self) -> bool:
        """Our side has finished; return whether that is new. `flushed` says when to send the end."""
        return not self.is_ending and self.outgoing is Way.OPEN and self._move("outgoing", Way.ENDING)

    def flushed(self) -> Due:
        """All that was written was sent; return what to do now, each only once."""
        if self.stage is Stage.OPEN:
            is_due = self.outgoing is Way.ENDING and self._move("outgoing", Way.ENDED)
            return Due.END if is_due else Due.NOTHING
        due = {Stage.CLOSING: Due.CLOSE, Stage.RESETTING: Due.RESET}.get(self.stage, Due.NOTHING)
        if due is not Due.NOTHING:
            self._move("stage", Stage.CLOSED)
        return due

    def close(self, *, reset: bool = False) -> bool:
        """Begin to close; return whether that is new. `flushed` says when to close the stream."""
        return not self.is_ending and self._move("stage", Stage.RESETTING if reset else Stage.CLOSING)

    def lose(self) -> bool:
        """The stream is gone; return whether that is new."""
        return self.stage is not Stage.GONE and self._move("stage", Stage.GONE)

    def _move(self, what: str, to: Way | Stage) -> bool:
        """Change one of the three states. Raises `RuntimeError` for an illegal transition."""
        before: Way | Stage = getattr(self, what)
        if to not in _NEXT[before]:
            raise RuntimeError(f"{self._kind}: {what} cannot become {to.value} after {before.value}")
        setattr(self, what, to)
        # Kept as attributes, as they are read for every piece of data.
        is_open, self.is_gone = self.stage is Stage.OPEN, self.stage is Stage.GONE
        self.may_receive = is_open and self.incoming is not Way.ENDED
        self.may_send = is_open and self.outgoing is Way.OPEN
        log_change(self._kind, self._ids, what, to)
        return True
