"""A peer's channels: streams under credit, multiplexed over one connection (docs/protocol.md#channels)."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from omnyshell.errors import ChannelException, OmnyShellException
from omnyshell.ids import CONTROL_CHANNEL
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.credit import ReceiveCredit, SendCredit
from omnyshell.protocol.frames import DataOpcode, pack_header
from omnyshell.protocol.limits import (
    BULK_PAYLOAD,
    EXTRA_AFTER,
    EXTRA_CREDIT,
    GRANT_DELAY,
    INITIAL_CREDIT,
    KIB,
    MAX_CREDIT,
    MAX_PAYLOAD,
    WIDE_GRANT_DELAY,
    WIDE_GRANT_SHARE,
)
from omnyshell.protocol.messages import ChannelClose, ChannelMessage, ChannelWindow
from omnyshell.transport.attention import Attention

STDIN = "stdin"

ACKNOWLEDGE_AFTER = 512 * KIB
"""Bytes of a flowing stream after which its offset is acknowledged; when the stream pauses, that is done at once."""


class ChannelLink(Protocol):
    """The carrier of channels: a `WebSocketLink`, or a link beyond this connection."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""

    def send_urgent(self, text: bytes, channel: int = CONTROL_CHANNEL) -> None:
        """Send a text message ahead of all data."""

    def send_text(self, channel: int, text: bytes) -> None:
        """Send a text message in its channel's order."""

    def send_binary(self, channel: int, head: bytes, data: bytes | memoryview) -> None:
        """Send a binary message, `head` and `data`, in its channel's order."""

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on a channel."""


class ChannelHandler(Protocol):
    """The receiver of what arrives on a channel."""

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Handle a chunk, and call `Channel.consumed` once it is processed.

        A memoryview is valid only during the call.
        """

    def message_received(self, message: ChannelMessage) -> None:
        """Handle a message about the channel, other than a window."""

    def budget_available(self) -> None:
        """There is credit for output again."""

    def channel_lost(self, error: OmnyShellException) -> None:
        """The connection has ended; no further calls follow."""


class OffsetKeeper(Protocol):
    """Counts the bytes of a session that can be resumed at an exact byte (extension `resume-offset`)."""

    def received_offset(self) -> int:
        """How many bytes have arrived since the session began, over all its channels."""

    def acknowledged(self, offset: int) -> None:
        """The other side has everything before this offset."""


