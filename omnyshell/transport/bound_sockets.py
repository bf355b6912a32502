"""The listening sockets of one port, on several addresses, which may become others while the port is served."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterable, Sequence

from omnyshell.transport.listener import bound_socket

LOOPBACK_6 = "::1"

Place = tuple[int, tuple[object, ...]]
"""An address family, and an address of it as sockets take them, whose port is of no account."""


async def places_of(hosts: Iterable[str]) -> list[Place]:
    """Return the addresses of these hosts, each once, without those that a wildcard among them covers.

    An empty host means all addresses. Raises `OSError` for a host that has none.
    """
    loop = asyncio.get_running_loop()
    found: dict[Place, None] = {}
    for host in hosts:
        for family, _, _, _, address in await loop.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            found[int(family), address] = None
    wildcards = {family for family, address in found if _is_wildcard(address)}
    return [(family, address) for family, address in found if _is_wildcard(address) or family not in wildcards]


class BoundSockets:
    """Listens on one port: the one that is asked for, or for 0 the one that the system chooses first."""

    def __init__(self, port: int, backlog: int) -> None:
        self._port = port
        self._backlog = backlog
        self._sockets: dict[Place, socket.socket] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets that listen now."""
        return list(self._sockets.values())

    @property
    def port(self) -> int:
        """The port that is bound."""
        return int(self.sockets[0].getsockname()[1])

    def bind(self, places: Sequence[Place]) -> None:
        """Listen on these addresses, and on no others any more. Raises `OSError`, and listens where it did before.

        Sockets that stay are not touched, so connections that wait there are not lost.
        """
        before = dict(self._sockets)
        # A wildcard and an address of its family cannot listen beside each other.
        moved = {_family(place) for place in {*places} ^ {*before} if _is_wildcard(place[1])}
        self._drop(place for place in before if place not in places and _family(place) in moved)
        try:
            self._add(places)
        except OSError:
            self._drop(place for place in self._sockets if place not in before)
            if before:
                self._add(list(before))
            raise
        self._drop(place for place in before if place not in places)

    def close(self) -> None:
        """Close all of them. Idempotent."""
        self._drop(self._sockets)

    def _add(self, places: Sequence[Place]) -> None:
        for place in places:
            if place not in self._sockets:
                self._listen(*place)
        if not self._sockets:
            raise OSError(errno.EADDRNOTAVAIL, "no address family is available")

    def _listen(self, family: int, address: tuple[object, ...]) -> None:
        port = self.port if self._sockets else self._port
        try:
            sock = bound_socket(family, (address[0], port, *address[2:]))
        except OSError as exc:
            if _is_missing(address, exc):
                return
            raise
        self._sockets[family, address] = sock
        sock.listen(self._backlog)
        # Sockets that are bound anew, after others gave way, take the port that there was.
        self._port = self.port

    def _drop(self, places: Iterable[Place]) -> None:
        for place in list(places):
            if place in self._sockets:
                self._sockets.pop(place).close()


def can_bind(places: Iterable[Place], port: int = 0) -> bool:
    """Tell whether the port is free on all of these addresses; 0 asks whether this machine has them."""
    for family, address in places:
        try:
            bound_socket(family, (address[0], port, *address[2:])).close()
        except OSError as exc:
            if not _is_missing(address, exc):
                return False
    return True


def _is_missing(address: tuple[object, ...], exc: OSError) -> bool:
    """Whether the machine is one without IPv6, which still serves IPv4.

    Its /etc/hosts may name ::1 all the same, as in containers.
    """
    return exc.errno == errno.EAFNOSUPPORT or (exc.errno == errno.EADDRNOTAVAIL and address[0] == LOOPBACK_6)


def _family(place: Place) -> int:
    return place[0]


def _is_wildcard(address: tuple[object, ...]) -> bool:
    return ipaddress.ip_address(str(address[0]).partition("%")[0]).is_unspecified
