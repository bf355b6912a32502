"""The end of all sessions: a hang-up, and a kill for those that stay."""

import signal
import time
from collections.abc import Callable

from .cgroups import Groups
from .held import Sessions
from .poller import Poller
from .processes import hang_up, members, signal_sessions

HANG_UP_TIME = 1.5
"""Seconds between the hang-up and the kill, as where a node ends its own sessions."""

_KILL_TIME = 0.5
_LOOK = 0.05

FAREWELL = 1.0
"""Seconds that peers have to read what they were told at the end."""


class Ending:
    """Ends sessions without waiting for any of them; `is_over` when none is left, or 2 s have passed.

    `was_long_enough` shortly after that: then those who do not read have had their time.
    """

    def __init__(self, poller: Poller, sessions: Sessions, groups: Groups) -> None:
        self.is_over = self.was_long_enough = False
        self.answers: list[Callable[[int], None]] = []
        """Told at the end how many sessions there were."""

        self._poller = poller
        self._began = time.monotonic()
        self._was_killed = False
        self._count = sum(not held.has_ended for held in sessions)
        # One whose leader has ended may have other processes still.
        self._held = [held for held in sessions if not held.is_reaped]
        of_sessions = [held.group for held in sessions if held.group is not None and not held.group.is_over]
        self._groups = [*groups.left, *of_sessions]
        hang_up(self._ids())
        for group in self._groups:
            group.hang_up()
        poller.call_later(0, self._look)

    def _look(self) -> None:
        past = time.monotonic() - self._began
        if past >= HANG_UP_TIME and not self._was_killed:
            self._was_killed = True
            signal_sessions(self._ids(), signal.SIGKILL)
            for group in self._groups:
                group.signal(signal.SIGKILL)
        if past < HANG_UP_TIME + _KILL_TIME and self._goes_on():
            self._poller.call_later(_LOOK, self._look)
            return
        self.is_over = True
        for answer in self.answers:
            answer(self._count)
        self._poller.call_later(FAREWELL, self._say_no_more)

    def _say_no_more(self) -> None:
        self.was_long_enough = True

    def _goes_on(self) -> bool:
        has_members = next(members(self._ids()), None) is not None or any(group.pids() for group in self._groups)
        return has_members or not all(held.has_ended for held in self._held)

    def _ids(self) -> set[int]:
        return {held.pid for held in self._held if not held.is_reaped}