class Channel:
    """One end of a channel. Data beyond the credit waits here, in order, and so does everything after it."""

    def __init__(
        self,
        channel_id: int,
        link: ChannelLink,
        handler: ChannelHandler,
        incoming: str,
        typing: Attention,
        on_end: Callable[["Channel"], None],
    ) -> None:
        self.id = channel_id
        self.handler = handler
        self.offsets: OffsetKeeper | None = None
        self._acknowledged = 0
        self.is_closed = False
        self._link = link
        self._incoming = incoming
        self._typing = typing
        self._on_end = on_end
        self._credit = SendCredit()
        self._received = ReceiveCredit()
        self._grant_delay = GRANT_DELAY
        self._extra = 0
        self._unreturned_before = 0
        self._waiting: deque[tuple[DataOpcode, memoryview] | ChannelMessage] = deque()
        self._grant_timer: asyncio.TimerHandle | None = None

    def takes(self, opcode: DataOpcode) -> bool:
        """Tell whether the other side may send this stream."""
        return (opcode is DataOpcode.STDIN) is (self._incoming == STDIN)

    @property
    def budget(self) -> int:
        """How many bytes can be sent without waiting for credit.

        Extra credit is not used during interactive traffic.
        """
        if self._waiting or self.is_closed:
            return 0
        if self._typing.is_on:
            return max(0, self._credit.within(INITIAL_CREDIT))
        return self._credit.available

    def typed(self) -> None:
        """Note a keystroke on this channel: for a while, no channel of the connection uses extra credit."""
        self._typing.note()

    def send_data(self, opcode: DataOpcode, data: bytes) -> None:
        """Send bytes of a stream, as credit allows; longer ones are split. Raises `ChannelException` when closed."""
        self._check_open()
        if not data:
            # An empty frame has no effect, and a hub counts it as a request.
            return
        if not self._waiting and len(data) <= MAX_PAYLOAD and self._credit.spend(len(data)):
            self._link.send_binary(self.id, pack_header(opcode, self.id, len(data)), data)
        else:
            self._waiting.append((opcode, memoryview(data)))
            self._send_waiting()

    def send(self, message: ChannelMessage) -> None:
        """Send a message after all data that was sent before. A close ends the channel once it is sent."""
        self._check_open()
        self._waiting.append(message)
        self._send_waiting()

    def send_ahead(self, message: ChannelMessage) -> None:
        """Send a message that may overtake data: signal, resize, window."""
        self._check_open()
        self._link.send_urgent(encode_control(message, self.id))

    def consumed(self, size: int) -> None:
        """Grant credit for processed bytes: at once if they are many, else a little later."""
        if self.is_closed:
            return
        due = self._received.consume(size)
        if self._extra and due + self._received.unreturned >= EXTRA_AFTER:
            due += self._received.take() + self._extra
            if self._extra > EXTRA_CREDIT:
                self._grant_delay = WIDE_GRANT_DELAY
            self._extra = 0
        if due:
            self._grant(due, soon=True)
        elif self._grant_timer is None:
            self._grant_soon()

    def grant_extra(self, size: int) -> None:
        """Widen the receive window once by `size` bytes, where throughput matters more than latency."""
        if not self.is_closed:
            self._grant(size)

    def widen(self, window: int, *, least: int = EXTRA_CREDIT) -> None:
        """Widen the receive window once, to `window`, and by `least` bytes at any rate.

        `window` is what the other side allows by the extension `wide-window` or `wide-input`.
        The grant is sent only once enough bytes have come, as most commands print little, and the message has a cost.
        """
        extra = min(window, MAX_CREDIT) - INITIAL_CREDIT
        if extra > EXTRA_CREDIT:
            self._received.threshold = (INITIAL_CREDIT + extra) // WIDE_GRANT_SHARE
        self._extra = max(extra, least)

    def close(self, message: ChannelClose | None = None) -> None:
        """End the channel at once, drop what waits on it, and send the other side `message`, if given."""
        if self.is_closed:
            return
        self._waiting.clear()
        self._link.discard(self.id)
        if message is not None and self._link.is_open:
            self.send_ahead(message)
        self.end()

    def finish(self, message: ChannelMessage) -> None:
        """Send a last message and end the channel; data that waits for credit is dropped, queued data is still sent."""
        if self.is_closed:
            return
        self._waiting.clear()
        self._send_now(message)
        self.end()

    def end(self) -> None:
        """End the channel: later input is dropped, queued data is still sent. Idempotent."""
        if self.is_closed:
            return
        self.is_closed = True
        self._on_end(self)
        if self._grant_timer is not None:
            self._grant_timer.cancel()
            self._grant_timer = None

    def window_received(self, window: ChannelWindow) -> None:
        """Handle a grant of the other side, and send data that waited for it."""
        if self.is_closed:
            return
        if self.offsets is not None and window.offset is not None:
            self.offsets.acknowledged(window.offset)
        if self.is_closed or not self._credit.grant(window.credit):
            return
        self._send_waiting()
        if self.budget:
            self.handler.budget_available()

    def _check_open(self) -> None:
        if self.is_closed:
            raise ChannelException(f"channel {self.id} is closed")

    def _send_waiting(self) -> None:
        while self._waiting:
            head = self._waiting[0]
            if isinstance(head, ChannelMessage):
                self._waiting.popleft()
                self._send_now(head)
                continue
            opcode, data = head
            size = min(len(data), BULK_PAYLOAD, self._credit.available)
            if size == 0:
                return
            self._credit.spend(size)
            self._link.send_binary(self.id, pack_header(opcode, self.id, size), data[:size])
            if self.is_closed:
                # The data exceeded the link's limits, which ended the channel.
                return
            if size == len(data):
                self._waiting.popleft()
            else:
                self._waiting[0] = (opcode, data[size:])

    def _send_now(self, message: ChannelMessage) -> None:
        self._link.send_text(self.id, encode_control(message, self.id))
        if isinstance(message, ChannelClose):
            self.end()

    def _offset_due(self, *, soon: bool) -> int | None:
        """The offset to acknowledge, or None: identical windows without an offset are cheaper to send and to relay."""
        offset = self.offsets.received_offset() if self.offsets is not None else None
        if offset is None or (soon and offset - self._acknowledged < ACKNOWLEDGE_AFTER):
            return None
        self._acknowledged = offset
        return offset

    def _grant(self, credit: int, *, soon: bool = False) -> None:
        if self._grant_timer is not None:
            self._grant_timer.cancel()
            self._grant_timer = None
        if self._link.is_open:
            self.send_ahead(ChannelWindow(stream=self._incoming, credit=credit, offset=self._offset_due(soon=soon)))

    def _grant_soon(self) -> None:
        self._unreturned_before = self._received.unreturned
        self._grant_timer = asyncio.get_running_loop().call_later(self._grant_delay, self._grant_late)

    def _grant_late(self) -> None:
        self._grant_timer = None
        if self._received.unreturned > self._unreturned_before:
            # The stream still flows with enough credit, so no grant disturbs interactive traffic.
            self._grant_soon()
            return
        due = self._received.take()
        if due and not self.is_closed:
            self._grant(due)


