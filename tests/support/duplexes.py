"""Streams without sockets and without waiting: a loop whose time is moved, a transport and a channel that remember."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from unittest import mock

from omnyshell.protocol.messages import ChannelClose, ChannelMessage


class HandLoop:
    """What streams need of a loop; nothing runs but in `run`."""

    def __init__(self) -> None:
        self.now = 0.0
        self._soon: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, Handle, Callable[[], object]]] = []

    def call_soon(self, call: Callable[..., object], *args: Any) -> "Handle":
        handle = Handle()
        self._soon.append(lambda: handle.is_cancelled or call(*args))
        return handle

    def call_later(self, delay: float, call: Callable[..., object], *args: Any) -> "Handle":
        handle = Handle()
        self._timers.append((self.now + delay, handle, lambda: call(*args)))
        return handle

    def run(self) -> None:
        """Run all that is to come soon."""
        while self._soon:
            self._soon.popleft()()

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and run what is due."""
        until = self.now + seconds
        while due := sorted((each for each in self._timers if each[0] <= until), key=lambda each: each[0]):
            at, handle, call = due[0]
            self._timers.remove(due[0])
            self.now = max(self.now, at)
            if not handle.is_cancelled:
                call()
            self.run()
        self.now = until

    @property
    def waits(self) -> bool:
        """Whether a timer has been left behind."""
        return any(not handle.is_cancelled for _, handle, _ in self._timers)


class Handle:
    """A call that can be taken back."""

    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


@contextmanager
def by_hand() -> Iterator[HandLoop]:
    """Have streams use a loop that is moved by hand."""
    loop = HandLoop()
    with mock.patch.object(asyncio, "get_running_loop", return_value=loop):
        yield loop


class HandTransport:
    """A socket's transport; its other end is played by the test.

    An `eager` one hands on what comes first though it is paused, as uvloop does, and the end with it.
    """

    def __init__(self, loop: HandLoop, protocol: Any, *, eager: bool = False) -> None:
        self._loop = loop
        self._is_eager = eager
        self._protocol = protocol
        self.arrived = bytearray()
        """What the other end has sent, and nobody has read."""

        self.end_arrived = False
        self.written = bytearray()
        self.kept = bytearray()
        """What the socket has not taken."""

        self.is_full = False
        self.is_paused = False
        self.ends = 0
        self.was_aborted = False
        self.is_lost = False
        self._is_closing = False
        self._end_told = False
        protocol.connection_made(cast("Any", self))

    # What the protocol calls

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def is_closing(self) -> bool:
        return self._is_closing

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes | memoryview) -> None:
        assert not self._is_closing, "written to after the end"
        assert not self.ends, "written to behind its end"
        self.kept += data
        if not self.is_full:
            self._take()
        else:
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        assert not self.kept, "ended in front of what waits"
        self.ends += 1

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
        self._loop.call_soon(self.deliver)

    def close(self) -> None:
        self._is_closing = True
        self._loop.call_soon(self._let_go)

    def abort(self) -> None:
        self.was_aborted = self._is_closing = True
        self.kept.clear()
        self._loop.call_soon(self.lose, None)

    # What the other end does

    def receive(self, data: bytes) -> None:
        self.arrived += data
        self.deliver()

    def receive_end(self) -> None:
        self.end_arrived = True
        self.deliver()

    def deliver(self) -> None:
        if self._is_eager and self.arrived:
            self._is_eager = False
            self._deliver_piece()
            if self.end_arrived and not self.arrived:
                self._tell_end()
        while self.arrived and not self._is_held:
            self._deliver_piece()
        if self.end_arrived and not self.arrived and not self._is_held:
            self._tell_end()

    def _deliver_piece(self) -> None:
        buffer = self._protocol.get_buffer(-1)
        size = min(len(buffer), len(self.arrived))
        buffer[:size] = self.arrived[:size]
        del self.arrived[:size]
        self._protocol.buffer_updated(size)

    def _tell_end(self) -> None:
        if not self._end_told:
            self._end_told = True
            self._protocol.eof_received()

    def take(self) -> None:
        """The socket takes all that waits."""
        was_full, self.is_full = self.is_full, False
        self._take()
        if was_full and not self.is_lost:
            self._protocol.resume_writing()
        self._loop.run()
        if self._is_closing:
            self._let_go()

    def lose(self, error: Exception | None) -> None:
        if not self.is_lost:
            self.is_lost = self._is_closing = True
            self._protocol.connection_lost(error)

    @property
    def _is_held(self) -> bool:
        return self.is_paused or self._is_closing

    def _take(self) -> None:
        self.written += self.kept
        self.kept.clear()

    def _let_go(self) -> None:
        if not self.kept:
            self.lose(None)


class HandChannel:
    """A channel's end; what was said on it stays in order."""

    def __init__(self, credit: int = 0) -> None:
        self.id = 7
        self.budget = credit
        self.is_closed = False
        self.said: list[bytes | ChannelMessage] = []
        self.returned = 0

    def send_data(self, _opcode: object, data: bytes) -> None:
        assert not self.is_closed
        assert len(data) <= self.budget, "more than the credit"
        self.budget -= len(data)
        self.said.append(data)

    def send(self, message: ChannelMessage) -> None:
        assert not self.is_closed
        self.said.append(message)
        if isinstance(message, ChannelClose):
            self.end()

    def close(self, message: ChannelClose | None = None) -> None:
        if not self.is_closed and message is not None:
            self.said.append(message)
        self.end()

    def end(self) -> None:
        self.is_closed = True
        self.budget = 0

    def consumed(self, size: int) -> None:
        self.returned += size

    def grant_extra(self, _size: int) -> None:
        """More of it."""

    @property
    def data(self) -> bytes:
        return b"".join(each for each in self.said if isinstance(each, bytes))

    @property
    def messages(self) -> list[ChannelMessage]:
        return [each for each in self.said if isinstance(each, ChannelMessage)]
