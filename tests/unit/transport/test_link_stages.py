"""A WebSocket connection in all orders of what its owner, its peer and its transport may do."""

import asyncio
import itertools
import logging
import struct
from collections.abc import Callable
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.steps import entered
from omnyshell.transport import fragments
from omnyshell.transport.link_stage import FOLLOWING, LinkStage
from omnyshell.transport.server_link import ServerLink

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
TEXT, BINARY, CLOSE, FIRST, NEXT = 0x81, 0x82, 0x88, 0x01, 0x00


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_over = False

    def writelines(self, list_of_data: Any) -> None:
        assert not self.is_over
        self.written += b"".join(map(bytes, list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any limits."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_over

    def close(self) -> None:
        self.is_over = True

    abort = close

    def frames(self) -> list[int]:
        """The first byte of each frame after the upgrade."""
        data, found = self.written.partition(b"\r\n\r\n")[2], []
        while data:
            found.append(data[0])
            data = data[2 + data[1] :]
        return found


class World:
    """A link that a peer has opened, and what its owner was told."""

    def __init__(self) -> None:
        self.got = 0
        self.closed = 0
        self.asked_to_close = False
        self.is_read = True
        self.transport = FakeTransport()
        self.link = ServerLink(cast("Any", self), MAX_DATA_FRAME, 10)
        self.link.connection_made(self.transport)
        self.arrive(UPGRADE)
        assert self.link.is_open

    def arrive(self, data: bytes) -> None:
        if self.is_read and not self.transport.is_over:
            self.link.get_buffer(-1)[: len(data)] = data
            self.link.buffer_updated(len(data))

    def frame(self, kind: int, payload: bytes = b"x") -> None:
        self.arrive(struct.pack(">BB4x", kind, 0x80 | len(payload)) + payload)

    def break_up(self) -> None:
        self.frame(FIRST)
        for _ in range(5):
            self.frame(NEXT, b"")

    def end_input(self) -> None:
        if self.is_read:
            self.is_read = False
            self.link.eof_received()

    def lose(self) -> None:
        self.is_read, self.transport.is_over = False, True
        self.link.connection_lost(None)

    def close(self, *, flush: bool) -> None:
        self.asked_to_close = self.asked_to_close or self.link.is_open
        self.link.close(4000, "bye", flush=flush)

    def link_opened(self) -> None:
        """Sending is possible."""

    def text_received(self, _data: bytes) -> None:
        assert not self.asked_to_close
        self.got += 1

    binary_received = text_received

    def channel_flooded(self, _channel: int) -> None:
        raise AssertionError("so little floods nothing")

    def link_closed(self, _code: int, _reason: str) -> None:
        self.closed += 1

    def check(self) -> None:
        stage = self.link._stage
        assert self.link.is_open is (stage in (LinkStage.OPEN, LinkStage.FLUSHING))
        assert self.link.has_ended is (self.closed == 1)
        sent = self.transport.frames()
        assert CLOSE not in sent[:-1], "something follows the close frame"
        if stage is LinkStage.CLOSING:
            assert CLOSE in sent or not self.is_read


EVENTS: dict[str, Callable[[World], object]] = {
    "text": lambda it: it.frame(TEXT),
    "bytes": lambda it: it.frame(BINARY),
    "a fragment": lambda it: it.frame(FIRST),
    "another fragment": lambda it: it.frame(NEXT),
    "the last fragment": lambda it: it.frame(0x80),
    "nonsense": lambda it: it.frame(0x8F),
    "the peer closes": lambda it: it.frame(CLOSE, struct.pack(">H", 1000)),
    "the input ends": World.end_input,
    "lost": World.lose,
    "full": lambda it: it.link.pause_writing(),
    "room": lambda it: it.link.resume_writing(),
    "sends": lambda it: it.link.send_text(1, b"y"),
    "sends at once": lambda it: it.link.send_urgent(b"y"),
    "pings": lambda it: it.link.ping(),
    "closes": lambda it: it.close(flush=False),
    "closes after all": lambda it: it.close(flush=True),
    "too many fragments": World.break_up,
}


def play(*events: str) -> World:
    async def run() -> World:
        it = World()
        for event in events:
            EVENTS[event](it)
            it.check()
        it.lose()
        it.lose()
        it.check()
        return it

    with patch.object(fragments, "FREE_FRAGMENTS", 4):
        return asyncio.run(run())


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=15))
def test_in_any_order_a_link_ends_once_and_nothing_is_said_after_a_close(events: list[str]) -> None:
    play(*events)


def test_messages_before_the_peers_close_count_and_those_after_our_own_do_not() -> None:
    assert play("text", "bytes", "the peer closes").got == 2
    assert play("full", "sends", "closes after all", "text", "bytes").got == 0
    assert play("closes", "text").got == 0


def test_a_close_that_flushes_waits_for_what_is_queued() -> None:
    assert play("full", "sends", "closes after all", "room").transport.frames() == [TEXT, CLOSE]
    assert play("full", "sends", "closes", "room").transport.frames() == [CLOSE]
    assert play("full", "sends", "closes after all", "closes").transport.frames() == [CLOSE]


def test_what_waits_is_kept_though_it_was_read_from_a_buffer_that_is_read_into_again() -> None:
    """A hub that relays from a link which it has dialled: frames come unmasked there, as views of that buffer."""

    async def run() -> bytes:
        it = World()
        read = it.link.get_buffer(-1)[:5]
        it.link.pause_writing()
        for payload in (b"first", b"other"):
            read[:] = payload
            it.link.send_binary(1, b"head", read)
        read[:] = b"wrong"
        it.link.resume_writing()
        return it.transport.written

    written = asyncio.run(run())
    assert b"firstother" in written


def test_fragments_are_one_message() -> None:
    assert play("a fragment", "another fragment").got == 0
    assert play("a fragment", "another fragment", "the last fragment", "text").got == 2


@in_one_test("end", ["the peer closes", "the input ends", "closes", "too many fragments"])
def test_an_ended_link_sends_nothing(end: str) -> None:
    it = play(end, "sends", "sends at once", "pings")
    assert not {TEXT, BINARY, 0x89} & set(it.transport.frames())


def test_only_what_may_follow_a_stage_does_and_the_log_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "omnyshell.link")
    allowed = set()
    for before, to in itertools.product(LinkStage, LinkStage):
        try:
            entered(to, before, FOLLOWING, "websocket", logging.getLogger("omnyshell.link"), address="192.0.2.7")
        except RuntimeError:
            continue
        allowed.add((before, to))
    assert {before for before, to in allowed if to is LinkStage.ENDED} == set(LinkStage) - {LinkStage.ENDED}
    assert {before for before, to in allowed if to is LinkStage.OPEN} == {LinkStage.CONNECTING}
    assert {to for before, to in allowed if before is LinkStage.ENDED} == set()
    assert {record.__dict__["address"] for record in caplog.records} == {"192.0.2.7"}
