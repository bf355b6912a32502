"""Which targets an exposer may connect to. Without a policy, tunnels would open its whole network."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from os.path import normpath
from typing import Protocol

from omnyshell.errors import ConfigException
from omnyshell.hosts import LOCALHOST
from omnyshell.model.tunnels import MAX_PORT, PortRange

ANY_PORT = PortRange(1, MAX_PORT)


class TargetPolicy(Protocol):
    """Decides, on the exposer's machine and independently of the hub, which targets tunnels and forwards may reach."""

    def allows(self, tunnel_id: str, host: str, port: int) -> bool:
        """Tell whether a connection of this tunnel may go to the target. Called in the event loop; it must not block.

        `host` is a name or an address, as whoever opened the tunnel or forward wrote it; or the path of a UNIX socket,
        with the port 0.
        """


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine's loopback, by name or by address."""
    if host.lower() == LOCALHOST:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class TargetPattern:
    """One `HOST:PORT`, or the path of a UNIX socket, with wildcards as for file names.

    HOST is `localhost` (all names of the loopback), an address, a network such as `10.0.0.0/8`, or a name, with
    wildcards as for file names; PORT is a port, a range `A-B`, or `*`.
    """

    host: str
    ports: PortRange | None
    """None for a path."""

    network: IPv4Network | IPv6Network | None

    @classmethod
    def parse(cls, text: str) -> "TargetPattern":
        """Read a pattern; an IPv6 host stands in brackets. Raises `ConfigException`."""
        if text.startswith("/"):
            return cls(text, None, None)
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host or (":" in host and not bracketed):
            raise ConfigException(f"'{text}' is no target; write it as HOST:PORT, as in localhost:8080 or 10.0.0.0/8:*")
        host = host[1:-1].lower() if bracketed else host.lower()
        ports = ANY_PORT if port == "*" else PortRange.parse(port if "-" in port else f"{port}-{port}")
        return cls(host, ports, _network(host, text))

    def matches(self, host: str, port: int) -> bool:
        """Tell whether the pattern covers a target."""
        if self.ports is None or port == 0:
            return self.ports is None and port == 0 and normpath(host) == host and _is_below(host, self.host)
        if port not in self.ports:
            return False
        if self.host == LOCALHOST:
            return is_loopback(host)
        if self.network is None:
            return fnmatchcase(host.lower(), self.host)
        try:
            return ip_address(host) in self.network
        except ValueError:
            return False


def _is_below(path: str, pattern: str) -> bool:
    """Tell whether a path matches name by name, so that no wildcard stands for a directory more."""
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(map(fnmatchcase, names, wanted))


class TargetPatterns:
    """A policy by patterns, for all tunnels; without any, the exposer's own loopback."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """Take patterns `HOST:PORT`: `localhost:8080`, `10.0.0.0/8:*`, `*.internal:8000-8099`, `[::1]:22`; or paths.

        Raises `ConfigException` for an invalid pattern.
        """
        self._patterns = [TargetPattern.parse(text) for text in patterns] or [TargetPattern.parse("localhost:*")]

    def allows(self, _tunnel_id: str, host: str, port: int) -> bool:
        """Tell whether a pattern covers the target."""
        return any(pattern.matches(host, port) for pattern in self._patterns)


class NoTargets:
    """A policy that allows no targets."""

    def allows(self, _tunnel_id: str, _host: str, _port: int) -> bool:
        """Refuse."""
        return False


def _network(host: str, text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(host)
    except ValueError as exc:
        if "/" in host:
            raise ConfigException(f"'{text}': {exc}") from exc
        return None