class ChannelMultiplexer:
    """The channels of one connection. `incoming` names the stream whose credit this side grants.

    `ended` is called with the id of each channel that has ended.
    """

    def __init__(
        self, link: ChannelLink, incoming: str, ended: Callable[[int], None] = lambda _channel_id: None
    ) -> None:
        self._link = link
        self._incoming = incoming
        self._ended = ended
        self._channels: dict[int, Channel] = {}
        self._next_id = 1
        self._typing = Attention(asyncio.get_running_loop(), began=lambda: None, ended=self._use_all_credit)

    def __len__(self) -> int:
        return len(self._channels)

    def __contains__(self, channel_id: int) -> bool:
        return channel_id in self._channels

    def open(self, handler: ChannelHandler) -> Channel:
        """Open a channel with the next free id."""
        channel = self.adopt(self._next_id, handler)
        self._next_id += 1
        return channel

    def adopt(self, channel_id: int, handler: ChannelHandler, incoming: str | None = None) -> Channel:
        """Add a channel that the other side opened; pass `incoming` if its stream differs from the other channels'.

        Raises `ChannelException` if the id is in use.
        """
        if channel_id in self._channels:
            raise ChannelException(f"channel {channel_id} is in use")
        channel = Channel(channel_id, self._link, handler, incoming or self._incoming, self._typing, self._forget)
        self._channels[channel_id] = channel
        return channel

    def handler_of(self, channel_id: int) -> ChannelHandler | None:
        """Return the handler of a channel; None if there is none."""
        channel = self._channels.get(channel_id)
        return channel.handler if channel is not None else None

    def handlers(self) -> "list[ChannelHandler]":
        """Return the handlers of all channels."""
        return [channel.handler for channel in self._channels.values()]

    def receive_data(self, channel_id: int, opcode: DataOpcode, payload: bytes | memoryview) -> bool:
        """Pass data to its channel; return False if there is none, or its stream does not go this way."""
        channel = self._channels.get(channel_id)
        if channel is None or not channel.takes(opcode):
            return False
        channel.handler.data_received(opcode, payload)
        return True

    def receive_message(self, channel_id: int, message: ChannelMessage) -> bool:
        """Pass a message to its channel; return False if there is none."""
        channel = self._channels.get(channel_id)
        if channel is None:
            return False
        if isinstance(message, ChannelWindow):
            channel.window_received(message)
        else:
            channel.handler.message_received(message)
        return True

    def lose(self, error: OmnyShellException) -> None:
        """End every channel, as the connection is gone."""
        self._typing.close()
        for channel in list(self._channels.values()):
            channel.end()
            channel.handler.channel_lost(error)

    def _use_all_credit(self) -> None:
        for channel in list(self._channels.values()):
            if channel.budget:
                channel.handler.budget_available()

    def _forget(self, channel: Channel) -> None:
        del self._channels[channel.id]
        self._ended(channel.id)
