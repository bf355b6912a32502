"""How much of what one connection sends is dealt with before others have their turn."""

import asyncio
import struct
from typing import Any, cast

import pytest

from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.transport.server_link import FRAMES_A_TURN, ServerLink

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


def opened() -> tuple[ServerLink, Handler, Transport]:
    handler, transport = Handler(), Transport()
    link = ServerLink(cast("Any", handler), MAX_DATA_FRAME, 10)
    link.connection_made(transport)
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


@pytest.mark.parametrize("kinds", [(0x81,), (0x82,), (0x81, 0x82, 0x89)])
async def test_of_many_frames_that_came_at_once_a_few_are_dealt_with_in_each_turn(kinds: tuple[int, ...]) -> None:
    link, handler, transport = opened()
    count = 5 * FRAMES_A_TURN + 7
    sent = [kinds[number % len(kinds)] for number in range(count)]
    arrive(link, b"".join(map(message, sent, range(count))))
    rounds = 1
    while len(handler.got) < count - sent.count(0x89):
        assert not transport.is_read
        assert len(handler.got) <= rounds * FRAMES_A_TURN
        await turns()
        rounds += 1
        assert rounds < 10
    assert handler.got == [number for number in range(count) if sent[number] != 0x89]
    assert transport.is_read
    link.connection_lost(None)


async def test_what_fits_a_turn_is_dealt_with_at_once() -> None:
    link, handler, transport = opened()
    arrive(link, b"".join(message(0x82, number) for number in range(FRAMES_A_TURN - 1)))
    assert len(handler.got) == FRAMES_A_TURN - 1
    assert transport.is_read
    link.connection_lost(None)


async def test_a_hold_for_some_time_is_not_cut_short_by_the_end_of_a_turn() -> None:
    link, handler, transport = opened()
    handler.on_message = lambda: link.hold_reading(0.05) if len(handler.got) == FRAMES_A_TURN else None
    arrive(link, b"".join(message(0x82, number) for number in range(2 * FRAMES_A_TURN)))
    for _ in range(5):
        await turns()
    assert len(handler.got) == FRAMES_A_TURN
    link.hold_reading(0)
    await turns()
    assert not transport.is_read
    await asyncio.sleep(0.1)
    assert len(handler.got) == 2 * FRAMES_A_TURN
    link.connection_lost(None)


async def test_nothing_is_dealt_with_after_the_end() -> None:
    link, handler, _ = opened()
    arrive(link, b"".join(message(0x82, number) for number in range(2 * FRAMES_A_TURN)))
    link.connection_lost(None)
    await turns()
    assert len(handler.got) == FRAMES_A_TURN
