"""A hub's link on a transport that is played: bytes arrive without a network."""

import asyncio
import struct
from typing import Any, cast

from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.transport.server_link import ServerLink

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Transport(asyncio.Transport):
    """Notes whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.is_aborted = False

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def writelines(self, _list_of_data: Any) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class Handler:
    """Counts what it gets, in order."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.on_message = lambda: None

    def link_opened(self) -> None:
        pass

    def text_received(self, data: bytes) -> None:
        self.got.append(int(data))
        self.on_message()

    def binary_received(self, data: bytes | memoryview) -> None:
        self.got.append(int(bytes(data)))
        self.on_message()

    def link_closed(self, code: int, reason: str) -> None:
        pass


def made() -> tuple[ServerLink, Handler, Transport]:
    """Return a link that waits for the upgrade."""
    handler, transport = Handler(), Transport()
    link = ServerLink(cast("Any", handler), MAX_DATA_FRAME, 10)
    link.connection_made(transport)
    return link, handler, transport


def opened() -> tuple[ServerLink, Handler, Transport]:
    link, handler, transport = made()
    arrive(link, UPGRADE)
    assert link.is_open
    return link, handler, transport


def arrive(link: ServerLink, data: bytes) -> None:
    buffer = link.get_buffer(-1)
    buffer[: len(data)] = data
    link.buffer_updated(len(data))


def message(kind: int, number: int) -> bytes:
    text = str(number).encode()
    return struct.pack(">BB4x", kind, 0x80 | len(text)) + text


async def turns() -> None:
    """Let everybody have a turn."""
    await asyncio.sleep(0)
