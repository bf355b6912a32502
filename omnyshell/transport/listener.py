"""Listening sockets, one for each address family.

Connections are accepted in small batches, so that a flood delays nobody.
"""

import asyncio
import errno
import socket
from collections.abc import Callable

ACCEPTS_A_TURN = 16
ACCEPT_RETRY = 0.1
"""Seconds to wait when there is no free descriptor for another connection."""

_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

OnSocket = Callable[[socket.socket, str], None]
"""Called with an accepted, non-blocking socket, which it takes over, and the other side's address."""


def bound_socket(family: int, address: tuple[object, ...]) -> socket.socket:
    """Return a bound, non-blocking socket. Raises `OSError`."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


async def first_byte(sock: socket.socket) -> None:
    """Wait until there is something to read, without reading it. Raises `OSError` if the other side closes before."""
    loop = asyncio.get_running_loop()
    arrived = loop.create_future()
    loop.add_reader(sock, _arrived, arrived)
    try:
        await arrived
    finally:
        loop.remove_reader(sock)
    if not sock.recv(1, socket.MSG_PEEK):
        raise ConnectionError("closed before it said anything")


def _arrived(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class Listener:
    """Accepts connections on listening sockets until it is closed, a few in each turn of the event loop."""

    def __init__(self, sockets: list[socket.socket], on_socket: OnSocket) -> None:
        self._sockets = sockets
        self._on_socket = on_socket
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._watch()

    def close(self) -> None:
        """Close the port at once. Idempotent."""
        for sock in self.release():
            sock.close()

    def release(self) -> list[socket.socket]:
        """Accept no more; return the sockets, which still listen: connections wait there for another listener."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        released, self._sockets = self._sockets, []
        return released

    def _watch(self) -> None:
        self._retry = None
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_A_TURN):
            if not self._sockets:
                return
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as exc:
                if exc.errno in _NO_DESCRIPTORS:
                    self._rest()
                    return
                continue
            sock.setblocking(False)
            self._on_socket(sock, str(peer[0]))

    def _rest(self) -> None:
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        if self._retry is None:
            self._retry = self._loop.call_later(ACCEPT_RETRY, self._watch)
