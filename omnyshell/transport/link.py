"""One WebSocket connection: the Sans-I/O protocol of `websockets` between an asyncio transport and a handler.

There is no task and no queue of received messages: bytes that arrive are parsed and handed to the handler at
once; what is sent waits in an `Outbox` and is written while the transport has room. That keeps an idle peer at
a few KiB and a relayed frame at one function call.
"""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from websockets.frames import BINARY, CONT, PONG, TEXT, Frame
from websockets.protocol import CLOSED, OPEN, Event, Protocol as WebSocketProtocol, Side

from omnyshell.ids import CONTROL_CHANNEL
from omnyshell.protocol.handshake import CLOSE_MESSAGE_TOO_BIG
from omnyshell.protocol.limits import KIB, MIB
from omnyshell.protocol.outbox import Backlog, Bounds, ChannelFloodError, Outbox, OutboxOverflowError, Outgoing
from omnyshell.steps import entered
from omnyshell.transport.buffers import SMALL_FRAME, LineBuffers, ReadBuffer
from omnyshell.transport.bulk_frames import (
    BINARY as BULK_BINARY,
    OTHER,
    TEXT as BULK_TEXT,
    BulkFrameReader,
    Piece,
    bulk_frame,
    frame_of,
)
from omnyshell.transport.cut_off import CutOff, nothing
from omnyshell.transport.link_handler import NOBODY
from omnyshell.transport.link_stage import FOLLOWING, LinkStage
from omnyshell.transport.pings import Pings
from omnyshell.transport.upgrade_text import UpgradeText
from omnyshell.transport.websocket_protocol import closed
from omnyshell.transport.written_together import SmallWrites, together

if TYPE_CHECKING:
    from omnyshell.transport.fragments import Fragments
    from omnyshell.transport.held_reading import HeldReading
    from omnyshell.transport.link_handler import LinkHandler

logger = logging.getLogger("omnyshell.link")

UNREAD_PONGS_LIMIT = MIB
"""Bytes of pongs that are queued on a full transport; a peer that pings and reads nothing is cut off at this limit."""

CLOSE_TIMEOUT = 5.0
LINGER = 1.0
"""Seconds of further reading after a failure, so that the peer can read the close frame before a reset discards it."""

# Looked at for every frame.
_OPEN = LinkStage.OPEN

_read_buffer = ReadBuffer(512 * KIB)
"""Several frames of the largest size, so that few arrive in two pieces."""


