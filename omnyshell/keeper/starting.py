"""Children that are becoming programs of other users: who waits for them, and what becomes of those that take long."""

import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from . import wire
from .children import AS, MOST_REPORT, READY
from .connection import Connection
from .held import Held
from .poller import ONCE, Poller
from .wire import Request, pack

LONGEST_START = 25.0
"""Seconds that a child may take to become a program: modules and databases of users may be on the network.

The hub waits for 30, and its client should hear why there is no session.
"""

ENDED_BEFORE = b"It was killed before it became a program"

_WhyNot = tuple[bytes, ...]


class _Start(NamedTuple):
    """A child that is becoming a program."""

    connection: Connection
    request: Request
    held: Held
    overdue: float
    """When it has taken too long, by the monotonic clock."""

    said: bytearray
    """What it has told so far."""


class Starting:
    """Hears of each child how it goes."""

    def __init__(
        self,
        poller: Poller,
        begun: Callable[[Connection, Request, Held], None],
        failed: Callable[[Held], None],
    ) -> None:
        """`begun` is called for each that is a program now, `failed` for each that will be none."""
        self.when_over: Callable[[], None] = lambda: None
        """Called whenever no program is being started any more."""

        self._poller = poller
        self._begun = begun
        self._failed = failed
        self._starts: dict[int, _Start] = {}
        """By the pipe that tells how it goes; the oldest first."""

        self._will_look = False
        self._held_back: set[Connection] | None = None
        """Who asked meanwhile, or was given up; None as long as everybody is answered."""

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, report: int, connection: Connection, request: Request, held: Held) -> None:
        """Hear of one more, by a pipe that is watched from now on. Raises `OSError`."""
        # Its end is told in any case, and what comes before that is nothing to be woken for.
        self._poller.watch(report, 0, lambda _events: self._reported(report))
        self._starts[report] = _Start(connection, request, held, time.monotonic() + LONGEST_START, bytearray())
        self._look_later(LONGEST_START)

    # Before another keeper takes over

    def hold(self) -> None:
        """Answer no start until `release`, or another keeper takes over, which is asked as the connection ends."""
        if self._held_back is None:
            self._held_back = set()

    def is_held(self, connection: Connection) -> bool:
        """Tell whether what a peer wants to have started is left for later."""
        if self._held_back is not None:
            self._held_back.add(connection)
        return self._held_back is not None

    def release(self) -> None:
        """Go on, also with what was not answered: who asked for that will again. Idempotent."""
        held_back, self._held_back = self._held_back, None
        for connection in held_back or ():
            connection.close()

    def give_up(self) -> None:
        """End what is being started; nobody is answered, as with `hold`."""
        self.hold()
        for report, begun in list(self._starts.items()):
            self.is_held(begun.connection)
            begun.held.signal(wire.SESSION, signal.SIGKILL)
            self._settle(report, ())

    # What they tell

    def _reported(self, report: int) -> None:
        """The program runs, or the child has said why not."""
        said, held = self._starts[report].said, self._starts[report].held
        try:
            while reported := os.read(report, MOST_REPORT):
                said += reported
        except BlockingIOError:
            return
        if said.startswith(AS):
            line, _, said = said.partition(b"\n")
            held.user, held.uid = bytes(line).removeprefix(AS).split(b" ")
        if said == READY:
            self._settle(report, None)
        else:
            why = bytes(said).removeprefix(READY) or wire.CANNOT + b"\0" + ENDED_BEFORE
            self._settle(report, tuple(why.split(b"\0", 1)))

    def _settle(self, report: int, why_not: _WhyNot | None) -> None:
        """It is a program now, or will be none: the answer says why, and is none where that is empty."""
        connection, request, held, *_ = self._starts.pop(report)
        if why_not is None:
            self._begun(connection, request, held)
        else:
            self._failed(held)
            if why_not:
                connection.send(pack(wire.NO, request.number, *why_not))
        self._poller.unwatch(report)
        os.close(report)
        # Not before, so that no session ends that has not begun.
        self._poller.change(held.pidfd, ONCE)
        if not self._starts:
            self.when_over()

    def _look_later(self, seconds: float) -> None:
        if not self._will_look:
            self._will_look = True
            self._poller.call_later(seconds, self._look)

    def _look(self) -> None:
        """End children that take too long, and look again when the next one would."""
        self._will_look = False
        now = time.monotonic()
        for report, begun in list(self._starts.items()):
            if begun.overdue > now:
                self._look_later(begun.overdue - now)
                return
            begun.held.signal(wire.SESSION, signal.SIGKILL)
            why = f"This machine took longer than {LONGEST_START:g} s to let the user in"
            self._settle(report, (wire.CANNOT, why.encode()))
