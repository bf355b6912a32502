"""The hub's listening port: accepts connections, does TLS, and bounds what strangers can take."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from omnyshell.errors import TransportException
from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.transport.link import LinkHandler
from omnyshell.transport.plain_http import HttpResponder
from omnyshell.transport.serve_tls import serve_tls
from omnyshell.transport.server_link import ServerLink

OnConnection = Callable[[], "LinkOwner"]
"""Makes the handler of a new connection."""

BACKLOG = 4096
ACCEPT_RETRY = 0.1
"""Seconds to wait when no descriptor is free for another connection."""

TLS_SHUTDOWN_TIMEOUT = 1.0
EVICTABLE_AGE = 3.0
"""Seconds after which a connection that has not logged in yields its place to a new one, when places are short."""


class LinkOwner(LinkHandler, Protocol):
    """A handler that is told its link before the link opens."""

    link: ServerLink


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """What connections may cost before they have logged in. Times in seconds."""

    tls_timeout: float = 10.0
    upgrade_timeout: float = 10.0
    max_connections: int = 10_000
    max_before_login: int = 1_000


class WsServerEndpoint:
    """Listens on a host and port. The owner calls `logged_in` and `closed` for its links."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        on_connection: OnConnection,
        limits: EndpointLimits | None = None,
        *,
        responder: HttpResponder | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._on_connection = on_connection
        self.limits = limits or EndpointLimits()
        self._responder = responder
        self._sockets: list[socket.socket] = []
        self._acceptors: list[asyncio.Task[None]] = []
        self._strangers: dict[asyncio.Task[None] | ServerLink, float] = {}
        self._members: set[ServerLink] = set()

    @property
    def port(self) -> int:
        """The port that is bound; differs from the one asked for where that was 0."""
        return int(self._sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections there are, logged in or not."""
        return len(self._strangers) + len(self._members)

    def use_tls(self, tls: ssl.SSLContext) -> None:
        """Show another certificate to connections from now on; those that are open go on."""
        self._tls = tls

    async def start(self) -> None:
        """Bind and begin to accept. Raises `TransportException` where the address cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(
                self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in dict.fromkeys(infos):
                self._listen(family, address)
            if not self._sockets:
                raise OSError(errno.EADDRNOTAVAIL, "no address family is available")
        except OSError as exc:
            self._close_sockets()
            raise TransportException(_bind_failure(self._host, self._port, exc)) from exc
        self._acceptors = [loop.create_task(self._accept(sock)) for sock in self._sockets]

    def logged_in(self, link: ServerLink) -> None:
        """Count a connection among those that have logged in."""
        self._strangers.pop(link, None)
        self._members.add(link)

    def closed(self, link: ServerLink) -> None:
        """Forget a connection. Idempotent."""
        self._strangers.pop(link, None)
        self._members.discard(link)

    async def stop_accepting(self) -> None:
        """Close the port, and the connections that are still in TLS."""
        tasks = [*self._acceptors, *(task for task in self._strangers if isinstance(task, asyncio.Task))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._acceptors = []
        self._close_sockets()

    def abort_all(self) -> None:
        """Cut off every connection that is left."""
        for link in [*self._members, *self._strangers]:
            if isinstance(link, ServerLink):
                link.abort()

    def _listen(self, family: int, address: tuple[object, ...]) -> None:
        if self._port == 0 and self._sockets:
            address = (address[0], self.port, *address[2:])
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as exc:
            # A machine without IPv6, say, still serves the other family.
            if exc.errno == errno.EAFNOSUPPORT:
                return
            raise
        self._sockets.append(sock)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError as exc:
                if exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    await asyncio.sleep(ACCEPT_RETRY)
                continue
            if self._has_room():
                task = loop.create_task(self._admit(sock))
                self._strangers[task] = loop.time()
            else:
                sock.close()

    def _has_room(self) -> bool:
        """Whether one more connection is taken, at the cost of an old silent one where places are short."""
        if self.connections >= self.limits.max_connections:
            return False
        if len(self._strangers) < self.limits.max_before_login:
            return True
        oldest, since = next(iter(self._strangers.items()))
        if asyncio.get_running_loop().time() - since < EVICTABLE_AGE:
            return False
        del self._strangers[oldest]
        if isinstance(oldest, ServerLink):
            oldest.abort()
        else:
            oldest.cancel()
        return True

    async def _admit(self, sock: socket.socket) -> None:
        """Do TLS with a stranger, and hand the connection to a handler of its own."""
        task = asyncio.current_task()
        since = asyncio.get_running_loop().time()
        try:
            link = await self._handshake(sock)
        except (OSError, TimeoutError, asyncio.CancelledError):
            return
        finally:
            self._strangers.pop(task, None)  # type: ignore[arg-type]  # a coroutine that runs has a task
        if not link.has_ended and link not in self._members:
            self._strangers[link] = since

    async def _handshake(self, sock: socket.socket) -> ServerLink:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        owner = self._on_connection()
        link = owner.link = ServerLink(owner, MAX_DATA_FRAME, self.limits.upgrade_timeout, self._responder)
        try:
            await serve_tls(
                lambda: link,
                sock,
                self._tls,
                handshake_timeout=self.limits.tls_timeout,
                shutdown_timeout=TLS_SHUTDOWN_TIMEOUT,
            )
        except BaseException:
            sock.close()
            # No transport has told it, and its owner is to be forgotten.
            link.connection_lost(None)
            raise
        return link


def _bind_failure(host: str, port: int, exc: OSError) -> str:
    where = f"{host or '*'}:{port}"
    if exc.errno == errno.EADDRINUSE:
        return f"cannot listen on {where}: the port is in use; choose another with --port, or 0 for a free one"
    if exc.errno == errno.EACCES:
        return f"cannot listen on {where}: ports below 1024 need privileges; choose another with --port"
    return f"cannot listen on {where}: {exc.strerror or exc}"
