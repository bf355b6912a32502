"""A bound on the memory of many histories together."""

from typing import Protocol


class Holder(Protocol):
    """What takes memory from a budget."""

    @property
    def size(self) -> int:
        """Bytes that it takes now."""

    def forget_oldest(self) -> bool:
        """Give up its oldest part, if it has one; return whether it had."""


class Budget:
    """Keeps the sum of its holders' sizes within `limit` bytes: who has most gives up its oldest part first.

    So a session that floods takes nothing from one that does not.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._holders: set[Holder] = set()
        self.used = 0
        """Bytes that all of them take."""

    def charge(self, holder: Holder, size: int) -> None:
        """Count `size` bytes that a holder took, or with a negative number gave up; its `size` says so already."""
        self.used += size
        if holder.size:
            self._holders.add(holder)
        else:
            self._holders.discard(holder)
        while self.used > self._limit and max(self._holders, key=lambda one: one.size).forget_oldest():
            continue
