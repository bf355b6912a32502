"""Keeps a screen up to date with output, after the relay (docs/architecture.md#a-real-screen-on-the-node)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from omnyshell.model.sessions import Widths
from omnyshell.services.node.screens.device_queries import DeviceQuery
from omnyshell.terminal.history.history import History

SLICE = 0.004
"""Seconds of emulation at a time."""

FIRST_DELAY = 0.005
"""Seconds from output to its emulation: the output is relayed first, so that an echo is not delayed."""

REST = 0.016
"""Seconds between slices while the queue has room, so that emulation takes a fifth of the time."""

logger = logging.getLogger("omnyshell.node")


class Painting(NamedTuple):
    """Bytes that paint a screen on a terminal of the same size, and whether it is the alternate screen."""

    data: bytes = b""
    alt_screen: bool = False


class ScreenFollower(Protocol):
    """A terminal emulator behind a bounded queue of output."""

    @property
    def full(self) -> bool:
        """Whether no more output should be pushed for now."""

    def push(self, data: bytes) -> None:
        """Queue output."""

    def work(self, budget: float) -> bool:
        """Emulate for at most `budget` seconds; return whether output is still queued."""

    def resize(self, cols: int, rows: int) -> None:
        """Resize the screen. Nothing may be queued; `work` does what is left to do."""

    def count_columns(self, widths: Widths) -> None:
        """Count columns as the terminal does that is attached now. Nothing may be queued."""

    def paint(self, *, again: bool = False, same_size: bool = False) -> Painting:
        """Return the bytes that paint the present screen.

        `again` is for a terminal that followed the program before, `same_size` for one that is no larger.
        """

    def paint_main(self) -> bytes:
        """Return the bytes that paint the main screen, also while the alternate one is shown."""

    @property
    def history(self) -> History:
        """The lines that left the main screen at its top."""

    @property
    def reports_size(self) -> bool:
        """Whether the program asked to be told of the terminal's size by its input (mode 2048)."""

    def answer(self, query: DeviceQuery) -> bytes:
        """Return a terminal's answer to a query."""


class ScreenPump:
    """Feeds a follower when the event loop has time, and runs actions at exact places in the output.

    `on_room` is called when output can be pushed again after `has_room` was false.
    """

    def __init__(self, follower: ScreenFollower, on_room: Callable[[], None]) -> None:
        self.follower = follower
        self.version = 0
        """Increases with every input that may change the screen."""

        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._backlog: deque[bytes | Callable[[], None]] = deque()
        self._timer: asyncio.Handle | None = None
        self._busy = False
        self._refused = False
        self._is_behind = False

    @property
    def has_room(self) -> bool:
        """Whether more output may be pushed."""
        room = not self._backlog and not self.follower.full
        self._refused = self._refused or not room
        self._is_behind = self._is_behind or not room
        return room

    def push(self, data: bytes) -> None:
        """Take output."""
        self.version += len(data)
        if self._backlog:
            self._backlog.append(data)
        else:
            self.follower.push(data)
            self._busy = True
        self._schedule(FIRST_DELAY)

    def push_next(self, data: bytes) -> None:
        """Queue output in front of all that waits. An action calls it for output that comes right after the action."""
        self.version += len(data)
        self._backlog.appendleft(data)
        self._schedule(0)

    def at_this_point(self, action: Callable[[], None]) -> None:
        """Run the action when the screen shows exactly what was pushed so far; at once, if it does already."""
        if not self._busy and not self._backlog:
            action()
            return
        self._backlog.append(action)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._schedule(0)

    def resize(self, cols: int, rows: int) -> None:
        """Resize the screen, between the output pushed so far and later output."""
        self.version += 1
        self.at_this_point(lambda: self._resize(cols, rows))

    def _resize(self, cols: int, rows: int) -> None:
        self.follower.resize(cols, rows)
        self._busy = self._emulate(0.0)
        if self._busy:
            self._schedule(0)

    def close(self) -> None:
        """Stop; what is queued is dropped. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._backlog.clear()
        self._busy = False

    def _schedule(self, delay: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(delay, self._work) if delay else self._loop.call_soon(self._work)

    def _work(self) -> None:
        self._timer = None
        deadline = self._loop.time() + SLICE
        self._busy = self._emulate(SLICE)
        while not self._busy and self._backlog and self._loop.time() < deadline:
            item = self._backlog.popleft()
            if isinstance(item, bytes):
                self.follower.push(item)
                self._busy = self._emulate(max(0.0, deadline - self._loop.time()))
            else:
                item()
        # Once the program had to wait for the emulation, it runs without pauses until the queue is empty.
        self._is_behind = self._busy and (self._is_behind or self.follower.full)
        if self._busy or self._backlog:
            self._schedule(0 if self._backlog or self._is_behind else REST)
        if self._refused and not self._backlog and not self.follower.full:
            self._refused = False
            self._on_room()

    def _emulate(self, budget: float) -> bool:
        try:
            return self.follower.work(budget)
        except Exception:
            # A failing emulation must not end the session.
            logger.exception("a screen could not be followed")
            return False
