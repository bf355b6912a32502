"""Tunnels: public ports of the hub that lead to a target beside a node or client (docs/protocol.md#tunnels)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from omnyshell.errors import ConfigException
from omnyshell.model.grammars import EXPOSER_ID, HOST, HOST_OR_NONE, HUB_ID_OR_NONE, PORT, PRINCIPAL_OR_NONE, TUNNEL_ID
from omnyshell.model.schema import OMIT, LenientEnum, WireObject

LOCAL_EXPOSER = "@local"
MAX_PORT = 65535


class TunnelProtocol(LenientEnum):
    """How the hub treats the bytes. Reading ignores case, and takes an unknown protocol for `tcp`."""

    __fallback__ = "TCP"

    TCP = "tcp"
    HTTP = "http"

    @classmethod
    def _missing_(cls, _value: object) -> "TunnelProtocol":
        known = {member.value: member for member in cls}
        return known.get(str(_value).lower(), cls.TCP)

    @classmethod
    def named(cls, name: str) -> "TunnelProtocol":
        """Return the protocol of that name, in any case, for a request. Raises `ValueError` where there is none."""
        protocol = cls(name)
        if protocol.value != name.lower():
            raise ValueError(name)
        return protocol


class TunnelInfo(WireObject, kw_only=True):
    """One line of a tunnel listing."""

    tunnel_id: Annotated[str, TUNNEL_ID]
    """The tunnel's id."""

    node_id: Annotated[str, EXPOSER_ID]
    """The exposer: a node, or `@local` for a client."""

    owner_user_id: Annotated[str, PRINCIPAL_OR_NONE] = ""
    """Who opened it."""

    target_host: Annotated[str, HOST] = "localhost"
    """The target's host."""

    target_port: Annotated[int, PORT]
    """The target's port."""

    public_host: Annotated[str, HOST_OR_NONE] = ""
    """Where it is reached; empty for the hub's own name."""

    public_port: Annotated[int, PORT]
    """The hub's port."""

    secure: Annotated[bool, OMIT] = False
    """Whether the hub speaks TLS with the outside."""

    protocol: Annotated[TunnelProtocol, OMIT] = TunnelProtocol.TCP
    """`tcp` or `http`."""

    created_at: datetime
    """When it was opened."""

    persist: Annotated[bool, OMIT] = False
    """Of `kept-tunnels`: whether it comes back with the hub and its node."""

    waiting: Annotated[bool, OMIT] = False
    """Of `kept-tunnels`: whether it waits for its node, or for its port."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""


@dataclass(frozen=True, slots=True)
class PortRange:
    """The ports that tunnels may take on the hub; both ends belong to it."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `A-B`. Raises `ConfigException` for an invalid range of ports."""
        first, _, last = text.partition("-")
        if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
            raise ConfigException(f"'{text}' is no port range; write it as 20000-20100")
        if not 1 <= int(first) <= int(last) <= MAX_PORT:
            raise ConfigException(f"port range {text} must lie in 1-{MAX_PORT} and ascend")
        return cls(int(first), int(last))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"
