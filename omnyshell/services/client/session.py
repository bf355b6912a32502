"""A session on a node, from the client's side."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from omnyshell.errors import (
    ChannelException,
    NodeUnavailableException,
    OmnyShellException,
    SessionRejectedException,
)
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelResize,
    ChannelSignal,
    SessionOpened,
    SessionRejected,
)
from omnyshell.services.client.futures import fail_future
from omnyshell.transport.channels import Channel


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Bytes of one stream, in the order they were sent."""

    stream: DataOpcode
    data: bytes

    @property
    def is_stderr(self) -> bool:
        """Whether the bytes were written to stderr."""
        return self.stream is DataOpcode.STDERR


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a program ended: its exit code, or minus the number of the signal that killed it."""

    code: int
    signal: str | None = None

    @property
    def shell_code(self) -> int:
        """The code a shell reports: 128 and the signal's number for a death by signal."""
        return self.code if self.code >= 0 else 128 - self.code


class RemoteSession:
    """An open session. Iterate over it for its output, `wait` for its end; leaving the context closes it.

    Output that is not read stops the program once the credit of its channel is used up.
    """

    channel: Channel

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.id = ""
        self.opened: asyncio.Future[SessionOpened] = loop.create_future()
        self._ended: asyncio.Future[ExitStatus] = loop.create_future()
        self._chunks: deque[OutputChunk] = deque()
        self._exit: ExitStatus | None = None
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[OutputChunk]:
        """Yield output as it comes, until the session ends. Credit goes back when the next chunk is asked for.

        Raises `NodeUnavailableException`, `TransportException` or `ChannelException` where the session did not end
        by itself.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                yield chunk
                self.channel.consumed(len(chunk.data))
            if self._ended.done():
                self._ended.result()
                return
            self._readable.clear()
            await self._readable.wait()

    @property
    def has_ended(self) -> bool:
        """Whether the session is over; output may still wait to be read."""
        return self._ended.done()

    async def wait(self) -> ExitStatus:
        """Return how the program ended. Raises as iteration does. Someone has to read the output meanwhile."""
        return await asyncio.shield(self._ended)

    async def write(self, data: bytes) -> None:
        """Send input; returns when all of it is under way. Raises `ChannelException` once the session has ended."""
        self.channel.send_data(DataOpcode.STDIN, data)
        while not self.channel.budget and not self.channel.is_closed:
            self._writable.clear()
            await self._writable.wait()

    def eof(self) -> None:
        """End the input, behind all that was written. Does nothing once the session has ended."""
        if not self.channel.is_closed:
            self.channel.send(ChannelEof())

    def resize(self, cols: int, rows: int) -> None:
        """Tell the node the terminal's new size, in character cells. Does nothing once the session has ended."""
        if not self.channel.is_closed:
            self.channel.send_ahead(ChannelResize(cols=cols, rows=rows))

    def signal(self, name: str) -> None:
        """Signal the program, by a name such as `SIGINT`. Does nothing once the session has ended."""
        if not self.channel.is_closed:
            self.channel.send_ahead(ChannelSignal(signal=name))

    def close(self) -> None:
        """Leave the session, which ends its program. Idempotent."""
        if not self.channel.is_closed:
            self.channel.close(ChannelClose(reason=CloseReason.CLIENT_CLOSED))
            self._end(ChannelException("the session was closed", code=CloseReason.CLIENT_CLOSED))

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes) -> None:
        """Keep output until it is read."""
        self._chunks.append(OutputChunk(opcode, payload))
        self._readable.set()

    def message_received(self, message: ChannelMessage) -> None:
        """Take what the hub says about the session."""
        if isinstance(message, SessionOpened):
            if not self.opened.done():
                self.id = message.session_id
                self.opened.set_result(message)
        elif isinstance(message, SessionRejected):
            self._end(SessionRejectedException(message.message, code=message.reason))
        elif isinstance(message, ChannelExit):
            self._exit = ExitStatus(message.exit_code, message.signal)
        elif isinstance(message, ChannelClose):
            self._closed(message)

    def budget_available(self) -> None:
        """Input can go on."""
        self._writable.set()

    def channel_lost(self, error: OmnyShellException) -> None:
        """The hub is gone, and the session with it."""
        self._end(error)

    # The rest

    def _closed(self, message: ChannelClose) -> None:
        if self._exit is not None:
            self._end(self._exit)
        elif message.reason == CloseReason.NODE_CLOSED:
            text = message.message or "the node ended the session"
            self._end(NodeUnavailableException(text, code=message.reason))
        else:
            self._end(ChannelException(message.message or "the session was closed", code=message.reason))

    def _end(self, outcome: ExitStatus | OmnyShellException) -> None:
        """Settle everything that waits; the first outcome counts."""
        self.channel.end()
        if isinstance(outcome, OmnyShellException):
            fail_future(self.opened, outcome)
            fail_future(self._ended, outcome)
        elif not self._ended.done():
            self._ended.set_result(outcome)
        self._readable.set()
        self._writable.set()
