"""A shell's screen in its record, from time to time, so that little output is to be emulated again."""

from collections.abc import Callable, Generator, Iterator

from msgspec.structs import replace

from omnyshell.model.sessions import PtySpec
from omnyshell.services.node.records.memory import JOURNAL_SIZE, KIB, SCREEN_SIZE
from omnyshell.services.node.records.record import ScreenCheckpoint, SessionRecord
from omnyshell.services.node.records.replay import JournalReplay
from omnyshell.services.node.screens.kept_lines import KeptLines
from omnyshell.services.node.screens.pump import ScreenFollower, ScreenPump

EVERY = 128 * KIB
"""Bytes of output between two."""

PAUSE = 0.25
"""Seconds between two, unless the record is half full: painting has a cost."""

_ALMOST_NONE = 256 * KIB
"""Bytes of room in the record."""

_LARGEST = SCREEN_SIZE // 2 - KIB


class ScreenCheckpoints:
    """Notes the screen when it shows all output, and enough has come since the last time."""

    def __init__(
        self,
        screen: ScreenPump,
        record: SessionRecord,
        replay: JournalReplay,
        size: Callable[[], PtySpec],
        on_room: Callable[[], None],
    ) -> None:
        """`size` tells the terminal's; `on_room` is called when output was released from the record."""
        self.is_due = False
        """Whether it is to be noted as soon as possible, as it was resized."""

        self._screen = screen
        self._lines = KeptLines(record.past, screen.follower.history)
        self._record = record
        self._replay = replay
        self._size = size
        self._on_room = on_room
        self._noted = replay.start
        self._next = 0.0
        screen.on_settled = self._settled
        # The program waits then until the screen is noted. Before that, pauses spare emulation, as more is skipped.
        screen.is_pressed = lambda: record.journal.room < _ALMOST_NONE

    def _settled(self, now: float) -> None:
        if self.is_due or (self._replay.end - self._noted >= EVERY and (now >= self._next or self._is_half_full)):
            self.is_due, self._next = False, now + PAUSE
            here = ScreenCheckpoint(offset=self._replay.end, cols=self._size().cols, rows=self._size().rows)
            unknown = replace(here, is_known=False)
            self._screen.do_here(self._steps(here), self._note, otherwise=unknown)

    @property
    def _is_half_full(self) -> bool:
        return self._record.journal.room < JOURNAL_SIZE // 2

    def _steps(self, checkpoint: ScreenCheckpoint) -> Generator[None, None, ScreenCheckpoint]:
        painted = yield from _whole(self._screen.follower)
        checkpoint.painting, checkpoint.is_known = painted or b"", painted is not None
        yield from self._lines.note(checkpoint)
        return checkpoint

    def _note(self, checkpoint: ScreenCheckpoint) -> None:
        self._record.note_screen(checkpoint)
        self._lines.noted()
        self._noted = checkpoint.offset
        self._replay.shown(checkpoint.offset)
        self._on_room()


def _whole(follower: ScreenFollower) -> Generator[None, None, bytes | None]:
    """Paint both screens for a new terminal; None where that is too much."""
    painting = yield from follower.painting(same_size=True, most=_LARGEST)
    if painting.is_too_large:
        return None
    main = (yield from follower.painting_main()) if painting.alt_screen else b""
    return main + painting.data if len(main) <= _LARGEST else None


def what_paints(record: SessionRecord, checkpoint: ScreenCheckpoint | None) -> Iterator[bytes]:
    """Yield what brings a new screen to where the record ends: the screen that was noted, and output since then."""
    if checkpoint is not None and checkpoint.painting:
        yield checkpoint.painting
    for _, data in record.journal.since(checkpoint.offset if checkpoint is not None else record.journal.start):
        yield bytes(data)
