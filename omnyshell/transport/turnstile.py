"""Lets those who come at once begin a few in each turn of the event loop, so that a turn stays short for all others."""

import asyncio
from collections import deque

SHORT = 0.02
"""Seconds that a turn may take before fewer begin in the next one."""

FEWEST, MOST = 2, 16
"""How many begin in a turn."""


class Pace:
    """How many begin in a turn: one more after each short turn, half as many after a long one. No I/O."""

    def __init__(self) -> None:
        self.count = FEWEST
        self._began = float("-inf")

    def turn(self, now: float) -> int:
        """Return how many begin now, at the beginning of a turn; `now` in seconds."""
        is_long = now - self._began > SHORT
        self._began = now
        self.count = max(FEWEST, self.count // 2) if is_long else min(MOST, self.count + 1)
        return self.count


class Turnstile:
    """Await `through` before work that many may have to do at once. Who comes first goes first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pace = Pace()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turn: asyncio.Handle | None = None
        self._left = 0
        """How many may still begin in this turn without waiting."""

    async def through(self) -> None:
        """Return when it is the caller's turn: at once, unless many have come in this turn of the loop."""
        if self._turn is None:
            self._begin_turn()
        if self._left and not self._waiting:
            self._left -= 1
            return
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _begin_turn(self) -> None:
        self._left = self._pace.turn(self._loop.time())
        self._turn = self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._turn = None
        if not self._waiting:
            return
        self._begin_turn()
        while self._left and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                # One that is done was cancelled: its connection was cut off meanwhile.
                waiting.set_result(None)
                self._left -= 1
