"""Pipes that the keeper has opened for the next commands, so that nobody waits for that, or what is made of them."""

from collections import deque
from typing import NamedTuple

from omnyshell.keeper import wire
from omnyshell.services.node.keeper.line import close_all
from omnyshell.services.node.records.record import SessionRecord


class Opened(NamedTuple):
    """Pipes, and the beginning of a record. The descriptors are the receiver's."""

    key: bytes
    """What names them in a start."""

    by_name: dict[str, int]
    record: SessionRecord

    def close(self) -> None:
        """Have nothing to do with them."""
        close_all(self.by_name.values())


class PipesAhead:
    """Those that are ready: one at least, and as many as were missed so far."""

    def __init__(self) -> None:
        self._wanted = 1
        self._asked = 0
        self._ready: deque[Opened] = deque()

    def take(self) -> Opened | None:
        """Return some; None where none are ready."""
        if self._ready:
            return self._ready.popleft()
        self._wanted = min(self._wanted + 1, wire.MOST_OPENED)
        return None

    def missing(self) -> int:
        """Return for how many commands the keeper is to open some now; `came` is to follow."""
        count = max(0, self._wanted - self._asked - len(self._ready))
        self._asked += count
        return count

    def came(self, number: int, count: int, opened: list[dict[str, int]]) -> None:
        """The keeper has opened these, by the request of that number for so many; none where it has not."""
        self._asked -= count
        for which, by_name in enumerate(opened):
            try:
                # The record has its own mapping of that memory.
                record = SessionRecord.begin(by_name["record"])
            except (KeyError, OSError, ValueError):
                close_all(by_name.values())
                continue
            close_all((by_name.pop("record"),))
            self._ready.append(Opened(b"%d.%d" % (number, which), by_name, record))

    def drop(self) -> None:
        """The connection is gone for which they were opened. Idempotent."""
        while self._ready:
            self._ready.pop().close()
