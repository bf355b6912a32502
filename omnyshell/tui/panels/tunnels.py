"""The tunnels of the hub."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.hosts import host_and_port
from omnyshell.model.live import LiveTunnel, Part
from omnyshell.tui import messages
from omnyshell.tui.formats import RATE_FLOOR, Cell, Tone, age, elapsed, exposer_name, rate, tunnel_protocol
from omnyshell.tui.keys import Context, bindings, label_of
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column, trend_column
from omnyshell.tui.panels.fields import Number, Quantity, Text
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.rights import Need, why_not


def _public(tunnel: LiveTunnel) -> str:
    return host_and_port(tunnel.public_host, tunnel.public_port)


def _target(tunnel: LiveTunnel) -> str:
    return host_and_port(tunnel.target_host, tunnel.target_port)


def _rate(tunnel: LiveTunnel) -> int:
    return tunnel.rate_in + tunnel.rate_out


def _connections(tunnel: LiveTunnel, _now: datetime) -> Cell:
    return Cell(f"{tunnel.connections}/{tunnel.connections_total}", Tone.ACCENT if tunnel.connections else Tone.DIM)


class TunnelsPanel(Panel[LiveTunnel]):
    """Which ports of the hub lead where."""

    PART = Part.TUNNELS
    SEVERAL = frozenset({"close_tunnels"})
    NAME = "Tunnels"
    NUMBER = 3
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.TUNNELS, Context.TABLE)
    COLUMNS = (
        Column(
            "PUBLIC",
            12,
            lambda tunnel, _: Cell(_public(tunnel), Tone.STRONG),
            Text("public", "host and port where it is reached", lambda tunnel, _: _public(tunnel)),
            most=30,
            keep=100,
            keep_end=True,
            sort=lambda tunnel: tunnel.public_port,
        ),
        Column(
            "TARGET",
            14,
            lambda tunnel, _: Cell(_target(tunnel)),
            Text("target", "host and port where it leads", lambda tunnel, _: _target(tunnel)),
            most=32,
            keep=90,
            keep_end=True,
        ),
        Column(
            "NODE",
            8,
            lambda tunnel, _: Cell(exposer_name(tunnel.node_id)),
            Text(
                "node",
                "the node that it leads through; `(owner)` for its owner's own machine",
                lambda tunnel, _: exposer_name(tunnel.node_id),
            ),
            most=28,
            keep=80,
        ),
        Column(
            "OWNER",
            8,
            lambda tunnel, _: Cell(tunnel.principal),
            Text("principal", "who opened it", lambda tunnel, _: tunnel.principal),
            most=20,
            keep=50,
        ),
        Column(
            "PROTO",
            8,
            lambda tunnel, _: Cell(tunnel_protocol(tunnel)),
            Text(
                "protocol",
                "tcp or http, with `+tls` where the hub speaks TLS",
                lambda tunnel, _: tunnel_protocol(tunnel),
            ),
            keep=60,
        ),
        Column(
            "CONN",
            6,
            _connections,
            Number(
                "connections", "how many go through it, shown with those so far", lambda tunnel, _: tunnel.connections
            ),
            keep=70,
            right=True,
            falls=True,
        ),
        Column(
            "RATE",
            7,
            lambda tunnel, _: rate(_rate(tunnel)),
            Number("rate", "bytes both ways in a second", lambda tunnel, _: _rate(tunnel), Quantity.SIZE),
            keep=65,
            right=True,
            falls=True,
        ),
        trend_column("how its rate was in the last seconds, ten to forty", _rate, lambda _: RATE_FLOOR, keep=20),
        Column(
            "AGE",
            4,
            lambda tunnel, now: age(tunnel.created_at, now),
            Number(
                "age",
                "since it was opened",
                lambda tunnel, now: elapsed(tunnel.created_at, now),
                Quantity.TIME,
                dates=True,
            ),
            keep=30,
            right=True,
        ),
    )

    def key_of(self, item: LiveTunnel) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[LiveTunnel]:
        """What there is now."""
        return self.state.tunnels.values()

    def sample(self) -> None:
        """Note all rates."""
        for key, tunnel in self.state.tunnels.items():
            self.trends.note_or_drop(key, _rate(tunnel))
        self.trends.keep(self.state.tunnels)

    def empty_text(self) -> str:
        """What to do where there is no tunnel."""
        why = why_not(Need.EXPOSE_ANYWHERE, None, self.state)
        key = label_of(Context.TUNNELS, "open-tunnel")
        return f"No tunnels. {why or f'Press {key} to open one.'}"

    def describe(self, item: LiveTunnel) -> details.Details:
        """All that is known of a tunnel."""
        return details.of_tunnel(item, self._clock.now())

    def identify(self, item: LiveTunnel) -> tuple[str, str]:
        """What one copies first."""
        return "TUNNEL", item.tunnel_id

    def open(self, item: LiveTunnel) -> None:  # noqa: ARG002 - the row is the one that details are shown of
        """Show what is known of it."""
        self.post_message(messages.ShowDetails())

    def action_open_tunnel(self) -> None:
        """Open another one."""
        self.post_message(messages.AskForTunnel())

    def action_close_tunnels(self) -> None:
        """Close all that is selected."""
        self.post_message(messages.CloseTunnels(tuple(tunnel.tunnel_id for tunnel in self.allowed("close_tunnels"))))
