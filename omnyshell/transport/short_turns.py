"""Keeps turns of the event loop short where many connections have something to be dealt with at once."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from omnyshell.transport.server_link import ServerLink

LONGEST = 0.004
"""Seconds of a turn that they have together, before the rest waits for the next one."""


class Waiting:
    """What waits for its turn."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Do not call it. Idempotent."""
        self._call = None

    def begin(self) -> bool:
        """Call it; return whether it was still to be called."""
        call, self._call = self._call, None
        if call is not None:
            call()
        return call is not None


class ShortTurns:
    """Work that is begun at once while the turn is short, and in order later. Who comes first goes first.

    Time on the wall counts, as it is for that long that everybody else waits.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._waiting: deque[Waiting] = deque()
        self._turn: asyncio.Handle | None = None
        self._spent = 0.0

    def take(self, link: ServerLink, arrived: memoryview) -> None:
        """Have a link receive what has arrived on it: now, or when its turn has come."""
        if link.is_held:
            link.receive(arrived)
        elif self._waiting or self._spent >= LONGEST:
            link.wait_for_turn(self.soon, arrived)
        else:
            self._watch_turn()
            began = self._clock()
            try:
                link.receive(arrived)
            finally:
                self._spent += self._clock() - began

    def soon(self, call: Callable[[], None]) -> Waiting:
        """Call this when its turn has come. What it raises is the loop's to tell; others have their turns."""
        waiting = Waiting(call)
        self._waiting.append(waiting)
        self._watch_turn()
        return waiting

    def _watch_turn(self) -> None:
        if self._turn is None:
            self._turn = self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._turn, self._spent, began = None, 0.0, self._clock()
        try:
            while self._waiting and self._spent < LONGEST:
                if self._waiting.popleft().begin():
                    self._spent = self._clock() - began
        finally:
            if self._waiting or self._spent:
                self._watch_turn()