class WebSocketLink(asyncio.BufferedProtocol):
    """A WebSocket connection over an asyncio transport; see `ServerLink` and `ClientLink`."""

    is_open = False
    """Whether messages can be sent. Follows from the stage, and is kept as it is read for every frame."""

    frames_a_turn = 0
    """The most frames that are processed in one turn of the event loop; 0 for no limit."""

    def __init__(self, ws: WebSocketProtocol, handler: "LinkHandler", far_end: str) -> None:
        """`far_end` identifies the connection in the log."""
        self._ws = ws
        self._handler = handler
        self._far_end = far_end
        self._stage = LinkStage.CONNECTING
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = _read_buffer.view
        self._masks = ws.side is Side.CLIENT
        self._bulk = BulkFrameReader(masked=not self._masks)
        self._upgrade = UpgradeText()
        self._outbox = Outbox()
        """Empty while messages can be sent and the transport is not paused."""

        self._buffers: LineBuffers | None = None
        self._small_frame: Callable[[], None] = nothing
        self._paused = False
        self._small = SmallWrites(self._write_now)
        self._unread_pongs = 0
        self._pings = Pings()
        self._held: HeldReading | None = None
        self._fragments: Fragments | None = None
        self._fragmented = 0
        """How many messages came in fragments."""

        self._cut_off = CutOff(self._loop, self.abort)
        self._farewell = (1000, "")
        """Code and reason of our close frame."""

        self.max_text_size: int | None = None
        self.last_heard = self._loop.time()
        """When anything last arrived, on the loop's clock."""

    # What the handler calls

    @property
    def has_ended(self) -> bool:
        """Whether the connection is gone."""
        return self._stage is LinkStage.ENDED

    @property
    def round_trip(self) -> float | None:
        """The last measured round trip in seconds; None before the first."""
        return self._pings.round_trip

    @property
    def has_room(self) -> bool:
        """Whether a message sent now goes out at once, or after little else."""
        return not self._outbox and not self._paused

    @property
    def has_urgent_room(self) -> bool:
        """Whether nothing waits that goes ahead of data, however much data waits."""
        return not self._outbox.has_urgent

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent, here and in the transport."""
        return self._outbox.queued_bytes + self._unsent

    @property
    def is_choked(self) -> bool:
        """Whether too much waits for the principal, on this connection too: senders should get no more credit."""
        return self._outbox.is_over

    @property
    def taken_bytes(self) -> int:
        """A count that increases whenever the other side reads some of what waits."""
        return self._outbox.taken_bytes - self._unsent

    @property
    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def count_queued(self, backlog: Backlog) -> None:
        """Add the bytes that wait here to a backlog shared with the principal's other connections."""
        self._outbox.count_in(backlog)

    def bound_queued(self, bounds: Bounds) -> None:
        """Set how much may wait beside data."""
        self._outbox.bounds = bounds

    def drop_queued(self) -> None:
        """Drop all that waits to be sent."""
        self._outbox.clear()

    @property
    def unfinished_bytes(self) -> int:
        """Bytes that are kept of an incomplete message, unless it fits a data frame."""
        return self._bulk.unfinished + (self._fragments.size if self._fragments is not None else 0)

    @property
    def unfinished_message(self) -> int:
        """A number that identifies the incomplete message; 0 if there is none."""
        return self._bulk.unfinished_frame if self._fragments is None else -self._fragmented

    def hold_reading(self, seconds: float) -> None:
        """Process no input for `seconds`, not even input that has arrived already."""
        if (held := self._holder()) is not None:
            held.hold(seconds)

    def _holder(self) -> "HeldReading | None":
        if self._held is None and self._transport is not None:
            # Imported by those that use it: a cold `exec` does not need it.
            from omnyshell.transport.held_reading import HeldReading

            self._held = HeldReading(self._transport, self._loop, self.receive)
        return None if self.has_ended else self._held

    def limit_messages(self, max_size: int) -> None:
        """Set the largest size of received messages, in bytes."""
        self._ws.max_message_size = max_size
        self.max_text_size = None

    def send_urgent(self, text: bytes, channel: int = CONTROL_CHANNEL) -> None:
        """Send a text message ahead of all data. A peer that does not drain its messages is cut off.

        A message that counts for a channel floods only that: `channel_flooded` is called instead.
        """
        if self._paused or not self.is_open:
            with self._queueing(channel):
                self._outbox.put_urgent(text, channel)
        else:
            self._write(bulk_frame(BULK_TEXT, text, mask=self._masks))

    def send_text(self, channel: int, text: bytes) -> None:
        """Send a text message in its channel's order, with the same limits as `send_urgent`."""
        if self._paused or not self.is_open:
            with self._queueing(channel):
                self._outbox.put(channel, Outgoing(True, text))
        else:
            self._write(bulk_frame(BULK_TEXT, text, mask=self._masks))

    def send_binary(self, channel: int, head: bytes, data: bytes | memoryview) -> None:
        """Send a binary message, `head` and `data`, in its channel's order. Nobody may change `data` any more.

        A view that can be written to is of what was read just now, and is copied where it has to wait.
        """
        if self._paused or not self.is_open:
            kept = bytes(data) if isinstance(data, memoryview) and not data.readonly else data
            with self._queueing(channel):
                self._outbox.put(channel, Outgoing(False, kept, head))
        else:
            self._write(bulk_frame(BULK_BINARY, data, mask=self._masks, head=head))
        if len(data) <= SMALL_FRAME:
            self._small_frame()

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on a channel."""
        self._outbox.discard(channel)

    def ping(self) -> None:
        """Send a WebSocket ping; the answer updates `last_heard` and `round_trip`."""
        if self.is_open:
            self._pings.sent()
            self._ws.send_ping(b"")
            self._flush_protocol()

    def close(self, code: int = 1000, reason: str = "", *, flush: bool = False) -> None:
        """Start closing. Urgent messages are still sent, and with `flush` everything else that waits too.

        Idempotent.
        """
        if not self.is_open:
            if self._stage is LinkStage.CONNECTING:
                self.abort()
            return
        self._farewell = (code, reason)
        if self._stage is _OPEN:
            self._cut_off.within(CLOSE_TIMEOUT)
        if not flush or not self._outbox:
            self._send_close()
        elif self._stage is _OPEN:
            self._become(LinkStage.FLUSHING)

    def cut_off_within(self, seconds: float) -> None:
        """End the connection within `seconds`; an earlier deadline stays in force."""
        if not self.has_ended:
            self._cut_off.within(seconds)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the WebSocket handshake."""
        # uvloop's TLS transport is a Transport by behaviour, not by type.
        self._transport = cast("asyncio.Transport", transport)
        self._buffers = LineBuffers(self._transport, self._loop)
        self._small_frame = self._buffers.small_frame
        self.begin_handshake()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return the buffer that all links share: its contents are processed before anything else can arrive."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse the input and pass it on."""
        self.receive(self._buffer[:nbytes])

    def receive(self, view: memoryview) -> None:
        """Process input."""
        if self._stage is LinkStage.CONNECTING:
            view = self._receive_handshake(view)
        self._deal_with(view)

    def eof_received(self) -> None:
        """Note the end of input; the transport closes itself."""
        self._ws.receive_eof()
        if self.is_open:
            self._closed_by_peer()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell the handler, once."""
        if self.has_ended:
            return
        self._become(LinkStage.ENDED)
        self._ws.receive_eof()
        handler = self._handler
        self._let_go()
        handler.link_closed(*closed(self._ws))

    def _let_go(self) -> None:
        """Drop what waits, and what points back here: so all of a connection is freed as it ends."""
        for part in (self._cut_off, self._small, self._outbox, self._buffers, self._held):
            if part is not None:
                part.close()
        self._transport = self._buffers = self._held = None
        self._handler, self._small_frame = NOBODY, nothing

    def pause_writing(self) -> None:
        """Keep messages in the outbox, as the transport is full."""
        self._paused = True

    def resume_writing(self) -> None:
        """Resume sending, as the transport has room."""
        self._paused = False
        self._unread_pongs = 0
        self._pump()

    # The handshake, which the two sides do differently

    @abstractmethod
    def begin_handshake(self) -> None:
        """Called when the transport is connected."""

    @abstractmethod
    def handshake_event(self, event: Event) -> None:
        """Handle the peer's HTTP request or response."""

    # The rest

    def _opened(self) -> None:
        """Send messages that waited for the handshake, and tell the handler."""
        self._pump()
        self._handler.link_opened()

    def _become(self, stage: LinkStage) -> None:
        self._stage = entered(stage, self._stage, FOLLOWING, "websocket", logger, address=self._far_end)
        self.is_open = stage in (_OPEN, LinkStage.FLUSHING)

    def _follow_protocol(self) -> None:
        """Change the stage to what `websockets` made of its input."""
        if self._ws.state is OPEN:
            if self._stage is LinkStage.CONNECTING:
                self._become(_OPEN)
        elif self.is_open:
            self._closed_by_peer()

    def _closed_by_peer(self) -> None:
        self._become(LinkStage.CLOSED_BY_PEER if self._stage is _OPEN else LinkStage.CLOSING)

    def _receive_handshake(self, view: memoryview) -> memoryview:
        """Parse the opening handshake up to its last line; return the frames after it."""
        size = self._upgrade.size_in(view)
        self._receive(view[:size])
        if self._stage is LinkStage.CONNECTING:
            # The upgrade was not accepted: the rest is the body of a refusal, or irrelevant.
            self._receive(view[size:])
            return view[:0]
        return view[size:]

    def _deal_with(self, view: memoryview) -> None:
        """Process the input, up to the point at which reading is held."""
        self.last_heard = self._loop.time()
        with together:
            self._take_frames(view)

    def _take_frames(self, view: memoryview) -> None:
        frames = self._bulk.feed(view)
        left = self.frames_a_turn
        for kind, data in frames:
            if kind == OTHER:
                if self._stage is LinkStage.DEAF:
                    return
                self._receive(data)
            elif self._stage is _OPEN and self._fragments is None:
                self._message_received(data, is_text=kind == BULK_TEXT)
            left -= 1
            if not left:
                self.hold_reading(0)
            if self._held is not None and self._held.is_held:
                frames.close()
                self._held.keep(self._bulk.take_rest())
                return

    def _receive(self, data: bytes | bytearray | memoryview) -> None:
        """Let `websockets` parse bytes, which it copies, and handle the events."""
        self._ws.receive_data(cast("bytes", data))
        self._follow_protocol()
        for event in self._ws.events_received():
            if not isinstance(event, Frame):
                self.handshake_event(event)
            elif self._stage is _OPEN or self._stage is LinkStage.CLOSED_BY_PEER:
                # Frames before the peer's close count; frames after our own do not.
                self._frame_received(event)
        self._flush_protocol()

    def _frame_received(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is PONG:
            self._pings.answered()
            return
        # For a client this is a bytearray, which can stand for bytes, as nobody keeps or changes it.
        data = cast("bytes", frame.data)
        if opcode is CONT and self._fragments is not None:
            fragments = self._fragments
            fragments.add(data)
            if frame.fin:
                self._fragments = None
                self._message_received(fragments.message(), is_text=fragments.is_text)
            elif fragments.are_too_many:
                self._fragments = None
                self._stop_listening(CLOSE_MESSAGE_TOO_BIG, "too many fragments of one message")
        elif opcode is BINARY or opcode is TEXT:
            if frame.fin:
                self._message_received(data, is_text=opcode is TEXT)
            else:
                # Imported where a peer sends fragments, which none of ours does.
                from omnyshell.transport.fragments import Fragments

                self._fragments = Fragments(data, is_text=opcode is TEXT)
                self._fragmented += 1

    def _stop_listening(self, code: int, reason: str) -> None:
        """Close, and ignore further input until the peer is cut off."""
        self.close(code, reason)
        if not self.has_ended:
            self._become(LinkStage.DEAF)
        self.cut_off_within(LINGER)

    def _message_received(self, data: bytes | memoryview, *, is_text: bool) -> None:
        if not is_text:
            self._handler.binary_received(data)
            if len(data) <= SMALL_FRAME:
                self._small_frame()
        elif self.max_text_size is not None and len(data) > self.max_text_size:
            self.close(CLOSE_MESSAGE_TOO_BIG, f"over {self.max_text_size} bytes")
        else:
            self._handler.text_received(bytes(data))

    @contextmanager
    def _queueing(self, channel: int) -> Iterator[None]:
        """Write as much as possible after a message is queued; if too much waits, end the channel or the connection."""
        try:
            yield
        except OutboxOverflowError:
            self.abort()
        except ChannelFloodError:
            self._handler.channel_flooded(channel)
        else:
            self._pump()

    def _pump(self) -> None:
        """Write queued messages in their order, while the transport has room."""
        while not self._paused and self.is_open:
            turn = self._outbox.next_turn()
            if not turn:
                if self._stage is LinkStage.FLUSHING:
                    self._send_close()
                return
            self._write([piece for message in turn for piece in frame_of(message, mask=self._masks)])

    def _send_close(self) -> None:
        code, reason = self._farewell
        for message in self._outbox.take_urgent():
            self._ws.send_text(message.data)
        self._ws.send_close(code, reason[:120])
        self._become(LinkStage.CLOSING)
        self._flush_protocol()

    def _flush_protocol(self) -> None:
        """Write the frames of the WebSocket protocol itself: handshake, pongs, close."""
        writes = self._ws.data_to_send()
        ends = bool(writes) and not writes[-1]
        if ends:
            writes.pop()
        if self._paused:
            self._unread_pongs += sum(map(len, writes))
        if self._unread_pongs > UNREAD_PONGS_LIMIT:
            self.abort()
        elif writes:
            self._write(writes)
        if ends:
            self._end_of_stream()
        if self._ws.close_expected():
            self._cut_off.within(CLOSE_TIMEOUT)

    def _write(self, writes: Sequence[Piece]) -> None:
        if not self._small.take(writes):
            self._write_now(writes)

    def _write_now(self, writes: Sequence[Piece]) -> None:
        if (transport := self._transport) is not None and not transport.is_closing():
            transport.writelines(writes)

    def _end_of_stream(self) -> None:
        """End the connection, as TLS transports have no half-close; later if the peer may still be sending."""
        self._small.flush()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._ws.close_rcvd is not None or self._ws.state is CLOSED:
            transport.close()
        else:
            self._cut_off.within(LINGER)
