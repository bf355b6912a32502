"""The tunnels and forwards."""

from collections.abc import Iterable
from itertools import chain
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.model.live import LiveTunnel, Part
from omnyshell.tui import messages
from omnyshell.tui.formats import RATE_FLOOR, Cell, Tone, exposer_name, state_word
from omnyshell.tui.forwards import forwards_of
from omnyshell.tui.keys import Context, bindings, label_of
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column, age_column, hub_column, rate_column, trend_column
from omnyshell.tui.panels.fields import Number, Text
from omnyshell.tui.panels.openings import (
    Opening,
    connections,
    kind,
    known,
    opening_id,
    place,
    protocol,
    rate_of,
    state,
    target,
)
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.rights import Need, why_not


class TunnelsPanel(Panel[Opening]):
    """Which ports of the hub, and of its clients, lead where."""

    PART = Part.TUNNELS
    SEVERAL = frozenset({"close_tunnels"})
    NAME = "Tunnels"
    NUMBER = 3
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.TUNNELS, Context.TABLE)
    COLUMNS = (
        Column(
            "WHERE",
            14,
            lambda each, _: Cell(place(each), Tone.STRONG),
            Text("where", "where it is reached: at the hub, a forward at its client", lambda each, _: place(each)),
            most=30,
            keep=100,
            keep_end=True,
            sort=lambda each: (0, each.public_port, "") if isinstance(each, LiveTunnel) else (1, 0, place(each)),
        ),
        Column(
            "TARGET",
            14,
            lambda each, _: Cell(target(each)),
            Text("target", "host and port where it leads", lambda each, _: target(each)),
            most=32,
            keep=90,
            keep_end=True,
        ),
        Column(
            "NODE",
            8,
            lambda each, _: Cell(exposer_name(each.node_id)),
            Text(
                "node",
                "the node that it leads through; `(owner)` for its owner's own machine",
                lambda each, _: exposer_name(each.node_id),
            ),
            most=28,
            keep=80,
        ),
        hub_column(lambda each: each.hub, keep=57),
        Column(
            "KIND",
            7,
            lambda each, _: Cell(kind(each)),
            Text("kind", "tunnel or forward", lambda each, _: kind(each)),
            keep=58,
        ),
        Column(
            "OWNER",
            8,
            lambda each, _: Cell(each.principal),
            Text("principal", "who opened it", lambda each, _: each.principal),
            most=20,
            keep=50,
        ),
        Column(
            "PROTO",
            8,
            lambda each, _: known(protocol(each)),
            Text(
                "protocol",
                "of a tunnel tcp or http, with `+tls` where the hub speaks TLS",
                lambda each, _: protocol(each),
            ),
            keep=45,
        ),
        Column(
            "STATE",
            9,
            state,
            Text(
                "state",
                "open; kept, as it comes back with hub and node; or waiting for its node",
                lambda each, now: state_word(state(each, now)),
            ),
            keep=55,
        ),
        Column(
            "CONN",
            6,
            connections,
            Number("connections", "how many go through it, shown with those so far", lambda each, _: each.connections),
            keep=70,
            right=True,
            falls=True,
        ),
        rate_column("bytes both ways in a second", rate_of, keep=65),
        trend_column("how its rate was in the last seconds, ten to forty", rate_of, lambda _: RATE_FLOOR, keep=20),
        age_column(lambda each: each.created_at, keep=30),
    )

    def version(self) -> int:
        """A number that increases with each change of what is shown."""
        return super().version() + self.state.version(Part.SESSIONS)

    def key_of(self, item: Opening) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[Opening]:
        """What there is now."""
        return chain(self.state.tunnels.values(), forwards_of(self.state))

    def sample(self) -> None:
        """Note all rates."""
        now = {each.key: each for each in self.items()}
        for key, each in now.items():
            self.trends.note_or_drop(key, rate_of(each))
        self.trends.keep(now)

    def empty_text(self) -> str:
        """What to do where there is none."""
        why = why_not(Need.EXPOSE_ANYWHERE, None, self.state)
        key = label_of(Context.TUNNELS, "open-tunnel")
        return f"No tunnels and no forwards. {why or f'Press {key} to open a tunnel.'}"

    def describe(self, item: Opening) -> details.Details:
        """All that is known of it."""
        now = self._clock.now()
        return details.of_tunnel(item, now) if isinstance(item, LiveTunnel) else details.of_forward(item, now)

    def identify(self, item: Opening) -> tuple[str, str]:
        """What one copies first."""
        return kind(item).upper(), opening_id(item)

    def open(self, item: Opening) -> None:  # noqa: ARG002 - the row is the one that details are shown of
        """Show what is known of it."""
        self.post_message(messages.ShowDetails())

    def action_open_tunnel(self) -> None:
        """Open another one."""
        self.post_message(messages.AskForTunnel())

    def action_close_tunnels(self) -> None:
        """Close all that is selected."""
        self.post_message(messages.CloseTunnels(tuple(map(opening_id, self.allowed("close_tunnels")))))
