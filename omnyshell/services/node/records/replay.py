"""Output that a client may not have, where it is kept in a session's record."""

import asyncio

from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.replay import Piece, ReplayBuffer
from omnyshell.services.node.records.journal import Journal

IDLE = 1.0
"""Seconds without output after which a journal that has nothing gives its memory back."""


class JournalReplay(ReplayBuffer):
    """See `ReplayBuffer`. What was read is in the journal already; what is appended beyond it is the node's own.

    It stays there, too, from the offset `shown` on, which the last screen that was noted has; None without a screen.
    """

    def __init__(self, journal: Journal, shown: int | None) -> None:
        super().__init__()
        self.start, self.end = journal.start, journal.end
        self._journal = journal
        self._shown = shown
        self._idle: asyncio.TimerHandle | None = None

    def append(self, stream: DataOpcode, data: bytes) -> None:
        """Count output, and keep it. The caller keeps to `room`."""
        self.end += len(data)
        own = self.end - self._journal.end
        if own > 0:
            self._journal.write(stream, data[-own:])
        if not self.is_keeping:
            self.start = self.end
            self._release()

    def acknowledge(self, offset: int) -> None:
        """Forget the bytes before an offset; an offset already acknowledged, or never sent, is ignored."""
        if self.start < offset <= self.end:
            self.start = offset
            self._release()

    def since(self, offset: int) -> list[Piece]:
        """Return the output from an offset on, which must be covered."""
        self.acknowledge(offset)
        pieces, left = [], self.end - offset
        for stream, data in self._journal.since(offset):
            if left <= 0:
                break
            pieces.append((stream, data[:left]))
            left -= len(data)
        return pieces

    def blank(self, size: int) -> None:
        """Overwrite the last `size` bytes with NUL, which terminals ignore, as far as they are kept."""
        self._journal.blank(self.end, size)

    def drop(self) -> None:
        """Forget all, and keep nothing from now on. Idempotent."""
        self.is_keeping = False
        self.start = self.end
        self._release()

    def shown(self, offset: int) -> None:
        """The screen that was noted shows all before this offset."""
        self._shown = offset
        self._release()

    def stop(self) -> None:
        """Touch the journal no more, as it is another's. Idempotent."""
        if self._idle is not None:
            self._idle.cancel()

    def _release(self) -> None:
        self._journal.release(self.start if self._shown is None else min(self.start, self._shown))
        if self._idle is None and self._journal.is_spread:
            self._look_later()

    def _look_later(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(IDLE, self._free_if_idle, self._journal.end)

    def _free_if_idle(self, end: int) -> None:
        """Free the memory if nothing came since the journal ended there; else look again, if there is any need."""
        self._idle = None
        if not self._journal.is_spread:
            return
        if self._journal.end == end:
            self._journal.free()
        else:
            self._look_later()
