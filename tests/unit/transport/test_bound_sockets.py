"""On which addresses a port listens, and in which order they give way to others."""

import errno
import socket
from typing import Any

import pytest

from omnyshell.transport import bound_sockets
from omnyshell.transport.bound_sockets import BoundSockets, Place, can_bind, places_of

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)
LOOPBACK: Place = (V4, ("127.0.0.1", 0))
LAN: Place = (V4, ("10.0.0.7", 0))
ALL: Place = (V4, ("0.0.0.0", 0))
LOOPBACK_6: Place = (V6, ("::1", 0, 0, 0))
ALL_6: Place = (V6, ("::", 0, 0, 0))


class Kernel:
    """Which sockets listen: an address beside a wildcard of its family cannot, on one port."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listening: list[tuple[int, str, int]] = []
        self.missing: dict[str, int] = {}
        self.closed: list[str] = []
        monkeypatch.setattr(bound_sockets, "bound_socket", self.bind)

    def bind(self, family: int, address: tuple[Any, ...]) -> "Socket":
        host, port = address[0], address[1] or 5000
        if host in self.missing:
            raise OSError(self.missing[host], "not here")
        for known, other, taken in self.listening:
            if (known, taken) == (family, port) and (other == host or {other, host} & {"0.0.0.0", "::"}):
                raise OSError(errno.EADDRINUSE, "in use")
        return Socket(self, (family, host, port))


class Socket:
    """A socket that is bound."""

    def __init__(self, kernel: Kernel, at: tuple[int, str, int]) -> None:
        self._kernel, self._at = kernel, at

    def listen(self, _backlog: int) -> None:
        self._kernel.listening.append(self._at)

    def getsockname(self) -> tuple[str, int]:
        return self._at[1:]

    def close(self) -> None:
        if self._at in self._kernel.listening:
            self._kernel.listening.remove(self._at)
            self._kernel.closed.append(self._at[1])


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def hosts(kernel: Kernel) -> set[str]:
    return {host for _, host, _ in kernel.listening}


def test_what_stays_is_not_touched_and_a_wildcard_takes_the_place_of_its_family(kernel: Kernel) -> None:
    bound = BoundSockets(0, 1)
    bound.bind([LOOPBACK, LOOPBACK_6])
    assert (hosts(kernel), bound.port) == ({"127.0.0.1", "::1"}, 5000)
    bound.bind([LOOPBACK, LOOPBACK_6, LAN])
    assert kernel.closed == []
    bound.bind([ALL, LOOPBACK_6])
    assert (hosts(kernel), kernel.closed) == ({"0.0.0.0", "::1"}, ["127.0.0.1", "10.0.0.7"])
    bound.bind([LOOPBACK, ALL_6])
    assert hosts(kernel) == {"127.0.0.1", "::"}
    bound.bind([LOOPBACK])
    assert hosts(kernel) == {"127.0.0.1"}
    assert {port for _, _, port in kernel.listening} == {5000}
    bound.close()
    assert kernel.listening == []


@pytest.mark.parametrize("wanted", [[LOOPBACK, LAN], [ALL, LAN]])
def test_one_that_cannot_be_had_leaves_everything_as_it_was(kernel: Kernel, wanted: list[Place]) -> None:
    bound = BoundSockets(7000, 1)
    kernel.missing["10.0.0.7"] = errno.EADDRNOTAVAIL
    with pytest.raises(OSError, match="not here"):
        bound.bind([LAN])
    bound.bind([LOOPBACK])
    with pytest.raises(OSError, match=r"not here|in use"):
        bound.bind(wanted)
    assert kernel.listening == [(V4, "127.0.0.1", 7000)]


@pytest.mark.parametrize("why", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_a_machine_without_ipv6_serves_ipv4(kernel: Kernel, why: int) -> None:
    kernel.missing["::1"] = why
    bound = BoundSockets(0, 1)
    bound.bind([LOOPBACK_6, LOOPBACK])
    assert hosts(kernel) == {"127.0.0.1"}
    assert can_bind([LOOPBACK_6, LAN], 6000)
    assert not can_bind([LOOPBACK], 5000)
    with pytest.raises(OSError, match="no address family"):
        BoundSockets(0, 1).bind([LOOPBACK_6])


async def test_addresses_that_a_wildcard_covers_are_left_out() -> None:
    places = await places_of(("127.0.0.1", "0.0.0.0", "127.0.0.1", "::1"))
    assert [(family, address[0]) for family, address in places] == [(V4, "0.0.0.0"), (V6, "::1")]
    assert {address[0] for _, address in await places_of(("::1", ""))} >= {"0.0.0.0"}
    assert await places_of(()) == []
