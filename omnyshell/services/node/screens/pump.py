"""Keeps a screen up to date with output, after the relay (docs/architecture.md#a-real-screen-on-the-node)."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from omnyshell.model.sessions import Widths
from omnyshell.services.node.screens.device_queries import DeviceQuery
from omnyshell.terminal.history.history import History

SLICE = 0.004
"""Seconds of emulation at a time."""

SLICE_OF_STEPS = 0.002
"""Seconds of what is done in steps: one of them, a large row, may take as long again and longer."""

FIRST_DELAY = 0.005
"""Seconds from output to its emulation: the output is relayed first, so that an echo is not delayed."""

REST = 0.016
"""Seconds between slices while the queue has room, so that emulation takes a fifth of the time."""

Result = TypeVar("Result")

logger = logging.getLogger("omnyshell.node")


class Painting(NamedTuple):
    """Bytes that paint a screen on a terminal of the same size, and whether it is the alternate screen.

    There are none where they would have been more than was asked for.
    """

    data: bytes = b""
    alt_screen: bool = False
    is_too_large: bool = False


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

    def count_columns(self, widths: Widths) -> Widths:
        """Count columns as the terminal does that is attached now; return how it was before. Nothing may be queued."""

    def painting(
        self, *, again: bool = False, same_size: bool = False, most: float = math.inf
    ) -> Generator[None, None, Painting]:
        """Paint the present screen in short steps, between which nothing may change, in at most `most` bytes.

        `again` is for a terminal that followed the program before, `same_size` for one that is no larger.
        """

    def painting_main(self, *, again: bool = False) -> Generator[None, None, bytes]:
        """Paint the main screen in short steps, also while the alternate one is shown; `again` as above."""

    @property
    def history(self) -> History:
        """The lines that left the main screen at its top."""

    @property
    def reports_size(self) -> bool:
        """Whether the program asked to be told of the terminal's size by its input (mode 2048)."""

    def answer(self, query: DeviceQuery) -> bytes:
        """Return a terminal's answer to a query."""


class _Job(NamedTuple):
    steps: Generator[None, None, Any]
    then: Callable[[Any], None]
    otherwise: Any


class ScreenPump:
    """Feeds a follower when the event loop has time, and runs actions at exact places in the output.

    `on_room` is called when output can be pushed again after `has_room` was false.
    """

    def __init__(self, follower: ScreenFollower, on_room: Callable[[], None]) -> None:
        self.follower = follower
        self.version = 0
        """Increases with every input that may change the screen."""

        self.on_settled: Callable[[float], None] = lambda _now: None
        """Called with the loop's time when the screen shows all that was pushed; it may call `do_here`."""

        self.is_pressed: Callable[[], bool] = lambda: False
        """Whether somebody waits for that, so that there are no pauses."""

        self._on_room = on_room
        self._loop = asyncio.get_running_loop()
        self._backlog: deque[bytes | Callable[[], object]] = deque()
        self._here: _Job | None = None
        """What is to be done before anything that waits."""

        self._timer: asyncio.Handle | None = None
        self._busy = False
        self._refused = False
        self._is_behind = False

    @property
    def has_room(self) -> bool:
        """Whether more output may be pushed."""
        room = not self._is_held and not self.follower.full
        self._refused = self._refused or not room
        self._is_behind = self._is_behind or not room
        return room

    def push(self, data: bytes) -> None:
        """Take output."""
        self.version += len(data)
        if self._is_held:
            self._backlog.append(data)
        else:
            self.follower.push(data)
            self._busy = True
        self._schedule(FIRST_DELAY)

    @property
    def _is_held(self) -> bool:
        """Whether output has to wait for something that is done before it."""
        return bool(self._backlog) or self._here is not None

    def push_next(self, *items: bytes | Callable[[], object]) -> None:
        """Queue output, and actions in it, in front of all that waits.

        An action calls it for output that comes right after the action.
        """
        self.version += sum(len(item) for item in items if isinstance(item, bytes))
        self._backlog.extendleft(reversed(items))
        self._schedule(0)

    def at_this_point(self, action: Callable[[], object]) -> None:
        """Run the action when the screen shows exactly what was pushed so far; at once, if it does already."""
        if self._busy or self._is_held:
            self._backlog.append(action)
            self._hurry()
        else:
            self._run(action)

    def _run(self, action: Callable[[], object]) -> None:
        action()
        deadline = self._loop.time() + SLICE_OF_STEPS
        while self._here is not None and self._loop.time() < deadline:
            self._step(self._here)
        if self._is_held:
            self._hurry()

    def do_here(
        self, steps: Generator[None, None, Result], then: Callable[[Result], None], *, otherwise: Result
    ) -> None:
        """Do short steps, of which each sees the screen as it is now, in slices; then call `then` with their result.

        It is `otherwise` where they fail, as somebody waits for it. For an action, as the last thing that it does; the
        steps come before everything that waits.
        """
        self._here = _Job(steps, then, otherwise)

    def _step(self, job: _Job) -> None:
        try:
            next(job.steps)
        except StopIteration as end:
            self._here = None
            job.then(end.value)
        except Exception:
            self._here = None
            logger.exception("a screen could not be painted")
            job.then(job.otherwise)

    def _hurry(self) -> None:
        """Go on as soon as the loop has time."""
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
        self._here = None
        self._busy = False

    def _schedule(self, delay: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(delay, self._work) if delay else self._loop.call_soon(self._work)

    def _work(self) -> None:
        self._timer = None
        deadline = self._loop.time() + (SLICE if self._here is None else SLICE_OF_STEPS)
        if self._here is None:
            self._busy = self._emulate(SLICE)
        while not self._busy and self._is_held and self._loop.time() < deadline:
            if self._here is not None:
                self._step(self._here)
                continue
            item = self._backlog.popleft()
            if isinstance(item, bytes):
                self.follower.push(item)
                self._busy = self._emulate(max(0.0, deadline - self._loop.time()))
            else:
                item()
        if not self._busy and not self._is_held:
            self.on_settled(deadline)
        # Once the program had to wait for the emulation, it runs without pauses until the queue is empty.
        self._is_behind = self._busy and (self._is_behind or self.follower.full)
        if self._busy or self._is_held:
            is_urgent = self._is_held or self._is_behind or self.is_pressed()
            self._schedule(0 if is_urgent else REST)
        if self._refused and not self._is_held and not self.follower.full:
            self._refused = False
            self._on_room()

    def _emulate(self, budget: float) -> bool:
        try:
            return self.follower.work(budget)
        except Exception:
            # A failing emulation must not end the session.
            logger.exception("a screen could not be followed")
            return False
