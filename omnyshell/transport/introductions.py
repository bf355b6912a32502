"""Has balancers say for whom they connect, before their connections go any further."""

import asyncio
import logging
import socket
from contextlib import suppress

from omnyshell.networks import Network
from omnyshell.transport.listener import OnSocket
from omnyshell.transport.proxy_header import ProxyHeaderError, ProxyHeaderReader

HEADER_TIMEOUT = 5.0
"""Seconds that a balancer gets; it sends the header as soon as it has connected."""

MAX_WAITING = 1_000
"""Connections that owe a header; beyond it the one that has owed it for longest is closed."""

SHOWN_PERIOD = 10.0
"""Seconds between lines in the log about headers that are wrong."""

UNREAD = 64 * 1024

logger = logging.getLogger("omnyshell.hub")


class Introductions:
    """Tells connections of balancers from others.

    From `balancers` a header of the PROXY protocol is required, and the address in it is the peer's from then on. From
    anywhere else nothing of the kind is read: what looks like a header is whatever the peer says first.
    """

    def __init__(self, balancers: tuple[Network, ...] = ()) -> None:
        self.balancers = balancers
        self._waiting: dict[asyncio.Task[None], None] = {}
        self._silent_until = 0.0

    def before(self, on_socket: OnSocket) -> OnSocket:
        """Return what to call with an accepted socket, so that `on_socket` is called with the peer's address."""

        def accepted(sock: socket.socket, address: str) -> None:
            if any(address in network for network in self.balancers):
                self._listen_to(sock, address, on_socket)
            else:
                on_socket(sock, address)

        return accepted

    async def aclose(self) -> None:
        """Close what still owes a header. Idempotent."""
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
            # It went without a word, as checks of health do.
            sock.close()
        else:
            on_socket(sock, address or balancer)

    def _warn(self, text: str, *values: object) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._silent_until = now + SHOWN_PERIOD
            logger.warning(text, *values)


async def read_header(sock: socket.socket) -> str | None:
    """Read a header and not a byte more; returns the peer's address, or None where the balancer speaks for itself.

    Raises `ProxyHeaderError` for what is none, `OSError` where the other side goes.
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
    """Close so that the other side reads an end, and no error: what it has sent is taken first."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        sock.recv(UNREAD)
    sock.close()
