"""The tunnels of the hub."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.model.live import LiveTunnel, Part
from omnyshell.tui import messages
from omnyshell.tui.formats import Cell, Tone, age, rate
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.rows import natural


def _public(tunnel: LiveTunnel) -> str:
    return f"{tunnel.public_host}:{tunnel.public_port}"


def _target(tunnel: LiveTunnel) -> str:
    return f"{tunnel.target_host}:{tunnel.target_port}"


def _protocol(tunnel: LiveTunnel) -> str:
    return f"{tunnel.protocol.value}+tls" if tunnel.secure else tunnel.protocol.value


def _rate(tunnel: LiveTunnel, _now: datetime) -> Cell:
    return rate(tunnel.rate_in + tunnel.rate_out)


def _connections(tunnel: LiveTunnel, _now: datetime) -> Cell:
    return Cell(f"{tunnel.connections}/{tunnel.connections_total}", Tone.ACCENT if tunnel.connections else Tone.DIM)


class TunnelsPanel(Panel[LiveTunnel]):
    """Which ports of the hub lead where."""

    PART = Part.TUNNELS
    NAME = "Tunnels"
    NUMBER = 3
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.TUNNELS, Context.TABLE)
    COLUMNS = (
        Column(
            "PUBLIC",
            12,
            lambda tunnel, _: Cell(_public(tunnel), Tone.STRONG),
            most=30,
            keep=100,
            keep_end=True,
            sort=lambda tunnel: tunnel.public_port,
        ),
        Column("TARGET", 14, lambda tunnel, _: Cell(_target(tunnel)), most=32, keep=90, keep_end=True),
        Column(
            "NODE",
            8,
            lambda tunnel, _: Cell(tunnel.node_id),
            most=28,
            keep=80,
            sort=lambda tunnel: natural(tunnel.node_id),
        ),
        Column("OWNER", 8, lambda tunnel, _: Cell(tunnel.principal), most=20, keep=50),
        Column("PROTO", 8, lambda tunnel, _: Cell(_protocol(tunnel)), keep=60),
        Column("CONN", 6, _connections, keep=70, right=True, sort=lambda tunnel: -tunnel.connections),
        Column("RATE", 7, _rate, keep=65, right=True, sort=lambda tunnel: -(tunnel.rate_in + tunnel.rate_out)),
        Column(
            "AGE",
            4,
            lambda tunnel, now: age(tunnel.created_at, now),
            keep=30,
            right=True,
            sort=lambda tunnel: -tunnel.created_at.timestamp(),
        ),
    )
    FIELDS: ClassVar = {
        "public": _public,
        "target": _target,
        "node": lambda tunnel: tunnel.node_id,
        "principal": lambda tunnel: tunnel.principal,
        "protocol": _protocol,
        "connections": lambda tunnel: tunnel.connections,
        "rate": lambda tunnel: tunnel.rate_in + tunnel.rate_out,
    }

    def key_of(self, item: LiveTunnel) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[LiveTunnel]:
        """What there is now."""
        return self.state.tunnels.values()

    def empty_text(self) -> str:
        """What to do where there is no tunnel."""
        return "No tunnels. Press t to open one."

    def describe(self, item: LiveTunnel) -> details.Details:
        """All that is known of a tunnel."""
        return details.of_tunnel(item, self._clock.now())

    def open(self, item: LiveTunnel) -> None:  # noqa: ARG002 - the row is the one that details are shown of
        """Show what is known of it."""
        self.post_message(messages.ShowDetails())

    def action_open_tunnel(self) -> None:
        """Open another one."""
        self.post_message(messages.AskForTunnel())

    def action_close_tunnels(self) -> None:
        """Close all that is selected."""
        self.post_message(messages.CloseTunnels(tuple(tunnel.tunnel_id for tunnel in self.rows.chosen())))
