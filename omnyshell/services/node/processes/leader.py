"""The process that leads a session, whoever its parent is: the node itself, or its keeper."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from omnyshell.services.node.backend import Asker, Foreground
from omnyshell.services.node.processes.process_table import HANG_UP_TIME


class Leader(Protocol):
    """A process whose end is heard of in the event loop. No method blocks or raises, whether or not it has ended."""

    @property
    def pid(self) -> int:
        """Its process id, which is also the id of its session."""

    def watch(self, exited: Callable[[int | None], None]) -> None:
        """Call `exited` once, with the return code, as `Popen.returncode` has it; None where nobody can know it."""

    def leave(self) -> None:
        """Leave it as it is: `exited` is called no more."""

    def kill(self) -> None:
        """Hang up on every process of the session, and kill the rest 1.5 s later. Idempotent."""

    def kill_now(self) -> None:
        """Kill every process of the session without delay."""

    def signal_group(self, group: int, number: int) -> None:
        """Signal a process group of the session: that of its foreground, or the leader's."""

    def input_closed(self) -> None:
        """Its input was closed here, and nobody else is to hold it open. Idempotent."""

    def output_done(self) -> None:
        """Its output is read no more, here or by anybody else. Idempotent."""

    def forget(self) -> None:
        """Nobody will ask how it ended, once its output is done. Idempotent."""

    @property
    def user(self) -> str:
        """The user as whom it was started; empty where that is not known."""

    @property
    def seen(self) -> Foreground:
        """What was learned last of processes that only another one may look at."""

    def admit(self, asker: Asker, answered: Callable[[str], None]) -> None:
        """See `OwnedSession`."""

    def look(self, done: Callable[[], None]) -> None:
        """Learn `seen` anew; see `OwnedSession`."""


class HangUp:
    """A hang-up, and the kill that follows it."""

    def __init__(self, hang_up: Callable[[], object], finish_off: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._hang_up = hang_up
        self._finish_off = finish_off
        self._killer: asyncio.TimerHandle | None = None
        self.is_pending = False
        """Whether the hang-up was sent, and the kill is still to come."""

    def begin(self) -> None:
        """Hang up, and kill later. Idempotent."""
        if self._killer is None:
            self._hang_up()
            self.is_pending = True
            self._killer = self._loop.call_later(HANG_UP_TIME, self._end)

    def end_now(self) -> None:
        """Kill without delay."""
        if self._killer is not None:
            self._killer.cancel()
        self._end()

    def _end(self) -> None:
        # Before, and not by the clock: a timer may come a moment before its time.
        self.is_pending = False
        self._finish_off()
