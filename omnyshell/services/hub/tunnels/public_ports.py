"""The hub's public side: binds tunnels' ports."""

import socket
from collections.abc import Sequence

from omnyshell.errors import TransportException
from omnyshell.transport.bound_sockets import Place, places_of
from omnyshell.transport.listener import bound_socket

BACKLOG = 1024


class PublicPorts:
    """Binds ports on the addresses of hosts; an empty host means all addresses."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    async def resolve(self, hosts: Sequence[str]) -> None:
        """Bind on these hosts from now on; ports that are bound are left alone.

        Raises `TransportException`, and changes nothing, if they have no address of this machine.
        """
        names = " and ".join(hosts)
        try:
            places = await places_of(hosts)
        except OSError as exc:
            raise TransportException(f"cannot find tunnel-bind-host '{names}': {exc.strerror or exc}") from exc
        # A machine without IPv6 still serves IPv4.
        usable = [place for place in places if _has(place)]
        if not usable:
            raise TransportException(f"tunnel-bind-host '{names}' is no address of this machine")
        self._places = usable

    def bind(self, port: int) -> list[socket.socket]:
        """Return sockets that listen on the port, one for each address. Raises `OSError`; nothing is bound then."""
        sockets: list[socket.socket] = []
        try:
            for family, address in self._places:
                sockets.append(bound_socket(family, (address[0], port, *address[2:])))
                sockets[-1].listen(BACKLOG)
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        return sockets


def _has(place: Place) -> bool:
    try:
        bound_socket(*place).close()
    except OSError:
        return False
    return True
