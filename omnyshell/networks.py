"""Ranges of IP addresses, and the unit that limits count by.

That is one IPv4 address, or an IPv6 /64, which one customer has.
"""

import hashlib
import ipaddress

from omnyshell.errors import ConfigException

_LONGEST_KEY = 128


def network_of(address: str) -> str:
    """Return the unit that limits count an address by.

    IPv6 counts by its /64, IPv4-mapped IPv6 as IPv4; text that is no address is returned unchanged.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return bounded(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(parsed) >> 64 << 64)}/64"


def bounded(text: str) -> str:
    """Return the text, shortened if it is very long: it becomes a key of tables, and a peer may have chosen it."""
    if len(text) <= _LONGEST_KEY:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:64]}...{digest[:32]}"


class Network:
    """A range of addresses, written as `10.0.0.0/8` or `2001:db8::/32`, or one address."""

    def __init__(self, text: str) -> None:
        """Raises `ConfigException`."""
        try:
            self._network = ipaddress.ip_network(text.strip())
        except ValueError as exc:
            raise ConfigException(f"'{text}' is no range of addresses ({exc}); write it as 10.0.0.0/8") from exc

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return (getattr(parsed, "ipv4_mapped", None) or parsed) in self._network

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._network == other._network

    def __hash__(self) -> int:
        return hash(self._network)

    def __str__(self) -> str:
        return str(self._network)

    @property
    def is_everything(self) -> bool:
        """Whether it contains every address of its IP version."""
        return self._network.prefixlen == 0
