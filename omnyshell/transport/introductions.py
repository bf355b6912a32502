"""Reads the client's address from load balancers (PROXY protocol) before their connections are handled."""

import asyncio
import logging
import socket
from contextlib import suppress

from omnyshell.networks import Network
from omnyshell.transport.listener import OnSocket
from omnyshell.transport.proxy_header import ProxyHeaderError, ProxyHeaderReader

HEADER_TIMEOUT = 5.0
"""Seconds for the header, which a balancer sends as soon as it has connected."""

MAX_WAITING = 1_000
"""Connections that wait for a header; beyond it, the one that has waited longest is closed."""

SHOWN_PERIOD = 10.0
"""Seconds between log lines about invalid headers."""

UNREAD = 64 * 1024

logger = logging.getLogger("omnyshell.hub")


class Introductions:
    """Tells connections of balancers from others.

    From `balancers` a header of the PROXY protocol is required, and the address in it is used as the peer's. From other
    addresses no header is read: bytes that look like one are ordinary input.
    """

    def __init__(self, balancers: tuple[Network, ...] = ()) -> None:
        self._balancers = balancers
        self._waiting: dict[asyncio.Task[None], None] = {}
        self._silent_until = 0.0

    def use_balancers(self, balancers: tuple[Network, ...]) -> None:
        """Use other networks for new connections."""
        self._balancers = balancers

    def before(self, on_socket: OnSocket) -> OnSocket:
        """Return a function for accepted sockets, which calls `on_socket` with the peer's real address."""

        def accepted(sock: socket.socket, address: str) -> None:
            if any(address in network for network in self._balancers):
                self._listen_to(sock, address, on_socket)
            else:
                on_socket(sock, address)

        return accepted

    async def aclose(self) -> None:
        """Close connections that still wait for a header. Idempotent."""
        waiting = list(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _listen_to(self, sock: socket.socket, address: str, on_socket: OnSocket) -> None:
        if len(self._waiting) >= MAX_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.cancel()
        task = asyncio.get_running_loop().create_task(self._introduce(sock, address, on_socket))
        self._waiting[task] = None
        task.add_done_callback(lambda task: self._done(task, sock))

    def _done(self, task: asyncio.Task[None], sock: socket.socket) -> None:
        self._waiting.pop(task, None)
        if task.cancelled():
            sock.close()

    async def _introduce(self, sock: socket.socket, balancer: str, on_socket: OnSocket) -> None:
        try:
            async with asyncio.timeout(HEADER_TIMEOUT):
                address = await read_header(sock)
        except ProxyHeaderError as exc:
            self._warn("%s is in proxy-protocol-from, and its PROXY header is refused: %s", balancer, exc)
            close_cleanly(sock)
        except TimeoutError:
            self._warn("%s is in proxy-protocol-from, and sent no PROXY header within %g s", balancer, HEADER_TIMEOUT)
            sock.close()
        except OSError:
            # It closed without a header, as health checks do.
            sock.close()
        else:
            on_socket(sock, address or balancer)

    def _warn(self, text: str, *values: object) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._silent_until = now + SHOWN_PERIOD
            logger.warning(text, *values)


async def read_header(sock: socket.socket) -> str | None:
    """Read exactly one header; return the peer's address, or None for a connection of the balancer itself.

    Raises `ProxyHeaderError` for an invalid header, `OSError` if the other side closes.
    """
    reader = ProxyHeaderReader()
    loop = asyncio.get_running_loop()
    while reader.wants:
        data = await loop.sock_recv(sock, reader.wants)
        if not data:
            raise ConnectionError("closed before its header was whole")
        reader.feed(data)
    return reader.address


def close_cleanly(sock: socket.socket) -> None:
    """Close so that the other side sees an end of stream, not an error: unread input is read first."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.recv(UNREAD)
    sock.close()
