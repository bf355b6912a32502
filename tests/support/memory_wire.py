"""A client's link to a hub in the same loop: WebSocket as over a network, without TLS, sockets and a thread."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from websockets.exceptions import ConnectionClosedOK
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

Serve = Callable[["HubEnd"], Awaitable[None]]


def connects_in_memory(serve: Serve) -> Callable[..., Awaitable[None]]:
    """What stands in for `connect_tls`: each connection is served by a task of the loop that dials."""

    async def connect(protocol: asyncio.BufferedProtocol, _host: str, _port: int, _context: ssl.SSLContext) -> None:
        wire = MemoryWire(protocol)
        wire.served = asyncio.ensure_future(serve(wire.hub_end))
        protocol.connection_made(wire)

    return connect


class MemoryWire(asyncio.Transport):
    """The transport of a link: what is written is heard at once, and what the hub says arrives a turn later."""

    def __init__(self, link: asyncio.BufferedProtocol) -> None:
        super().__init__()
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._server = ServerProtocol(max_size=None)
        self._on_the_way: deque[bytes] = deque()
        """What the hub has said and the link has not heard; nothing is the end of it."""

        self._is_paused = self._is_closed = False
        self.hub_end = HubEnd(self)
        self.served: asyncio.Future[None] | None = None
        """The task that serves; the loop would forget it otherwise."""

    # What the link calls

    def write(self, data: Any) -> None:
        if not self._is_closed:
            self._server.receive_data(bytes(data))
            for event in self._server.events_received():
                if isinstance(event, Request):
                    self._server.send_response(self._server.accept(event))
                elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
                    assert event.fin
                    self.hub_end.hear(bytes(event.data).decode() if event.opcode is Opcode.TEXT else bytes(event.data))
            self._flush()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._loop.call_soon(self._arrive)

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._server.receive_eof()
            self.hub_end.wake()
            self._loop.call_soon(self._link.connection_lost, None)

    # What the hub's end calls

    def say(self, message: str | bytes) -> None:
        """Send a message. Raises `ConnectionClosed` once none can be sent."""
        if self._is_closed or self._server.state is not State.OPEN:
            raise ConnectionClosedOK(None, None)
        if isinstance(message, str):
            self._server.send_text(message.encode())
        else:
            self._server.send_binary(message)
        self._flush()

    def say_goodbye(self, code: int, reason: str) -> None:
        if not self._is_closed and self._server.state is State.OPEN:
            self._server.send_close(code, reason)
            self._flush()

    @property
    def is_over(self) -> bool:
        """Whether the hub hears nothing more."""
        return self._is_closed or self._server.state in (State.CLOSING, State.CLOSED)

    def _flush(self) -> None:
        self._on_the_way.extend(self._server.data_to_send())
        self._loop.call_soon(self._arrive)
        if self.is_over:
            self.hub_end.wake()

    def _arrive(self) -> None:
        while self._on_the_way and not self._is_paused and not self._is_closed:
            view = memoryview(self._on_the_way.popleft())
            if not view:
                self._link.eof_received()
                self.abort()
            while view and not self._is_closed:
                buffer = memoryview(self._link.get_buffer(-1))
                taken = min(len(buffer), len(view))
                buffer[:taken] = view[:taken]
                self._link.buffer_updated(taken)
                view = view[taken:]


class HubEnd:
    """The hub's end of a connection, as far as it is one of `websockets`."""

    def __init__(self, wire: MemoryWire) -> None:
        self._wire = wire
        self._heard: deque[str | bytes] = deque()
        self._woken = asyncio.Event()

    async def send(self, message: str | bytes) -> None:
        self._wire.say(message)

    async def close(self, code: int, reason: str) -> None:
        self._wire.say_goodbye(code, reason)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            while self._heard:
                yield self._heard.popleft()
            if self._wire.is_over:
                return
            self._woken.clear()
            await self._woken.wait()

    def hear(self, message: str | bytes) -> None:
        self._heard.append(message)
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()
