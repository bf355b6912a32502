"""What waits to be sent to one peer, and in which order it goes (docs/architecture.md#nobody-waits-for-a-slow-peer).

Connection-level messages, and the few channel messages that may overtake data, go first. All else waits in its
channel's queue; channels take turns, at most 64 KiB a turn, so that none delays another. Credit bounds data. Messages
have bounds of their own, separate ones for each channel, so that a session that floods a slow peer with messages loses
that session, and not the connection.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from omnyshell.ids import CONTROL_CHANNEL
from omnyshell.protocol.limits import KIB, MIB

TURN_SIZE = 64 * 1024
MAX_CHANNEL_TEXT = 256 * KIB
"""Bytes of control messages that may wait on one channel: room for the windows of a full credit of small frames."""

PAST_FULL = 2
"""Where everybody's channels are behind one connection, it is given up at this many times what may wait on all."""

MERGED_SIZE = 16 * KIB
"""Small waiting frames of one stream are merged up to this many bytes: each alone would cost some hundred bytes
more."""

SMALL_SIZE = 512
"""Frames below this many bytes that cannot be merged, as their streams alternate, are kept packed."""

MAX_PACKED_FRAMES = 1000
PACKED_FRAME_WEIGHT = 64
"""The cost of sending a small frame, in bytes of a large one that take as long."""

ALWAYS_QUEUED = MIB
"""Bytes that may wait for each connection, whatever waits for others of its principal."""

FULL_AT = 4
"""A backlog is full at this many times its limit: what was already under way when it reached the limit is still
queued."""

_KIND_SIZE, _SIZE_OFFSET, _HEAD_SIZE = 2, 6, 10
"""In a data frame's header: version and opcode, then the channel, then the length."""

_PACKED_HEAD_SIZE = _KIND_SIZE + _HEAD_SIZE - _SIZE_OFFSET


class Bounds(NamedTuple):
    """How much may wait for one connection beside data, which credit bounds."""

    urgent_messages: int = 1000
    """How many messages that are on no channel."""

    urgent_bytes: int = MIB
    all_channels_text: int = 8 * MIB
    """Bytes of messages on all channels together."""

    is_shared: bool = False
    """Whether the channels are many peers', so that one with messages that wait pays for too many, not all."""


class Outgoing(NamedTuple):
    """One WebSocket message: `head` and `data`, apart so that nobody copies a payload to put it behind a header."""

    is_text: bool
    data: bytes | bytearray | memoryview
    head: bytes = b""


class _SmallFrames:
    """Small waiting data frames of one channel, packed: each costs a few bytes beside its payload, not some hundred."""

    __slots__ = ("_channel", "_count", "_last", "_raw")

    is_text = False

    def __init__(self, first: Outgoing) -> None:
        self._channel = first.head[_KIND_SIZE:_SIZE_OFFSET]
        self._raw = bytearray()
        self._count = 0
        self._last = 0
        self.add(first)

    def add(self, frame: Outgoing) -> bool:
        """Add a frame; return False if there is no room.

        It is merged with the one before it where the stream is the same.
        """
        raw, kind, last = self._raw, frame.head[:_KIND_SIZE], self._last
        if len(raw) + len(frame.data) > MERGED_SIZE:
            return False
        if self._count and raw[last : last + _KIND_SIZE] == kind:
            at = slice(last + _KIND_SIZE, last + _PACKED_HEAD_SIZE)
            raw[at] = (int.from_bytes(raw[at], "big") + len(frame.data)).to_bytes(4, "big")
            raw += frame.data
            return True
        if self._count >= MAX_PACKED_FRAMES:
            return False
        self._last = len(raw)
        self._raw += kind
        self._raw += frame.head[_SIZE_OFFSET:]
        self._raw += frame.data
        self._count += 1
        return True

    @property
    def weight(self) -> int:
        """How much of a turn these take."""
        return max(len(self._raw), self._count * PACKED_FRAME_WEIGHT)

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return len(self._raw) - self._count * _PACKED_HEAD_SIZE

    def unpacked(self) -> Iterator[Outgoing]:
        """Yield the frames as they came."""
        raw, at = bytes(self._raw), 0
        while at < len(raw):
            start = at + _PACKED_HEAD_SIZE
            end = start + int.from_bytes(raw[at + _KIND_SIZE : start], "big")
            head = raw[at : at + _KIND_SIZE] + self._channel + raw[at + _KIND_SIZE : start]
            yield Outgoing(False, raw[start:end], head)
            at = end


_Waiting = Outgoing | _SmallFrames


