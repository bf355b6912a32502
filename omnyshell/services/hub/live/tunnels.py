"""A tunnel in the live state."""

from collections.abc import Callable

from omnyshell.model.live import LiveTunnel
from omnyshell.services.hub.live.rates import Rates


class TunnelEntry:
    """An open tunnel with the rates of its counters. `look` returns its present state, or None once it is closed."""

    __slots__ = ("_look", "_rates", "item")

    def __init__(self, item: LiveTunnel, look: Callable[[str], LiveTunnel | None]) -> None:
        self.item = item
        """The tunnel as of the last sample."""

        self._look = look
        self._rates = Rates(item.bytes_in, item.bytes_out)

    @property
    def owner(self) -> str:
        """The tunnel's owner."""
        return self.item.principal

    def sample(self, seconds: float) -> bool:
        """Compute the rates of the last `seconds`; returns whether any counter changed."""
        before, now = self.item, self._look(self.item.tunnel_id) or self.item
        self.item = now
        had, has = ((item.connections, item.connections_total) for item in (before, now))
        return self._rates.sample(now.bytes_in, now.bytes_out, seconds) or had != has

    def describe(self) -> LiveTunnel:
        """The present state of the tunnel."""
        item = self._look(self.item.tunnel_id) or self.item
        item.rate_in, item.rate_out = self._rates.rate_in, self._rates.rate_out
        return item
