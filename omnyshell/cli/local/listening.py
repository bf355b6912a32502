"""Where this machine's own hub listens, as the command line says it."""

from omnyshell.hosts import LOCALHOST
from omnyshell.services.local.addresses import machine_addresses
from omnyshell.services.local.setup import Running
from omnyshell.transport.connection import HubAddress


def where_it_listens(running: Running) -> list[str]:
    """Return a line about where others reach the hub, and one about what is wrong with that."""
    lines = []
    if running.host != LOCALHOST:
        lines.append(f"outside  {HubAddress(running.listening.public_host, running.port)}")
    elif found := machine_addresses():
        lines.append(
            f"outside  nobody reaches it; `omnyshell up --host {found[0].address}` has it listen for other machines"
        )
    if running.trouble:
        lines.append(f"but      {running.trouble}")
    return lines
