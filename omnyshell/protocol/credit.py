"""Flow control: how many bytes may be under way on a channel (docs/protocol.md#credit)."""

from omnyshell.protocol.limits import GRANT_THRESHOLD, INITIAL_CREDIT, MAX_CREDIT, MAX_GRANT


class SendCredit:
    """What a sender may still send. One counter for stdout and stderr together."""

    __slots__ = ("available", "widest")

    def __init__(self) -> None:
        self.available = INITIAL_CREDIT
        self.widest = INITIAL_CREDIT
        """The most credit that was ever available. At least the difference to what is available now is under way."""

    def spend(self, size: int) -> bool:
        """Take `size` bytes of credit; return False, and take nothing, where there is not enough."""
        if size > self.available:
            return False
        self.available -= size
        return True

    def grant(self, size: int) -> bool:
        """Add what a `channel.window` grants; return False, and add nothing, for a grant out of bounds.

        Out of bounds is what lies outside 1..2^31-1 or would lift the credit above 4 MiB (docs/protocol.md#credit).
        """
        if not 1 <= size <= MAX_GRANT or self.available + size > MAX_CREDIT:
            return False
        self.available += size
        self.widest = max(self.widest, self.available)
        return True

    def within(self, window: int) -> int:
        """Return how many bytes may be sent so that no more than `window` are under way; below 0 where too many are."""
        return self.available - max(0, self.widest - window)


class ReceiveCredit:
    """What a receiver consumed and has not yet returned as credit."""

    __slots__ = ("threshold", "unreturned")

    def __init__(self) -> None:
        self.unreturned = 0
        self.threshold = GRANT_THRESHOLD
        """Consumed bytes after which credit is granted at once."""

    def consume(self, size: int) -> int:
        """Note `size` consumed bytes; return the credit to grant at once, 0 while it may wait.

        While it waits, the caller owes a `take` within 20 ms of the last byte.
        """
        self.unreturned += size
        return self.take() if self.unreturned >= self.threshold else 0

    def take(self) -> int:
        """Return all credit that is due, and forget it."""
        due, self.unreturned = self.unreturned, 0
        return due
