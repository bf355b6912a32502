"""What is there before anybody waits for it: pipes for the next program, and a child that becomes it."""

from collections.abc import Sequence
from contextlib import suppress

from .becoming import Users
from .cgroups import Groups
from .children import Program
from .poller import Poller
from .spare import Spare
from .streams import Streams, open_streams
from .wire import PIPES


class Ready:
    """Makes one of each, whenever there is time; a child only once somebody has become another user."""

    def __init__(self, poller: Poller, groups: Groups, users: Users) -> None:
        self._poller = poller
        self._groups = groups
        self._users = users
        self._pipes: Streams | None = None
        self._spare: Spare | None = None
        self._given: Spare | None = None
        """The child before it."""

        self._whose = b""
        groups.when_vacant = self._make_soon
        self._make()

    def streams(self, kind: bytes, columns: int, rows: int) -> Streams:
        """Return what a session of this kind needs. Raises `OSError`."""
        pipes = self._pipes
        if kind != PIPES or pipes is None:
            return open_streams(kind, columns, rows)
        self._pipes = None
        self._make_soon()
        return pipes

    def give(self, program: Program, descriptors: Sequence[int]) -> int:
        """Have the child become a program, with what `run` gets; return its id, or 0 where there is none."""
        spare = self._take()
        return spare.give(program, descriptors) if spare is not None else 0

    def became(self, whose: bytes) -> None:
        """Somebody has become another user: there will be others."""
        self._whose = whose

    def drop(self) -> None:
        """End the child that waits. Idempotent."""
        spare = self._take()
        if spare is not None:
            spare.drop()

    def _take(self) -> Spare | None:
        spare, self._spare, self._groups.spare = self._spare, None, 0
        self._given = spare or self._given
        return spare

    def _make_soon(self) -> None:
        self._poller.call_later(0, self._make)

    def _make(self) -> None:
        with suppress(OSError):
            self._pipes = self._pipes or open_streams(PIPES, 0, 0)
            # It is born where the next session is to be.
            if self._whose and self._spare is None and self._groups.is_vacant:
                if self._given is not None:
                    self._given.close()
                self._spare = Spare(self._users, self._whose)
                self._groups.spare = self._spare.pid
