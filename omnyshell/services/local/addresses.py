"""The addresses of this machine, those first by which another machine most likely reaches it."""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

from omnyshell.extras import needs

BRIDGES = ("br-", "cali", "cni", "docker", "flannel", "lxc", "lxd", "podman", "vboxnet", "veth", "virbr", "vmnet")
"""How the interfaces begin behind which are containers and virtual machines of this machine alone."""

_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses of documentation (RFC 5737, RFC 3849): nobody has them, and nothing is sent there."""


class MachineAddress(NamedTuple):
    """An address, and the interface that has it."""

    address: str
    interface: str

    @property
    def is_public(self) -> bool:
        """Whether the whole internet could reach it."""
        return ipaddress.ip_address(self.address).is_global

    def __str__(self) -> str:
        return f"{self.address} ({self.interface}{', reached from the internet' if self.is_public else ''})"


def machine_addresses() -> list[MachineAddress]:
    """Return the addresses of interfaces that are up, without those that mean something on this machine or link alone.

    First the ones that this machine itself uses toward others, last those of bridges to its own containers.
    """
    with needs("hub"):
        psutil: Any = import_module("psutil")
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found = _usable({name: members for name, members in psutil.net_if_addrs().items() if name in up})
    routed = {_own_toward(family) for family in _ELSEWHERE}
    return sorted(found, key=lambda one: _rank(one, is_routed=one.address in routed))


def _usable(interfaces: Mapping[str, Any]) -> Iterator[MachineAddress]:
    for name, members in interfaces.items():
        for member in members:
            if member.family not in _ELSEWHERE:
                continue
            address = ipaddress.ip_address(member.address.partition("%")[0])
            if not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified):
                yield MachineAddress(str(address), name)


def _rank(one: MachineAddress, *, is_routed: bool) -> tuple[bool, bool, bool, str]:
    return one.interface.startswith(BRIDGES), ":" in one.address, not is_routed, one.interface


def _own_toward(family: int) -> str:
    """The address that this machine would use toward others; "" where it has no route."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE[socket.AddressFamily(family)], 9))
        return str(probe.getsockname()[0])
    return ""
