"""The record of a session: what its node's next process needs to go on with it."""

from datetime import datetime
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.services.node.records.journal import BrokenError, Journal
from omnyshell.services.node.records.memory import (
    LAYOUT,
    MAGIC,
    SCREEN,
    SCREEN_SIZE,
    STATE,
    STATE_SIZE,
    Cell,
    Memory,
    Slots,
)
from omnyshell.services.node.records.past import Past, Place

_Kind = TypeVar("_Kind")


class NotedState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What changes seldom. Every version reads it from the same place, and ignores what it does not know."""

    id: str
    owner: str
    mode: SessionMode
    pty: PtySpec | None = None
    created_at: datetime
    leader_only: bool = False
    is_attached: bool = True
    since: datetime | None = None
    until: datetime | None = None
    """Of the absence of a client, if it has none."""

    is_kept: bool = True
    """Whether output is kept for a client that comes back, which a command that can be resumed needs."""

    input_ended: bool = False


class ScreenCheckpoint(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A screen as it was after some output."""

    offset: int
    """Of the first byte of output that it does not show."""

    cols: int
    rows: int
    is_known: bool = True
    painting: bytes = b""
    """What paints it on a new terminal of that size."""

    pages: list[Place] = []
    """Where the lines are that have left it, oldest first."""

    pages_format: int = 0
    pages_end: int = 0
    """The number of the line after the last of these."""


class SessionRecord:
    """What is written of a session while it goes on. Every method leaves it such that a kill loses nothing."""

    def __init__(self, memory: Memory, journal: Journal) -> None:
        self.journal = journal
        self._cells = memory.cells
        self._state = Slots(memory, Cell.STATE, STATE, STATE_SIZE)
        self._screen = Slots(memory, Cell.SCREEN, SCREEN, SCREEN_SIZE)
        self._noted = b""
        checkpoint = self.checkpoint
        self.past = Past(memory, checkpoint.pages if checkpoint is not None else ())

    @classmethod
    def begin(cls, fd: int) -> "SessionRecord":
        """Begin the record of a session in its memory, whatever that has. Raises `OSError` and `ValueError`."""
        memory = Memory(fd)
        memory.clear()
        return cls(memory, Journal(memory))

    @property
    def state(self) -> NotedState | None:
        """The state that was noted last, as far as it can be understood."""
        return _decoded(NotedState, self._state.read())

    def note(self, state: NotedState) -> None:
        """Note the state, unless it is what was noted last."""
        encoded = _encode(state)
        if encoded == self._noted:
            return
        self._noted = encoded
        self._state.write(encoded)
        self._cells[Cell.LAYOUT] = LAYOUT
        self._cells[Cell.MAGIC] = MAGIC

    @property
    def checkpoint(self) -> ScreenCheckpoint | None:
        """The screen that was noted last."""
        return _decoded(ScreenCheckpoint, self._screen.read())

    def note_screen(self, checkpoint: ScreenCheckpoint) -> None:
        """Note the screen; one that is too large is noted as unknown."""
        if not self._screen.write(_encode(checkpoint)):
            self._screen.write(_encode(replace(checkpoint, is_known=False, painting=b"")))

    @property
    def input_offset(self) -> int:
        """How many bytes of input the process has, for all that is known: none of them may be written again."""
        return self._cells[Cell.INTENDED]

    @property
    def input_in_doubt(self) -> int:
        """How many of these it may not have."""
        return self._cells[Cell.INTENDED] - self._cells[Cell.WRITTEN]

    def writing(self, size: int) -> None:
        """Input of this size is about to be written."""
        self._cells[Cell.INTENDED] = self._cells[Cell.WRITTEN] + size

    def written(self, size: int) -> None:
        """As much of it was written, or is dropped."""
        self._cells[Cell.WRITTEN] += size
        self._cells[Cell.INTENDED] = self._cells[Cell.WRITTEN]

    def settle_doubt(self) -> None:
        """Go on as if all that was being written had been, and nothing had been read."""
        self._cells[Cell.WRITTEN] = self._cells[Cell.INTENDED]
        self.journal.settle_doubt()


class LeftRecord:
    """A record that an earlier process has left.

    Where only its state can be understood, `record` is None.
    """

    def __init__(self, fd: int) -> None:
        """Read it. Raises `OSError`, and `ValueError` where not even the state is there."""
        memory = Memory(fd)
        state = None
        if memory.cells[Cell.MAGIC] == MAGIC:
            state = _decoded(NotedState, Slots(memory, Cell.STATE, STATE, STATE_SIZE).read())
        if state is None:
            raise ValueError("nothing is known of this session")
        self.state: NotedState = state
        self.record: SessionRecord | None = None
        if memory.cells[Cell.LAYOUT] == LAYOUT:
            try:
                self.record = SessionRecord(memory, Journal(memory))
            except BrokenError:
                return


def _encode(value: msgspec.Struct) -> bytes:
    return msgspec.msgpack.encode(value)


def _decoded(kind: type[_Kind], data: bytes | None) -> _Kind | None:
    if data is None:
        return None
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError):
        return None
