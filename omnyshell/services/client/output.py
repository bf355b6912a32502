"""Output of a session on its way from the channel to whoever reads it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from omnyshell.errors import ProtocolException
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_CREDIT
from omnyshell.transport.channels import Channel


class OutputChunk(msgspec.Struct, frozen=True):
    """A chunk of one stream of output."""

    stream: DataOpcode
    data: bytes

    @property
    def is_stderr(self) -> bool:
        """Whether the bytes were written to stderr."""
        return self.stream is DataOpcode.STDERR


class UnreadOutput:
    """The chunks that wait to be read, each with the channel that it came on, whose credit is granted once it was."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[OutputChunk, Channel]] = deque()
        self._taken: deque[tuple[OutputChunk, Channel]] = deque()
        self._is_handing_out = False
        self._readable = asyncio.Event()
        self._channel: Channel | None = None
        self._unread = 0
        """Bytes from the present channel that wait to be read."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be read, and nothing is being read."""
        return not self._chunks and not self._is_handing_out

    def add(self, chunk: OutputChunk, channel: Channel) -> None:
        """Add a chunk. Raises `ProtocolException` if more waits of its channel than can have been granted."""
        if channel is not self._channel:
            self._channel, self._unread = channel, 0
        self._unread += len(chunk.data)
        if self._unread > MAX_CREDIT:
            raise ProtocolException("the hub sends more output than it was granted")
        self._chunks.append((chunk, channel))
        self._readable.set()

    def clear(self) -> None:
        """Drop what waits."""
        self._chunks.clear()

    def wake(self) -> None:
        """Have the reader see that the session has ended."""
        self._readable.set()

    async def until(self, ended: asyncio.Future[Any]) -> AsyncIterator[OutputChunk]:
        """Yield chunks as they come, until `ended` is done; raises its error then."""
        while True:
            while self._chunks:
                chunk, channel = self._chunks.popleft()
                self._is_handing_out = True
                self._note_read(chunk, channel)
                yield chunk
                self._is_handing_out = False
                channel.consumed(len(chunk.data))
                while self._taken:
                    chunk, channel = self._taken.popleft()
                    channel.consumed(len(chunk.data))
            if ended.done():
                ended.result()
                return
            self._readable.clear()
            await self._readable.wait()

    def take_waiting(self) -> list[bytes]:
        """Return what waits behind the chunk that was yielded last; its credit is granted together with that one's."""
        for chunk, channel in self._chunks:
            self._note_read(chunk, channel)
        self._taken += self._chunks
        waiting = [chunk.data for chunk, _ in self._chunks]
        self._chunks.clear()
        return waiting

    def _note_read(self, chunk: OutputChunk, channel: Channel) -> None:
        if channel is self._channel:
            self._unread -= len(chunk.data)
