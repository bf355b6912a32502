"""Ports for what tests listen on, which stay theirs while what listens there is stopped and started again."""

import errno
import os
import random
import socket

from omnyshell import PortRange

FIRST, BEYOND = 10_000, 32_000
"""Ports below those that the system gives to connections, and to whoever asks for any."""

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
SHARE = (BEYOND - FIRST) // WORKERS
"""Each worker has ports of its own; a port is chosen long before something listens there."""


class _Share:
    """Gives the ports of this worker in turn, so that one comes again long after its test."""

    def __init__(self) -> None:
        # Who tests something else on this machine begins elsewhere.
        self._next = random.Random(os.urandom(8)).randrange(SHARE)

    def take(self, size: int) -> int:
        """Return the first of so many consecutive ports that are free now."""
        while True:
            first = self._next if self._next + size <= SHARE else 0
            self._next = first + size
            ports = range(FIRST + WORKER * SHARE + first, FIRST + WORKER * SHARE + first + size)
            if all(map(_is_free, ports)):
                return ports[0]


_share = _Share()


def free_range(size: int = 12) -> PortRange:
    """Consecutive ports."""
    first = _share.take(size)
    return PortRange(first, first + size - 1)


def free_ports(count: int) -> list[int]:
    """Ports."""
    return [_share.take(1) for _ in range(count)]


def free_port() -> int:
    """A port."""
    return _share.take(1)


def _is_free(port: int) -> bool:
    """Whether it can be bound at all addresses; where there is no IPv6, nothing keeps anybody from it there."""
    return all(_can_bind(family, host, port) for family, host in ((socket.AF_INET, ""), (socket.AF_INET6, "::")))


def _can_bind(family: int, host: str, port: int) -> bool:
    try:
        with socket.socket(family) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
    except OSError as exc:
        return exc.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True
