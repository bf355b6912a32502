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
        self._holders: list[Holder] = []
        self.used = 0
        """Bytes that all of them take."""

    def join(self, holder: Holder) -> None:
        """Count a holder that takes nothing yet."""
        self._holders.append(holder)

    def leave(self, holder: Holder) -> None:
        """Count a holder no more. Idempotent."""
        if holder in self._holders:
            self._holders.remove(holder)
            self.used -= holder.size

    def charge(self, size: int) -> None:
        """Count `size` bytes that a holder took, or with a negative number gave up."""
        self.used += size
        while self.used > self._limit and max(self._holders, key=lambda holder: holder.size).forget_oldest():
            continue
