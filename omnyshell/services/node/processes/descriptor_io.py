"""Reading and writing descriptors that never block, driven by the event loop."""

import asyncio
import fcntl
import os
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import Protocol

from omnyshell.protocol.limits import BULK_PAYLOAD

CHUNKS_A_TURN = 4
"""Full chunks of a pipe that are read in one turn of the event loop: a turn has a cost of its own."""

SMALL_READ = 256
"""Bytes. A read of no more has probably emptied the descriptor, so an echo is delivered without trying another read."""

LARGE_READ = 1024
"""Bytes. A read of at least as many is probably followed by others."""


def do_nothing() -> None:
    """Read on at once."""


class Intake(Protocol):
    """Where a chunk is put together that may take several reads."""

    def read(self, fd: int, limit: int) -> int:
        """Read a descriptor as `os.read` does, and return how many bytes came."""

    def take(self) -> bytes:
        """Return what was read since the last time."""


class Chunk:
    """An `Intake` of this process's own."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def read(self, fd: int, limit: int) -> int:
        """Read, and keep what came."""
        part = os.read(fd, limit)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """Return what came, and forget it."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class FdReader:
    """Reads a descriptor while its consumer has a budget, in chunks as large as possible.

    A read of a PTY returns about 4.6 KB. As small frames cost many times as much, it is read until it would block or
    the chunk is full, and only then is the chunk delivered. `before_more` is called after a large read, before the next
    one for the same chunk. The descriptor is closed at end of file.
    """

    def __init__(
        self,
        fd: int,
        *,
        budget: Callable[[], int],
        deliver: Callable[[bytes], None],
        ended: Callable[[], None],
        before_more: Callable[[], None] = do_nothing,
        intake: Intake | None = None,
    ) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._before_more = before_more
        self._intake = intake or Chunk()
        self._budget = budget
        self._deliver = deliver
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._watching = False
        self._left: int | None = None
        """How many bytes are still to be read; None for all."""

        self.resume()

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self._fd is not None

    @property
    def is_paused(self) -> bool:
        """Whether reading is paused because there is no budget."""
        return self._fd is not None and not self._watching

    def resume(self) -> None:
        """Read on. Idempotent."""
        if self._fd is not None and not self._watching and self._budget() > 0:
            self._loop.add_reader(self._fd, self._readable)
            self._watching = True

    def end_with_what_waits(self) -> None:
        """Deliver what a pipe holds now, and then take it as at its end, whoever still writes to it."""
        if self._fd is not None:
            (self._left,) = struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)))
            self._end_if_all_is_read()

    def close(self) -> None:
        """Close the descriptor without reading what is left. Idempotent."""
        if self._fd is not None:
            self._pause()
            os.close(self._fd)
            self._fd = None

    def _pause(self) -> None:
        if self._watching and self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._watching = False

    def _readable(self) -> None:
        for _ in range(CHUNKS_A_TURN):
            limit = min(self._budget(), BULK_PAYLOAD)
            if self._left is not None:
                limit = min(limit, self._left)
            if limit <= 0:
                self._pause()
                return
            size, reads, at_end = self._read(limit)
            if size:
                self._deliver(self._intake.take())
            if self._left is not None:
                self._left -= size
                self._end_if_all_is_read()
            if at_end and self._fd is not None:
                self.close()
                self._ended()
            if self._fd is None or reads != 1 or size < limit:
                return

    def _end_if_all_is_read(self) -> None:
        if self._left is not None and self._left <= 0 and self._fd is not None:
            self.close()
            self._ended()

    def _read(self, limit: int) -> tuple[int, int, bool]:
        """Read up to `limit` bytes; return how many came, by how many reads, and whether end of file was reached."""
        total = reads = 0
        while total < limit and self._fd is not None:
            try:
                size = self._intake.read(self._fd, limit - total)
            except BlockingIOError:
                return total, reads, False
            except OSError:
                # EIO: the last process that had the terminal open has closed it.
                return total, reads, True
            if not size:
                return total, reads, True
            total += size
            reads += 1
            if size <= SMALL_READ:
                break
            if size >= LARGE_READ and total < limit:
                self._before_more()
        return total, reads, False


class InputLog(Protocol):
    """Is told of the client's input before it is written, and after."""

    def writing(self, size: int) -> None:
        """Input of this size is about to be written."""

    def written(self, size: int) -> None:
        """As much of it was written, or is dropped."""


class NoInputLog:
    """An `InputLog` that nobody reads."""

    def writing(self, size: int) -> None:
        """Note nothing."""

    def written(self, size: int) -> None:
        """Note nothing."""


class FdWriter:
    """Writes to a descriptor in order, as fast as it takes bytes. The caller bounds what is queued.

    After an error, as when the reader has gone, all queued and later bytes count as taken. `closed` is called when the
    descriptor has been closed.
    """

    def __init__(
        self,
        fd: int,
        *,
        taken: Callable[[int], None],
        closed: Callable[[], None] = do_nothing,
        log: InputLog | None = None,
    ) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._taken = taken
        self._log = log or NoInputLog()
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[memoryview, bool]] = deque()
        self._watching = False
        self._close_at_end = False

    def write(self, data: bytes) -> None:
        """Queue bytes, and write what can be written."""
        self._put(data, counts=True)

    def write_unaccounted(self, data: bytes) -> None:
        """Queue bytes that are not reported as taken: they are not the client's."""
        self._put(data, counts=False)

    def close_at_end(self) -> None:
        """Close the descriptor after what is queued is written. Idempotent."""
        self._close_at_end = True
        if not self._queue:
            self.close()

    def close(self) -> None:
        """Close the descriptor; what is queued counts as taken. Idempotent."""
        if self._fd is None:
            return
        self._unwatch()
        os.close(self._fd)
        self._fd = None
        self._closed()
        lost = sum(len(part) for part, counts in self._queue if counts)
        self._queue.clear()
        if lost:
            self._log.written(lost)
            self._taken(lost)

    def abandon(self) -> None:
        """Close the descriptor as if nothing of what is queued had ever come, and nobody is told. Idempotent."""
        self._queue.clear()
        self._unwatch()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _put(self, data: bytes, *, counts: bool) -> None:
        if self._fd is None or self._close_at_end:
            if counts:
                self._log.written(len(data))
                self._taken(len(data))
            return
        self._queue.append((memoryview(data), counts))
        if not self._watching:
            self._flush()

    def _flush(self) -> None:
        taken, failed = self._write_queued()
        if taken:
            self._taken(taken)
        if failed or (not self._queue and self._close_at_end):
            self.close()
        elif self._queue:
            self._watch()
        else:
            self._unwatch()

    def _write_queued(self) -> tuple[int, bool]:
        """Write while the descriptor takes it; returns how many bytes count as taken, and whether it failed."""
        taken = 0
        while self._queue and self._fd is not None:
            part, counts = self._queue[0]
            if counts:
                self._log.writing(len(part))
            try:
                size = os.write(self._fd, part)
            except BlockingIOError:
                self._log.written(0)
                break
            except OSError:
                return taken, True
            if counts:
                self._log.written(size)
                taken += size
            if size == len(part):
                self._queue.popleft()
            else:
                self._queue[0] = (part[size:], counts)
        return taken, False

    def _watch(self) -> None:
        if not self._watching and self._fd is not None:
            self._loop.add_writer(self._fd, self._flush)
            self._watching = True

    def _unwatch(self) -> None:
        if self._watching and self._fd is not None:
            self._loop.remove_writer(self._fd)
            self._watching = False
