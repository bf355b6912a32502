"""Near peers get a bounded receive buffer; far ones keep the kernel's tuning, which their throughput needs."""

import socket
import struct

from omnyshell.transport.buffers import RECEIVE_BUFFER, bound_receive_buffer


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
