"""Joins a channel with a byte stream: both ends of a connection through a tunnel (docs/protocol.md#tunnels)."""

from collections.abc import Mapping

from omnyshell.errors import OmnyShellException
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import INITIAL_CREDIT
from omnyshell.protocol.messages import ChannelClose, ChannelEof, ChannelMessage
from omnyshell.transport.channels import Channel
from omnyshell.transport.duplex import Due, Duplex, Way
from omnyshell.transport.stall_timer import StallTimer
from omnyshell.transport.tcp_stream import ByteStream

HALF_CLOSED_TIMEOUT = 600.0
"""Seconds without a byte after which a half-closed connection is ended."""

EXTRA_CREDIT = INITIAL_CREDIT
"""Bytes that are granted once beyond what was consumed, after that many bytes: a bulk transfer needs a larger
window."""

_FAILURES = (CloseReason.ERROR, CloseReason.TARGET_ERROR, CloseReason.EXTERNAL_ERROR, CloseReason.EXPOSER_CLOSED)


class ChannelStream:
    """Moves bytes both ways under credit, ends each direction separately, and closes when both have ended.

    It is the owner of the stream and the handler of the channel. `sends` is the opcode for bytes from the stream,
    `closed` and `failed` are the reasons sent on the channel when the stream ends. `half_close` says that the channel's
    other side understands `channel.eof`. Without it everything ends with the stream: at once, or with `grace` after so
    many seconds without a byte. `ids` are the fields of the connection in the log.

    In its `Duplex`, `incoming` is the direction from the stream to the channel, `outgoing` the other one. Nothing waits
    in this object: an end is passed on as soon as both sides are joined, after the bytes that wait in the channel or in
    the stream.
    """

    channel: Channel
    stream: ByteStream

    def __init__(
        self,
        ids: Mapping[str, object],
        *,
        sends: DataOpcode,
        half_close: bool,
        closed: CloseReason,
        failed: CloseReason,
        grace: float | None = None,
    ) -> None:
        self._sends = sends
        self._receives = DataOpcode.STDIN if sends is DataOpcode.STDOUT else DataOpcode.STDOUT
        self._half_close = half_close
        self._grace = grace
        self._closed = closed
        self._failed = failed
        self._life = Duplex("connection", ids)
        self._stall_timer: StallTimer | None = None
        self.bytes_sent = 0
        """Bytes that came from the stream."""

        self.bytes_received = 0
        """Bytes that came from the channel."""

        self.bytes_delivered = 0
        """Bytes from the channel that the socket has taken."""

    def join(self) -> None:
        """Let bytes flow, as the other side is ready."""
        if self._life.open():
            self.stream.resume_reading()
            self._end_outgoing_if_due()
            if self._life.delivered():
                self._incoming_ended()

    def abort(self, reason: CloseReason, message: str | None = None) -> None:
        """End both sides at once, and drop what waits. Idempotent."""
        self._life.close(reset=True)
        self.channel.close(ChannelClose(reason=reason, message=message))
        self._finish()
        self.stream.abort()

    def over(self) -> None:
        """Called once, when nothing is left of the connection."""

    # What the stream calls

    def stream_opened(self) -> None:
        """Do nothing: `join` lets bytes flow."""

    def budget(self) -> int:
        """Read as much as the channel has credit for."""
        return self.channel.budget if self._life.may_receive else 0

    def bytes_read(self, data: memoryview) -> None:
        """Send bytes from the stream on the channel."""
        self.bytes_sent += len(data)
        # Copied, as the stream reuses its buffer, and the bytes may wait in the outbox.
        self.channel.send_data(self._sends, bytes(data))

    def stream_ended(self) -> None:
        """Handle the end of the stream's input: end the channel's direction, or everything if both have ended."""
        if self._life.receive_end():
            self._incoming_ended()

    def bytes_taken(self, size: int) -> None:
        """Return credit for what the socket took."""
        before = self.bytes_delivered
        self.bytes_delivered += size
        self.channel.consumed(size)
        if before < EXTRA_CREDIT <= self.bytes_delivered:
            # It is a long transfer, and the receiver keeps up.
            self.channel.grant_extra(EXTRA_CREDIT)

    def stream_lost(self, error: Exception | None) -> None:
        """Handle the loss of the stream: report it on the channel after the bytes that came before."""
        has_ended = error is None and self._life.incoming is not Way.OPEN
        self._close_channel(self._closed if has_ended else self._failed)
        self._finish()

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Write bytes from the channel to the stream."""
        if opcode is self._receives and self._life.may_send:
            self.bytes_received += len(payload)
            self.stream.write(payload)

    def message_received(self, message: ChannelMessage) -> None:
        """Handle the end of one direction, or of the connection."""
        if isinstance(message, ChannelClose):
            has_failed = message.reason in _FAILURES
            self._life.close(reset=has_failed)
            self.channel.end()
            self.stream.close(reset=has_failed)
        elif isinstance(message, ChannelEof) and message.stream == self._receives.name.lower():
            self._life.send_end()
            self._end_outgoing_if_due()

    def budget_available(self) -> None:
        """Resume reading the stream: the channel has credit again."""
        self.stream.resume_reading()

    def channel_lost(self, _error: OmnyShellException) -> None:
        """End the stream: the channel's connection is gone."""
        self._finish()
        self.stream.abort()

    # The rest

    def pass_on(self, data: bytes) -> None:
        """Send bytes of the stream that are counted already."""
        if not self.channel.is_closed:
            self.channel.send_data(self._sends, data)

    def leave_stream(self, reason: CloseReason) -> None:
        """Close the channel after what it still has to deliver; a layer in between closes the stream itself."""
        self._close_channel(reason)
        self._unwatch()

    def finish(self) -> None:
        """Close both sides, each after what it still has to deliver."""
        self._close_channel(self._closed)
        self.stream.close()

    def watch(self, timeout: float) -> None:
        """End the connection once no byte has moved for `timeout` seconds."""
        self._unwatch()
        if not self._life.is_gone:
            self._stall_timer = StallTimer(timeout, self._moved, self._stalled)

    def _incoming_ended(self) -> None:
        """Pass the end of the stream's input on, after all its bytes."""
        if self.channel.is_closed:
            return
        if self._life.outgoing is Way.ENDED or not (self._half_close or self._grace):
            self.finish()
        elif self._half_close:
            self.channel.send(ChannelEof(stream=self._sends.name.lower()))
            self.watch(HALF_CLOSED_TIMEOUT)
        elif self._grace:
            self.watch(self._grace)

    def _end_outgoing_if_due(self) -> None:
        if self._life.is_ending or self._life.flushed() is not Due.END:
            return
        if self._life.incoming is Way.ENDED:
            self.finish()
        else:
            self.stream.write_eof()
            self.watch(HALF_CLOSED_TIMEOUT)

    def _close_channel(self, reason: CloseReason) -> None:
        if self._life.close() and not self.channel.is_closed:
            self.channel.send(ChannelClose(reason=reason))

    def _unwatch(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    def _moved(self) -> int:
        return self.bytes_sent + self.bytes_delivered

    def _stalled(self) -> None:
        if self._grace and not self._half_close:
            self.finish()
        else:
            self.abort(self._closed, "Nothing moved for too long")

    def _finish(self) -> None:
        if self._life.lose():
            self._unwatch()
            self.over()
