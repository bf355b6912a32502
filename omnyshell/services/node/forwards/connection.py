"""One connection to a target."""

from omnyshell.model.forwards import FAILED, FINISHED, TARGET_FINISHED
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import Foreground, OutputSink
from omnyshell.transport.channel_stream import HALF_CLOSED_TIMEOUT
from omnyshell.transport.stall_timer import StallTimer
from omnyshell.transport.tcp_stream import TcpStream


class ForwardedConnection:
    """A `ShellSession` whose input and output are those of a socket, which has yet to be connected.

    It ends when both sides have finished writing, when the socket fails, or when nothing has moved for ten minutes
    after one side has finished.
    """

    pid = None

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink
        self._input_ended = False
        self._target_finished = False
        self._finish_is_due = False
        self._has_ended = False
        self._moved = 0
        self._stall_timer: StallTimer | None = None
        self.stream = TcpStream(self)

    # What the session calls

    def write(self, data: bytes) -> None:
        """Write to the target; if it takes no more, it counts as taken."""
        if self._has_ended:
            self._sink.input_taken(len(data))
        else:
            self.stream.write(data)

    def type_reply(self, data: bytes) -> None:
        """Do nothing: there is no terminal."""

    def eof(self) -> None:
        """Finish writing, after all that was written."""
        self._input_ended = True
        self.stream.write_eof()
        self._half_closed()

    def resize(self, cols: int, rows: int) -> None:
        """Do nothing: there is no terminal."""

    def foreground(self) -> Foreground:
        """Nothing runs."""
        return Foreground()

    def signal(self, name: str) -> None:
        """Do nothing: nothing runs."""

    def resume_output(self) -> None:
        """Read on: the sink has a budget."""
        self.stream.resume_reading()
        self._finish_if_due()

    def kill(self) -> None:
        """End it at once; the target sees that it failed. Idempotent."""
        self.kill_now()

    def kill_now(self) -> None:
        """End it at once; the target sees that it failed. Idempotent."""
        self.stream.abort()

    # What the stream calls

    def stream_opened(self) -> None:
        """Do nothing: reading begins with `resume_output`."""

    def budget(self) -> int:
        """Read as much as can be sent on."""
        return self._sink.budget()

    def bytes_read(self, data: memoryview) -> None:
        """Pass on what the target has written."""
        self._moved += len(data)
        self._sink.output(DataOpcode.STDOUT, bytes(data))

    def bytes_taken(self, size: int) -> None:
        """Return credit for what the socket took."""
        self._moved += size
        self._sink.input_taken(size)

    def stream_ended(self) -> None:
        """Pass on that the target has finished writing, as soon as there is room."""
        self._finish_is_due = True
        self._finish_if_due()

    def stream_lost(self, error: Exception | None) -> None:
        """The connection is over."""
        self._has_ended = True
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        has_finished = error is None and self._input_ended and self._target_finished
        self._sink.exited(FINISHED if has_finished else FAILED, None)

    # The rest

    def _finish_if_due(self) -> None:
        if self._finish_is_due and self._sink.budget() > 0:
            self._finish_is_due, self._target_finished = False, True
            if not self._input_ended:
                # Where both have finished, the exit says it.
                self._sink.output(DataOpcode.STDERR, TARGET_FINISHED)
            self._half_closed()

    def _half_closed(self) -> None:
        """Close what both sides have finished, and do not wait for ever where one has."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        if self._input_ended and self._target_finished:
            self.stream.close()
        elif not self._has_ended:
            self._stall_timer = StallTimer(HALF_CLOSED_TIMEOUT, lambda: self._moved, self.kill_now)
