"""The hub's public side: binds tunnels' ports."""

import asyncio
import socket

from omnyshell.errors import TransportException
from omnyshell.transport.listener import bound_socket

BACKLOG = 1024


class PublicPorts:
    """Binds ports on the addresses of one host; an empty host means all addresses."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._addresses: list[tuple[int, str]] = []

    async def resolve(self) -> None:
        """Find the addresses to bind. Raises `TransportException` if the host has no address of this machine."""
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(self._host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as exc:
            text = f"cannot find tunnel-bind-host '{self._host}': {exc.strerror or exc}"
            raise TransportException(text) from exc
        found = dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in infos)
        self._addresses = [address for address in found if _can_bind(*address)]
        if not self._addresses:
            raise TransportException(f"tunnel-bind-host '{self._host}' is no address of this machine")

    def bind(self, port: int) -> list[socket.socket]:
        """Return sockets that listen on the port, one for each address. Raises `OSError`; nothing is bound then."""
        sockets: list[socket.socket] = []
        try:
            for family, address in self._addresses:
                sockets.append(bound_socket(family, (address, port)))
                sockets[-1].listen(BACKLOG)
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        return sockets


def _can_bind(family: int, address: str) -> bool:
    try:
        bound_socket(family, (address, 0)).close()
    except OSError:
        # For example a machine without IPv6, which still serves IPv4.
        return False
    return True
