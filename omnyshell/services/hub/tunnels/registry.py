"""The tunnels that are open on this hub, and which public port each has (docs/protocol.md#tunnels)."""

from collections.abc import Set
from dataclasses import dataclass

from omnyshell.errors import TunnelRejectedException
from omnyshell.model.tunnels import PortRange, TunnelInfo
from omnyshell.services.hub.access.quota import Pool


@dataclass(frozen=True, slots=True)
class TunnelRegistration:
    """A tunnel and who owns it."""

    info: TunnelInfo
    owner: str


class TunnelRegistry:
    """Assigns each port to one tunnel. No I/O: it binds nothing itself."""

    def __init__(self, ports: PortRange | None) -> None:
        self._ports = ports
        self._by_port: dict[int, TunnelRegistration] = {}
        self._reserved: set[int] = set()

    def __len__(self) -> int:
        return len(self._by_port)

    def check_enabled(self) -> PortRange:
        """Return the ports for tunnels. Raises `TunnelRejectedException` (`tunnel_disabled`) if there are none."""
        if self._ports is None:
            raise TunnelRejectedException("Tunnels are disabled on this hub", code="tunnel_disabled")
        return self._ports

    @property
    def pool(self) -> Pool:
        """The number of ports for tunnels, and how many are in use."""
        ports = self.check_enabled()
        return Pool(ports.last - ports.first + 1, len(self._by_port))

    def reserve(self, port: int) -> None:
        """Never give this port to a tunnel: it is the hub's own."""
        self._reserved.add(port)

    def choose_port(self, wanted: int | None, unusable: Set[int] = frozenset()) -> int:
        """Return the wanted port, or the first free one that is not in `unusable`, without assigning it.

        Raises `TunnelRejectedException` with `tunnel_disabled`, `port_out_of_range` or `port_in_use`.
        """
        ports = self.check_enabled()
        if wanted is None:
            taken = self._by_port.keys() | self._reserved | unusable
            wanted = next((port for port in range(ports.first, ports.last + 1) if port not in taken), None)
            if wanted is None:
                raise TunnelRejectedException(f"All ports of {ports} are in use", code="port_in_use")
        self.check_usable(wanted)
        if wanted in self._by_port:
            raise TunnelRejectedException(f"Port {wanted} is in use", code="port_in_use")
        return wanted

    def check_usable(self, port: int) -> None:
        """Raise `TunnelRejectedException` where this hub gives that port to no tunnel, as `choose_port` does."""
        if port not in (ports := self.check_enabled()):
            raise TunnelRejectedException(f"Port {port} is outside {ports}", code="port_out_of_range")
        if port in self._reserved:
            raise TunnelRejectedException(f"Port {port} is in use", code="port_in_use")

    def add(self, registration: TunnelRegistration) -> None:
        """Assign a tunnel its port, which `choose_port` returned."""
        self._by_port[registration.info.public_port] = registration

    def remove(self, registration: TunnelRegistration) -> None:
        """Free the tunnel's port. Idempotent."""
        if self._by_port.get(registration.info.public_port) is registration:
            del self._by_port[registration.info.public_port]

    def of_owner(self, owner: str) -> list[TunnelRegistration]:
        """Return a principal's tunnels, by port."""
        return [found for _, found in sorted(self._by_port.items()) if found.owner == owner]

    def find(self, owner: str, ref: str) -> TunnelRegistration | None:
        """Return the principal's tunnel with this id, or the only one whose id begins with it; "" matches none."""
        matches = [found for found in self.of_owner(owner) if ref and found.info.tunnel_id.startswith(ref)]
        exact = [found for found in matches if found.info.tunnel_id == ref]
        return exact[0] if exact else matches[0] if len(matches) == 1 else None
