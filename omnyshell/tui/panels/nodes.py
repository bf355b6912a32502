"""The nodes of the hub."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from omnyshell.model.admin import LockKind
from omnyshell.model.live import LiveNode, Part
from omnyshell.printable import printable
from omnyshell.tui import messages
from omnyshell.tui.formats import NOTHING, Cell, Tone, age, milliseconds
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.panel import Panel
from omnyshell.tui.panels.rows import natural

CONTEST_SHOWN = 900.0
"""Seconds for which a node shows that another process took its id."""


def is_contested(node: LiveNode, now: datetime) -> bool:
    """Whether another process recently took the node's id from a live one."""
    return node.displaced_at is not None and (now - node.displaced_at).total_seconds() < CONTEST_SHOWN


def _state(node: LiveNode, now: datetime) -> Cell:
    if node.locked:
        return Cell("✕ locked", Tone.BAD)
    if is_contested(node, now):
        return Cell("▲ clashes", Tone.BAD)
    return Cell("● online", Tone.GOOD) if node.is_online else Cell("○ offline", Tone.DIM)


def _platform(node: LiveNode, _now: datetime) -> Cell:
    platform = node.platform
    return Cell(f"{platform.os}/{platform.arch}") if platform is not None else Cell(NOTHING, Tone.DIM)


def _sessions(node: LiveNode, _now: datetime) -> Cell:
    return Cell(str(node.sessions)) if node.sessions else Cell(NOTHING, Tone.DIM)


def _latency(node: LiveNode, _now: datetime) -> Cell:
    return Cell(milliseconds(node.latency), Tone.PLAIN if node.latency is not None else Tone.DIM)


def _name(node: LiveNode) -> str:
    return node.display_name if node.display_name != node.node_id else ""


class NodesPanel(Panel[LiveNode]):
    """The nodes and their states."""

    PART = Part.NODES
    NAME = "Nodes"
    NUMBER = 1
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.NODES, Context.TABLE)
    COLUMNS = (
        Column("STATE", 9, _state, keep=90, sort=lambda node: not node.is_online),
        Column(
            "NODE",
            12,
            lambda node, _: Cell(node.node_id, Tone.STRONG),
            most=36,
            keep=100,
            sort=lambda node: natural(node.node_id),
        ),
        Column("PLATFORM", 11, _platform, most=15, keep=50),
        Column("LABELS", 10, lambda node, _: Cell(details.labels(node.labels)), most=60, keep=60),
        Column("SESS", 4, _sessions, keep=70, right=True, sort=lambda node: -(node.sessions or 0)),
        Column("LATENCY", 7, _latency, keep=40, right=True, sort=lambda node: node.latency or 0.0),
        Column(
            "HEARD",
            5,
            lambda node, now: age(node.last_heard_at, now),
            keep=55,
            right=True,
            sort=lambda node: -(node.last_heard_at.timestamp() if node.last_heard_at is not None else 0),
        ),
        Column("NAME", 8, lambda node, _: Cell(_name(node)), most=24, keep=20),
    )
    FIELDS: ClassVar = {
        "state": lambda node: "locked" if node.locked else "online" if node.is_online else "offline",
        "node": lambda node: node.node_id,
        "name": lambda node: node.display_name,
        "platform": lambda node: _platform(node, node.last_heard_at).text,
        "label": lambda node: node.labels,
        "host": lambda node: node.platform.hostname if node.platform is not None else "",
        "principal": lambda node: node.principal,
        "sessions": lambda node: node.sessions,
        "latency": lambda node: node.latency,
    }
    SORTED_BY = 1

    def key_of(self, item: LiveNode) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[LiveNode]:
        """What there is now."""
        return self.state.nodes.values()

    def empty_text(self) -> str:
        """What to do if there is no node."""
        return "No nodes yet. Press i to invite one."

    def describe(self, item: LiveNode) -> details.Details:
        """All that is known of a node."""
        return details.of_node(item, self._clock.now())

    def open(self, item: LiveNode) -> None:
        """Open a shell."""
        if not item.is_online:
            text = f"{printable(item.node_id)} is not connected; it shows here as online when it is"
            self.notify(text, severity="warning", markup=False)
            return
        self.post_message(messages.OpenShell(item.node_id))

    def action_command(self) -> None:
        """Ask for a command, and open a session with it."""
        if self.rows.current is not None:
            self.post_message(messages.OpenCommand(self.rows.current.node_id))

    def action_fan_out(self) -> None:
        """Run a command on all selected nodes."""
        self.post_message(messages.FanOut(tuple(node.node_id for node in self.rows.chosen())))

    def action_open_tunnel(self) -> None:
        """Open a tunnel to a target reachable from the node."""
        if self.rows.current is not None:
            self.post_message(messages.AskForTunnel(self.rows.current.node_id))

    def action_invite(self) -> None:
        """Invite a node or a user."""
        self.post_message(messages.AskForInvite())

    def action_lock(self) -> None:
        """Lock the node."""
        if self.rows.current is not None:
            self.post_message(messages.Lock(LockKind.NODE, self.rows.current.node_id))

    def action_revoke(self) -> None:
        """Revoke the node."""
        if self.rows.current is not None:
            self.post_message(messages.Revoke(node_id=self.rows.current.node_id))

    def action_labels(self) -> None:
        """Set the hub's labels of the node."""
        if self.rows.current is not None:
            self.post_message(messages.SetLabels(self.rows.current.node_id))