class Backlog:
    """How many bytes wait to be sent to all connections of one principal, and how many may."""

    __slots__ = ("limit", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0

    @property
    def is_over(self) -> bool:
        """Whether the limit is reached, so that senders should pause."""
        return self.waiting > self.limit

    @property
    def is_full(self) -> bool:
        """Whether no more data is queued."""
        return self.waiting > FULL_AT * self.limit


class OutboxOverflowError(Exception):
    """The peer does not drain its connection-level messages; it has to be disconnected."""


class ChannelFloodError(Exception):
    """Too much waits on a channel; the item was not queued. The channel has to be closed."""


class _WaitingText:
    """How many bytes of control messages wait on each channel."""

    __slots__ = ("_by_channel", "_total", "bounds")

    def __init__(self, bounds: Bounds) -> None:
        self._by_channel: dict[int, int] = {}
        self._total = 0
        self.bounds = bounds

    def add(self, channel: int, size: int) -> None:
        """Count a message, or raise `ChannelFloodError`.

        A message larger than the bound passes where nothing else waits.
        """
        waiting = self._by_channel.get(channel, 0)
        if self._total and waiting + size > MAX_CHANNEL_TEXT:
            raise ChannelFloodError
        if self._total > self.bounds.all_channels_text:
            self._is_full(waiting)
        self._by_channel[channel] = waiting + size
        self._total += size

    def _is_full(self, waiting: int) -> None:
        """Raise what ends a channel, or all; the last words of one that has ended pass."""
        if not self.bounds.is_shared or self._total > PAST_FULL * self.bounds.all_channels_text:
            raise OutboxOverflowError
        if waiting:
            raise ChannelFloodError

    def remove(self, channel: int, size: int) -> None:
        """Stop counting a message that was sent or discarded."""
        left = self._by_channel[channel] - size
        self._total -= size
        if left:
            self._by_channel[channel] = left
        else:
            del self._by_channel[channel]

    def has(self, channel: int) -> bool:
        """Whether any message waits on the channel."""
        return channel in self._by_channel


class Outbox:
    """Orders what is sent to one peer. The caller writes what `next_turn` returns, while there is room."""

    __slots__ = (
        "_backlog",
        "_channel_text",
        "_channels",
        "_turns",
        "_urgent",
        "_urgent_bytes",
        "_urgent_messages",
        "queued_bytes",
        "taken_bytes",
    )

    def __init__(self) -> None:
        self._backlog: Backlog | None = None
        self.queued_bytes = 0
        """How many bytes wait."""

        self.taken_bytes = 0
        """Bytes that were queued and have been taken since the start."""

        self._urgent: deque[tuple[int, bytes]] = deque()
        self._urgent_messages = 0
        self._urgent_bytes = 0
        self._channel_text = _WaitingText(Bounds())
        self._channels: dict[int, deque[_Waiting]] = {}
        self._turns: deque[int] = deque()

    def __bool__(self) -> bool:
        return bool(self._urgent or self._turns)

    @property
    def is_over(self) -> bool:
        """Whether the principal's backlog is over its limit, and this outbox holds a relevant part of it."""
        return self._backlog is not None and self._backlog.is_over and self.queued_bytes > ALWAYS_QUEUED

    @property
    def bounds(self) -> Bounds:
        """How much may wait."""
        return self._channel_text.bounds

    @bounds.setter
    def bounds(self, bounds: Bounds) -> None:
        self._channel_text.bounds = bounds

    @property
    def has_urgent(self) -> bool:
        """Whether anything waits that goes ahead of data."""
        return bool(self._urgent)

    def close(self) -> None:
        """Drop everything, and count for no backlog: the connection is gone. Idempotent."""
        self.clear()
        self.count_in(None)

    def count_in(self, backlog: Backlog | None) -> None:
        """Add the bytes queued here, now and later, to a backlog shared with the principal's other connections."""
        waiting = self.queued_bytes
        self._count(-waiting)
        self._backlog = backlog
        self._count(waiting)

    def clear(self) -> None:
        """Forget all that waits."""
        for channel in list(self._channels):
            self.discard(channel)
        self.take_urgent()

    def put_urgent(self, text: bytes, channel: int = CONTROL_CHANNEL) -> None:
        """Queue a message ahead of all data. Raises `OutboxOverflowError` where too much waits already.

        One message may be larger than the bound, as a listing of thousands of nodes is. A message that is counted for
        a channel raises `ChannelFloodError` where too much waits there.
        """
        if channel:
            self._channel_text.add(channel, len(text))
        elif self._urgent_messages >= self.bounds.urgent_messages or self._urgent_bytes > self.bounds.urgent_bytes:
            raise OutboxOverflowError
        else:
            self._urgent_messages += 1
            self._urgent_bytes += len(text)
        self._urgent.append((channel, text))
        self._count(len(text))

    def put(self, channel: int, item: Outgoing) -> None:
        """Queue a message behind what its channel has queued already. Raises as `put_urgent` does.

        Data also raises `ChannelFloodError` where the principal's backlog is full.
        """
        if item.is_text:
            self._channel_text.add(channel, len(item.data))
        elif self._backlog is not None and self._backlog.is_full and self.queued_bytes > ALWAYS_QUEUED:
            raise ChannelFloodError
        self._count(len(item.data))
        queue = self._channels.get(channel)
        if queue is None:
            queue = self._channels[channel] = deque()
            self._turns.append(channel)
        elif item.head and len(item.data) < MERGED_SIZE and (not item.data or _merge(queue, item)):
            # Empty frames carry nothing, and cost no credit, so nothing would bound their number.
            return
        queue.append(item)

    def discard(self, channel: int) -> None:
        """Forget what waits on a channel."""
        queue = self._channels.pop(channel, None)
        if queue is not None:
            self._turns.remove(channel)
            self._sent(channel, queue)
            self._count(-sum(map(_size, queue)))
        if self._channel_text.has(channel):
            for counted, text in self._urgent:
                if counted == channel:
                    self._channel_text.remove(channel, len(text))
                    self._count(-len(text))
            self._urgent = deque(item for item in self._urgent if item[0] != channel)

    def next_turn(self) -> list[Outgoing]:
        """Return, and forget, what goes next: all urgent messages, or one channel's turn; empty when nothing waits."""
        if self._urgent:
            return self.take_urgent()
        return self._channel_turn() if self._turns else []

    def take_urgent(self) -> list[Outgoing]:
        """Return, and forget, all urgent messages."""
        batch, size = [], 0
        for channel, text in self._urgent:
            size += len(text)
            if channel:
                self._channel_text.remove(channel, len(text))
            batch.append(Outgoing(True, text))
        self._urgent.clear()
        self._urgent_messages = self._urgent_bytes = 0
        self._taken(size)
        return batch

    def _channel_turn(self) -> list[Outgoing]:
        channel = self._turns.popleft()
        queue = self._channels[channel]
        batch: list[Outgoing] = []
        weight = size = 0
        while queue and (not batch or weight + _weight(queue[0]) <= TURN_SIZE):
            item = queue.popleft()
            weight += _weight(item)
            size += _size(item)
            if isinstance(item, _SmallFrames):
                batch += item.unpacked()
            else:
                batch.append(item)
        if queue:
            self._turns.append(channel)
        else:
            del self._channels[channel]
        self._sent(channel, batch)
        self._taken(size)
        return batch

    def _taken(self, size: int) -> None:
        self.taken_bytes += size
        self._count(-size)

    def _count(self, size: int) -> None:
        self.queued_bytes += size
        if self._backlog is not None:
            self._backlog.waiting += size

    def _sent(self, channel: int, items: Iterable[_Waiting]) -> None:
        for item in items:
            if isinstance(item, Outgoing) and item.is_text:
                self._channel_text.remove(channel, len(item.data))


def _size(item: _Waiting) -> int:
    return item.size if isinstance(item, _SmallFrames) else len(item.data)


def _weight(item: _Waiting) -> int:
    return item.weight if isinstance(item, _SmallFrames) else len(item.data)


def _merge(queue: deque[_Waiting], item: Outgoing) -> bool:
    """Append a data frame to the last one that waits, if both are of one stream and small; returns whether it did."""
    last = queue[-1]
    if isinstance(last, _SmallFrames):
        return len(item.data) < SMALL_SIZE and last.add(item)
    if last.is_text:
        return False
    size = len(last.data) + len(item.data)
    if last.head[:_SIZE_OFFSET] != item.head[:_SIZE_OFFSET]:
        return _pack(queue, last, item)
    if size > MERGED_SIZE:
        return False
    data = last.data if isinstance(last.data, bytearray) else bytearray(last.data)
    data += item.data
    queue[-1] = Outgoing(False, data, last.head[:_SIZE_OFFSET] + size.to_bytes(4, "big"))
    return True


def _pack(queue: deque[_Waiting], last: Outgoing, item: Outgoing) -> bool:
    """Keep frames of different streams together, where both are small."""
    if not last.head or max(len(last.data), len(item.data)) >= SMALL_SIZE:
        return False
    packed = _SmallFrames(last)
    packed.add(item)
    queue[-1] = packed
    return True
