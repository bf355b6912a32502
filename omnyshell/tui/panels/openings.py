"""Tunnels and forwards as one kind of row: a tunnel is a port of the hub, a forward one of its client's machine.

To the hub a forward is a session, so it comes among these.
"""

from datetime import datetime

from omnyshell.hosts import host_and_port
from omnyshell.model.live import LiveSession, LiveTunnel
from omnyshell.tui.formats import NOTHING, Cell, Tone, tunnel_protocol

Opening = LiveTunnel | LiveSession
"""A tunnel; or a forward, which is a session of that mode."""

_LEADS_TO = " -> "
"""Between place and target, as the client of a forward says it."""


def opening_id(item: Opening) -> str:
    """Return its id."""
    return item.tunnel_id if isinstance(item, LiveTunnel) else item.session_id


def kind(item: Opening) -> str:
    """Return what it is."""
    return "tunnel" if isinstance(item, LiveTunnel) else "forward"


def place(item: Opening) -> str:
    """Return where it is reached: at the hub, or at its client's own machine."""
    if isinstance(item, LiveTunnel):
        return host_and_port(item.public_host, item.public_port)
    return ", ".join(part.partition(_LEADS_TO)[0] for part in item.command.split(", ") if _LEADS_TO in part)


def target(item: Opening) -> str:
    """Return where it leads."""
    if isinstance(item, LiveTunnel):
        return host_and_port(item.target_host, item.target_port)
    return ", ".join(part.rpartition(_LEADS_TO)[2] for part in item.command.split(", "))


def protocol(item: Opening) -> str:
    """Return what is spoken there; of a forward the hub does not know it."""
    return tunnel_protocol(item) if isinstance(item, LiveTunnel) else ""


def rate_of(item: Opening) -> int:
    """Return how many bytes go through it in a second, both ways."""
    return item.rate_in + item.rate_out


def connections(item: Opening, _now: datetime) -> Cell:
    """Show how many connections it has now, and how many it has had."""
    return Cell(f"{item.connections}/{item.connections_total}", Tone.ACCENT if item.connections else Tone.DIM)


def state(item: Opening, _now: datetime) -> Cell:
    """Show whether one gets through it, and whether it comes back."""
    if isinstance(item, LiveTunnel) and item.waiting:
        return Cell("◌ waiting", Tone.WARN)
    if isinstance(item, LiveTunnel) and item.persist:
        return Cell("● kept", Tone.GOOD)
    return Cell("● open", Tone.GOOD)


def known(text: str) -> Cell:
    """Show a text that may be missing."""
    return Cell(text) if text else Cell(NOTHING, Tone.DIM)
