"""A child that is there before anybody waits for it, once somebody has become another user."""

import time
from collections.abc import Sequence
from contextlib import suppress

from .becoming import Users
from .cgroups import Groups
from .children import Program
from .poller import Poller
from .spare import Spare

_PAUSE = 0.002
"""Seconds before the next child is forked: a fork and what the child loads take a processor, which those need who hear
of a program's end. One who starts the next program sooner than twice that waits for the child instead."""


class Ready:
    """Has the next child ready, whenever there is time."""

    def __init__(self, poller: Poller, groups: Groups, users: Users) -> None:
        self._poller = poller
        self._groups = groups
        self._users = users
        self._spare: Spare | None = None
        self._given: Spare | None = None
        """The child before it."""

        self._whose = b""
        self._will_fork = False
        self._wanted_at = 0.0
        """Since when another child is wanted, by the monotonic clock."""

        self._pause = _PAUSE
        groups.when_vacant = self._fork_soon

    def give(self, program: Program, descriptors: Sequence[int]) -> int:
        """Have the child become a program, with what `run` gets; return its id, or 0 where there is none."""
        self._pause = _PAUSE if time.monotonic() - self._wanted_at > 2 * _PAUSE else 0
        spare = self._take()
        return spare.give(program, descriptors) if spare is not None else 0

    def expect(self, whose: bytes) -> None:
        """Have the child look up whom somebody becomes for whom a program is being prepared, if there is one."""
        if self._spare is not None:
            self._spare.expect(whose)

    def became(self, whose: bytes) -> None:
        """Somebody has become another user: there will be others."""
        self._whose = whose
        self._fork_soon()

    def drop(self) -> None:
        """End the child that waits. Idempotent."""
        spare = self._take()
        if spare is not None:
            spare.drop()

    def _take(self) -> Spare | None:
        spare, self._spare, self._groups.nest.spare = self._spare, None, 0
        self._given = spare or self._given
        return spare

    def _fork_soon(self) -> None:
        if self._whose and not self._will_fork:
            self._will_fork = True
            self._wanted_at = time.monotonic()
            self._poller.call_later(self._pause, self._fork)

    def _fork(self) -> None:
        self._will_fork = False
        # It is born where the next session is to be.
        if self._spare is not None or not self._groups.is_vacant:
            return
        if self._given is not None:
            self._given.close()
        with suppress(OSError):
            self._spare = Spare(self._users, self._whose)
            self._groups.nest.spare = self._spare.pid
