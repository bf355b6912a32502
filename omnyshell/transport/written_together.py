"""Small messages that one event causes are written together: in one TLS record, by one system call."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from omnyshell.protocol.limits import KIB
from omnyshell.transport.bulk_frames import Piece

SMALL = 2 * KIB
"""Bytes of a message up to which it waits for others; what is larger is worth a write of its own."""

MOST = 12 * KIB
"""Bytes that wait at most: together they fit one TLS record."""


class WrittenTogether(threading.local):
    """While it is entered, links keep small messages for the moment in which it is left (`SmallWrites`).

    It can be entered again within, and belongs to the thread. Nobody may await anything meanwhile.
    """

    is_on = False
    """Whether it is entered. Looked at for every frame."""

    def __init__(self) -> None:
        self._depth = 0
        self._flushes: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        self._depth += 1
        self.is_on = True

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self.is_on = False
            flushes, self._flushes = self._flushes, []
            for flush in flushes:
                flush()

    def at_end(self, flush: Callable[[], None]) -> None:
        """Call `flush` as it is left."""
        self._flushes.append(flush)


together = WrittenTogether()


def _dropped(_pieces: Sequence[Piece]) -> None:
    pass


class SmallWrites:
    """What one link keeps until then. `write` writes a piece to its transport."""

    def __init__(self, write: Callable[[Sequence[Piece]], None]) -> None:
        self._write = write
        self._waiting: list[Piece] = []
        self._size = 0

    def take(self, pieces: Sequence[Piece]) -> bool:
        """Keep a message, and return True; or write what is kept and return False, if this one goes now."""
        if not together.is_on or len(pieces) > 1 or len(pieces[0]) > SMALL:
            if self._waiting:
                self.flush()
            return False
        if not self._waiting:
            together.at_end(self.flush)
        self._waiting.append(pieces[0])
        self._size += len(pieces[0])
        if self._size > MOST:
            self.flush()
        return True

    def close(self) -> None:
        """Drop what is kept, and let go of the transport. Idempotent."""
        self._waiting, self._size, self._write = [], 0, _dropped

    def flush(self) -> None:
        """Write what is kept. Idempotent."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting:
            self._write(waiting if len(waiting) == 1 else (b"".join(waiting),))
