"""What waits to be sent to one peer, and in which order it goes (decision 1 of the architecture).

Connection-level messages, and the few channel messages that may overtake data, go first. All else waits in
its channel's queue; channels take turns, at most 64 KiB a turn, so that none delays another. Channel queues are bounded
because credit is; the urgent queue has bounds of its own.
"""

from collections import deque
from typing import NamedTuple

from omnyshell.protocol.limits import MIB

TURN_SIZE = 64 * 1024
MAX_URGENT_MESSAGES = 1000
MAX_URGENT_BYTES = MIB


class Outgoing(NamedTuple):
    """One WebSocket message: `head` and `data`, which are apart so that nobody copies a payload to put it behind a header."""

    is_text: bool
    data: bytes | memoryview
    head: bytes = b""


class OutboxOverflowError(Exception):
    """The peer does not drain its connection-level messages; it has to be disconnected."""


class Outbox:
    """Orders what is sent to one peer. The caller writes what `next_turn` returns, while there is room."""

    __slots__ = ("_channels", "_turns", "_urgent", "_urgent_bytes")

    def __init__(self) -> None:
        self._urgent: deque[bytes] = deque()
        self._urgent_bytes = 0
        self._channels: dict[int, deque[Outgoing]] = {}
        self._turns: deque[int] = deque()

    def __bool__(self) -> bool:
        return bool(self._urgent or self._turns)

    def put_urgent(self, text: bytes) -> None:
        """Queue a message ahead of all data. Raises `OutboxOverflowError` where too much waits already.

        One message may be larger than the bound, as a listing of thousands of nodes is.
        """
        if len(self._urgent) >= MAX_URGENT_MESSAGES or self._urgent_bytes > MAX_URGENT_BYTES:
            raise OutboxOverflowError
        self._urgent.append(text)
        self._urgent_bytes += len(text)

    def put(self, channel: int, item: Outgoing) -> None:
        """Queue a message behind what its channel has queued already."""
        queue = self._channels.get(channel)
        if queue is None:
            queue = self._channels[channel] = deque()
            self._turns.append(channel)
        queue.append(item)

    def discard(self, channel: int) -> None:
        """Forget what waits on a channel."""
        if self._channels.pop(channel, None) is not None:
            self._turns.remove(channel)

    def next_turn(self) -> list[Outgoing]:
        """Return, and forget, what goes next: all urgent messages, or one channel's turn; empty when nothing waits."""
        if self._urgent:
            return self.take_urgent()
        return self._channel_turn() if self._turns else []

    def take_urgent(self) -> list[Outgoing]:
        """Return, and forget, all urgent messages."""
        batch = [Outgoing(True, text) for text in self._urgent]
        self._urgent.clear()
        self._urgent_bytes = 0
        return batch

    def _channel_turn(self) -> list[Outgoing]:
        channel = self._turns.popleft()
        queue = self._channels[channel]
        batch = [queue.popleft()]
        size = len(batch[0].data)
        while queue and size + len(queue[0].data) <= TURN_SIZE:
            item = queue.popleft()
            size += len(item.data)
            batch.append(item)
        if queue:
            self._turns.append(channel)
        else:
            del self._channels[channel]
        return batch
