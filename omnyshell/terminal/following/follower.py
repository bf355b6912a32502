"""A screen that follows output after the relay: bounded, in time slices, and skipping what scrolls off unseen."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.skipping import GLANCE, Skipper
from omnyshell.terminal.history.history import History

QUEUE_LIMIT: Final = 512 * 1024
"""Bytes. A snapshot may have to wait for the emulation of this much full-screen output."""
SLICE_SECONDS: Final = 0.004

# Between two looks at the clock: bytes that are parsed, and cells that control functions touch, which takes as long.
_STEP: Final = 1024
_STEP_WORK: Final = 8 * 1024
_WORTH_SKIPPING: Final = 32 * 1024


def draw_for(screen: Emulator, data: bytes, clock: Callable[[], float], seconds: float) -> Iterator[None]:
    """Draw `data` for at most `seconds` of work, in slices; the caller can do other work between two iterations."""
    follower = Follower(screen, clock)
    follower.push(data)
    while seconds > 0:
        started = clock()
        if not follower.work(min(seconds, SLICE_SECONDS)):
            return
        seconds -= clock() - started
        yield


class _Size(NamedTuple):
    lines: int
    columns: int


class Follower:
    """An emulator with a bounded queue of output in front of it.

    The owner calls `push` for all output in order, `work` when it has nothing else to do while that returns True, and
    stops reading the program while `full`. Whoever needs the screen calls `drain` first. `clock` gives seconds.
    """

    def __init__(self, screen: Emulator, clock: Callable[[], float], limit: int = QUEUE_LIMIT) -> None:
        self._screen = screen
        self._clock = clock
        self._limit = limit
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._offset = 0
        self._fresh = 0
        """Bytes that were pushed since the last search for output to skip."""

        self._after: deque[bytes | _Size] = deque()
        """Resizes that wait, and output that comes after the first of them."""

        self._skipper = Skipper(screen)

    @property
    def _history(self) -> History:
        return self._screen.scrollback

    @property
    def waiting(self) -> int:
        """Bytes that were pushed and not emulated yet; of what the screen put off, and of resizes, at least one."""
        return self._size + (self._screen.is_behind or bool(self._after))

    @property
    def full(self) -> bool:
        """Whether the queue has reached its limit: the program must not be read until `work` has made room."""
        return self._size >= self._limit

    @property
    def screen(self) -> Emulator:
        """The screen, brought up to date."""
        self.drain()
        return self._screen

    def push(self, data: bytes) -> None:
        """Queue output. It is never refused; a full queue first drops output that provably scrolled off."""
        if data:
            (self._after or self._queue).append(data)
            self._size += len(data)
            self._fresh += len(data)
            if self._size >= self._limit:
                self._skip()

    def work(self, budget_seconds: float = SLICE_SECONDS) -> bool:
        """Emulate queued output for about `budget_seconds`, then settle the history; return whether more is to do."""
        if not self.waiting and not self._history.is_unsettled:
            return False
        end = self._clock() + budget_seconds
        while self.waiting:
            self._step()
            if self._clock() >= end:
                return self.waiting > 0 or self._history.is_unsettled
        while self._history.work():
            if self._clock() >= end:
                break
        return self._history.is_unsettled

    def drain(self) -> None:
        """Emulate all queued output, except plain text that scrolls off."""
        while self.waiting:
            self._step()

    def resize(self, lines: int, columns: int) -> None:
        """Resize the screen, after all output that was written for the old size; `work` does it, as far as it waits."""
        if self._after and isinstance(self._after[-1], _Size):
            self._after.pop()
        self._after.append(_Size(lines, columns))
        if not self._size:
            self.work(SLICE_SECONDS / 2)

    def _step(self) -> None:
        if self._screen.is_behind:
            self._screen.go_on(_STEP_WORK)
        elif self._queue:
            self._begin()
        else:
            self._resize_next()

    def _resize_next(self) -> None:
        first = self._after.popleft()
        while self._after and isinstance(output := self._after[0], bytes):
            self._queue.append(output)
            self._after.popleft()
        if isinstance(first, _Size):
            self._screen.begin_resize(first.lines, first.columns, _STEP_WORK)

    def _begin(self) -> None:
        if self._fresh >= _WORTH_SKIPPING:
            self._skip()
        chunk = self._queue[0]
        start, size = self._offset, _STEP
        end = start + size
        self._screen.begin(chunk[start:end], _STEP_WORK)
        if end < len(chunk):
            self._offset = end
            self._size -= size
        else:
            self._queue.popleft()
            self._offset = 0
            self._size -= len(chunk) - start

    def _skip(self) -> None:
        """Drop the oldest plain text, if any of it can be dropped."""
        if self._screen.is_behind or not self._queue or not self._skipper.is_ready:
            return
        self._fresh = 0
        if not self._skipper.may_skip(self._queue[0][self._offset : self._offset + GLANCE]):
            return
        waiting = self._queue.popleft()[self._offset :] + b"".join(self._queue)
        self._queue.clear()
        kept = self._skipper.skip(waiting)
        self._queue.append(kept)
        self._offset = 0
        self._size -= len(waiting) - len(kept)
