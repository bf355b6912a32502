"""How others reach a hub that is dialled from this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omnyshell.hosts import canonical_host, is_loopback
from omnyshell.services.local.addresses import MachineAddress, machine_addresses
from omnyshell.services.local.listen import own_hub_at
from omnyshell.services.local.listening import machine_names
from omnyshell.services.local.setup import LocalSetup
from omnyshell.transport.connection import HubAddress


@dataclass(frozen=True, slots=True)
class Reach:
    """Of a hub at a loopback address: where it listens beside it, and the addresses of this machine."""

    host: str
    """As `Listening` has it; "" for a hub of which that is not known, as this machine does not run it."""

    addresses: tuple[MachineAddress, ...] = ()

    names: Callable[[], Sequence[str]] = tuple
    """Returns the names by which others may know this machine; it may take seconds."""

    @property
    def is_ours(self) -> bool:
        """Whether it is this machine's own hub, which can be told to listen elsewhere."""
        return bool(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether no other machine is known to reach it."""
        return is_loopback(self.host) if self.is_ours else True

    @classmethod
    def of(cls, setup: LocalSetup, address: HubAddress) -> "Reach | None":
        """Return how others reach the hub at an address; None where they dial it there as well."""
        if not is_loopback(canonical_host(address.host)):
            return None
        running = own_hub_at(setup, address)
        return cls("") if running is None else cls(running.host, tuple(machine_addresses()), machine_names)
