"""Near peers get a bounded receive buffer; far ones keep the kernel's tuning, which their throughput needs."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast
from unittest.mock import Mock

from omnyshell.transport.attention import ATTENTION
from omnyshell.transport.buffers import ATTENTIVE, BULK, RECEIVE_BUFFER, LineBuffers, bound_receive_buffer


class FarSocket:
    """A socket whose kernel measured a long way."""

    def __init__(self, info: bytes) -> None:
        self.info = info
        self.set: list[tuple[int, int, int]] = []

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        return self.info

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        self.set.append((level, option, value))


def round_trip(microseconds: int) -> bytes:
    return bytes(68) + struct.pack("I", microseconds) + bytes(32)


def test_over_loopback_the_buffer_is_bounded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as near:
        accepted, _ = listener.accept()
        with accepted:
            for sock in (near, accepted):
                bound_receive_buffer(sock)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (RECEIVE_BUFFER, 2 * RECEIVE_BUFFER)


def test_a_far_peer_and_a_kernel_that_tells_nothing_are_left_alone() -> None:
    for info in (round_trip(50_000), b""):
        sock = FarSocket(info)
        bound_receive_buffer(sock)
        assert sock.set == []
    near = FarSocket(round_trip(100))
    bound_receive_buffer(near)
    assert near.set == [(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)]


class Line(asyncio.Transport):
    """A transport that notes how much it may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = FarSocket(b"")
        self.high: list[int | None] = []

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self.socket if name == "socket" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high.append(high)

    def is_closing(self) -> bool:
        return False


class FairFollowing:
    """A loop whose time is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Mock:
        self.timers.append((when, call))
        return Mock()

    def call_later(self, delay: float, call: Callable[[], None]) -> Mock:
        return self.call_at(self.now + delay, call)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, call in due:
            call()


def test_bulk_gives_way_while_small_frames_go_and_takes_its_room_again_afterwards() -> None:
    line, loop = Line(), FairFollowing()
    buffers = LineBuffers(line, cast("asyncio.AbstractEventLoop", loop))
    assert line.high == [BULK.transport]
    buffers.small_frame()
    loop.pass_time(ATTENTION / 2)
    buffers.small_frame()
    assert line.high == [BULK.transport, ATTENTIVE.transport], "it is told once"
    loop.pass_time(ATTENTION * 0.6)
    assert line.high[-1] == ATTENTIVE.transport, "the second frame counts too"
    loop.pass_time(ATTENTION)
    assert line.high[-1] == BULK.transport
    unsent = [value for _, option, value in line.socket.set if option == socket.TCP_NOTSENT_LOWAT]
    assert unsent == [BULK.unsent, ATTENTIVE.unsent, BULK.unsent]
    assert not loop.timers, "an idle line has no timer"
