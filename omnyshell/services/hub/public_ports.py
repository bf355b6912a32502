"""The hub's public side: binds tunnels' ports and accepts what connects to them."""

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

from omnyshell.errors import TransportException

BACKLOG = 1024
ACCEPTS_A_TURN = 64
ACCEPT_RETRY = 0.1
"""Seconds to wait when no descriptor is free for another connection."""

_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

OnSocket = Callable[[socket.socket], None]
"""Takes over an accepted socket."""


class PublicPorts:
    """Binds ports on the addresses of one host; an empty host means all addresses."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._addresses: list[tuple[int, str]] = []

    async def resolve(self) -> None:
        """Find the addresses to bind. Raises `TransportException` where the host has none of this machine's."""
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(self._host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as exc:
            text = f"cannot find --tunnel-bind-host '{self._host}': {exc.strerror or exc}"
            raise TransportException(text) from exc
        found = dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in infos)
        self._addresses = [address for address in found if _can_bind(*address)]
        if not self._addresses:
            raise TransportException(f"--tunnel-bind-host '{self._host}' is no address of this machine")

    def bind(self, port: int) -> list[socket.socket]:
        """Return sockets that listen on the port, one for each address. Raises `OSError`; nothing is bound then."""
        sockets: list[socket.socket] = []
        try:
            for family, address in self._addresses:
                sockets.append(_bound(family, address, port))
                sockets[-1].listen(BACKLOG)
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        return sockets


class PublicListener:
    """Accepts on bound sockets until it is closed."""

    def __init__(self, sockets: list[socket.socket], on_socket: OnSocket) -> None:
        self._sockets = sockets
        self._on_socket = on_socket
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        self._watch()

    def close(self) -> None:
        """Close the port at once. Idempotent."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets = []

    def _watch(self) -> None:
        self._retry = None
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_A_TURN):
            if not self._sockets:
                return
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as exc:
                if exc.errno in _NO_DESCRIPTORS:
                    self._rest()
                    return
                continue
            sock.setblocking(False)
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # Only this finds a half-open connection on which nothing is sent.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._on_socket(sock)

    def _rest(self) -> None:
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        if self._retry is None:
            self._retry = self._loop.call_later(ACCEPT_RETRY, self._watch)


def _bound(family: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _can_bind(family: int, address: str) -> bool:
    try:
        _bound(family, address, 0).close()
    except OSError:
        # A machine without IPv6, say, still serves the other family.
        return False
    return True
