"""Bytes of a stream that the other side may not have yet, by their offset in it (extension `resume-offset`)."""

from collections import deque

from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MIB

REPLAY_SIZE = 4 * MIB

Piece = tuple[DataOpcode, memoryview]


class ReplayBuffer:
    """Keeps a stream from the last acknowledged offset on; stdout and stderr count together.

    Once it was told to `drop`, it only counts, until it is told to `keep` again.
    """

    def __init__(self, capacity: int = REPLAY_SIZE) -> None:
        self.start = 0
        """Offset of the first byte that is kept."""

        self.end = 0
        """Offset of the next byte of output."""

        self.is_keeping = True
        self._capacity = capacity
        self._pieces: deque[Piece] = deque()

    @property
    def room(self) -> int:
        """How many more bytes fit; while nothing is kept, the size of the whole buffer."""
        return self._capacity - (self.end - self.start) if self.is_keeping else self._capacity

    def append(self, stream: DataOpcode, data: bytes) -> None:
        """Count output, and keep it. The caller keeps to `room`."""
        self.end += len(data)
        if self.is_keeping:
            self._pieces.append((stream, memoryview(data)))
        else:
            self.start = self.end

    def acknowledge(self, offset: int) -> None:
        """Forget the bytes before an offset; an offset already acknowledged, or never sent, is ignored."""
        if not self.start < offset <= self.end:
            return
        surplus = offset - self.start
        self.start = offset
        while surplus:
            stream, data = self._pieces[0]
            if len(data) > surplus:
                self._pieces[0] = (stream, data[surplus:])
                return
            surplus -= len(data)
            self._pieces.popleft()

    def covers(self, offset: int) -> bool:
        """Whether everything from this offset on is still kept."""
        return self.start <= offset <= self.end

    def since(self, offset: int) -> list[Piece]:
        """Return the output from an offset on, which must be covered."""
        self.acknowledge(offset)
        return list(self._pieces)

    def blank(self, size: int) -> None:
        """Overwrite the last `size` bytes with NUL, which terminals ignore, as far as they are kept."""
        index = len(self._pieces) - 1
        while size and index >= 0:
            stream, data = self._pieces[index]
            count = min(size, len(data))
            self._pieces[index] = (stream, memoryview(bytes(data[: len(data) - count]) + bytes(count)))
            size -= count
            index -= 1

    def drop(self) -> None:
        """Forget all, and keep nothing from now on. Idempotent."""
        self.is_keeping = False
        self.start = self.end
        self._pieces.clear()

    def keep(self) -> None:
        """Keep what comes from now on. Idempotent."""
        self.is_keeping = True

    def stop(self) -> None:
        """Do nothing from now on by itself. Idempotent."""
