"""The nodes of the hub."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import ClassVar

from msgspec.structs import replace
from textual.binding import BindingType

from omnyshell.clock import Clock
from omnyshell.model.admin import LockKind
from omnyshell.model.live import LiveNode, Part, Scope
from omnyshell.model.vitals import MachineVitals
from omnyshell.services.client.live.state import HubState, Source
from omnyshell.tui import messages
from omnyshell.tui.advice import offline
from omnyshell.tui.first_steps import towards_node
from omnyshell.tui.formats import (
    LOAD_FLOOR,
    NOTHING,
    Cell,
    Tone,
    age,
    duration,
    elapsed,
    load,
    milliseconds,
    share,
    state_word,
)
from omnyshell.tui.forwards import sessions_of
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels import details
from omnyshell.tui.panels.columns import Column, hub_column, trend_column
from omnyshell.tui.panels.fields import Labels, Number, Quantity, Text, natural
from omnyshell.tui.panels.panel import Panel

NO_VITALS = MachineVitals()
SHARE = Quantity.SHARE

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


def _platform(node: LiveNode) -> str:
    return f"{node.platform.os}/{node.platform.arch}" if node.platform is not None else ""


def _sessions(node: LiveNode, _now: datetime) -> int | None:
    """The number of sessions, if it is known: others may wait in a node that is offline."""
    return node.sessions if node.is_online else None


def _sessions_cell(node: LiveNode, now: datetime) -> Cell:
    count = _sessions(node, now)
    return Cell(str(count) if count is not None else NOTHING, Tone.PLAIN if count else Tone.DIM)


def _vitals(node: LiveNode) -> MachineVitals:
    """How the node's machine is; that of one that is away is not known."""
    return (node.vitals if node.is_online else None) or NO_VITALS


def _host(node: LiveNode) -> str:
    """The address that a node comes from, without the port, which means nothing to anybody."""
    address = node.address
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _version(node: LiveNode) -> str:
    return node.platform.agent_version if node.platform is not None else ""


def _name(node: LiveNode) -> str:
    return node.display_name if node.display_name != node.node_id else ""


class NodesPanel(Panel[LiveNode]):
    """The nodes and their states."""

    PART = Part.NODES
    NAME = "Nodes"
    NUMBER = 1
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.NODES, Context.TABLE)
    COLUMNS = (
        Column(
            "STATE",
            9,
            _state,
            Text("state", "online, offline, locked, or clashes", lambda node, now: state_word(_state(node, now))),
            keep=90,
            sort=lambda node: not node.is_online,
        ),
        Column(
            "NODE",
            12,
            lambda node, _: Cell(node.node_id, Tone.STRONG),
            Text("node", "its id", lambda node, _: node.node_id),
            most=36,
            keep=100,
        ),
        hub_column(lambda node: node.hub, keep=55),
        Column(
            "PLATFORM",
            11,
            lambda node, _: Cell(_platform(node)) if node.platform is not None else Cell(NOTHING, Tone.DIM),
            Text("platform", "system and processor", lambda node, _: _platform(node)),
            most=15,
            keep=50,
        ),
        Column(
            "LABELS",
            10,
            lambda node, _: Cell(details.labels(node.labels)),
            Labels("label", "its labels", lambda node, _: node.labels),
            most=60,
            keep=60,
            is_sparse=True,
        ),
        Column(
            "SESS",
            4,
            _sessions_cell,
            Number(
                "sessions",
                "sessions there: of everyone for admins, for others their own; `-` where that is not known",
                _sessions,
            ),
            keep=70,
            right=True,
            falls=True,
        ),
        Column(
            "LATENCY",
            7,
            lambda node, _: Cell(milliseconds(node.latency), Tone.PLAIN if node.latency is not None else Tone.DIM),
            Number("latency", "round trip between hub and node", lambda node, _: node.latency, Quantity.TIME),
            keep=40,
            right=True,
            for_admins=True,
        ),
        Column(
            "HEARD",
            5,
            lambda node, now: age(node.last_heard_at, now),
            Number(
                "heard",
                "how long ago something last came from it",
                lambda node, now: elapsed(node.last_heard_at, now),
                Quantity.TIME,
                dates=True,
            ),
            keep=55,
            right=True,
            for_admins=True,
        ),
        Column(
            "LOAD",
            5,
            lambda node, _: load(_vitals(node).load, _vitals(node).cpus),
            Number("load", "load of the machine over one minute", lambda node, _: _vitals(node).load),
            keep=38,
            right=True,
            falls=True,
        ),
        trend_column(
            "how its load was in the last reports, ten to forty",
            lambda node: _vitals(node).load,
            lambda node: max(LOAD_FLOOR, float(_vitals(node).cpus or 0)),
            keep=26,
        ),
        Column(
            "MEMORY",
            6,
            lambda node, _: share(_vitals(node).memory_share),
            Number("memory", "share of its memory that is used", lambda node, _: _vitals(node).memory_share, SHARE),
            keep=37,
            right=True,
            falls=True,
        ),
        Column(
            "DISK",
            4,
            lambda node, _: share(_vitals(node).disk_share),
            Number(
                "disk",
                "share that is used of the disk with the home directory of the node's user",
                lambda node, _: _vitals(node).disk_share,
                SHARE,
            ),
            keep=36,
            right=True,
            falls=True,
        ),
        Column(
            "UPTIME",
            6,
            lambda node, _: duration(_vitals(node).uptime_seconds),
            Number(
                "uptime",
                "for how long the machine has been running",
                lambda node, _: _vitals(node).uptime_seconds,
                Quantity.TIME,
            ),
            keep=34,
            right=True,
        ),
        Column(
            "ADDRESS",
            13,
            lambda node, _: Cell(_host(node)),
            Text("address", "where it comes from", lambda node, _: _host(node)),
            most=39,
            keep=30,
            for_admins=True,
        ),
        Column(
            "VERSION",
            7,
            lambda node, _: Cell(_version(node)),
            Text("version", "of the node's software", lambda node, _: _version(node)),
            most=12,
            keep=28,
        ),
        Column(
            "NAME",
            8,
            lambda node, _: Cell(_name(node)),
            Text("name", "its name for people, shown where it is not the id", lambda node, _: node.display_name),
            most=24,
            keep=20,
            sort=lambda node: natural(_name(node)) if _name(node) else None,
            is_sparse=True,
        ),
    )
    FIELDS = (
        Text(
            "host",
            "the machine's own name",
            lambda node, _: node.platform.hostname if node.platform is not None else "",
        ),
        Text("principal", "for admins: whose node id it is", lambda node, _: node.principal),
    )
    SORTED_BY = 1
    SEVERAL = frozenset({"fan_out"})

    def __init__(self, state: HubState, clock: Clock) -> None:
        super().__init__(state, clock)
        self._noted: dict[str, MachineVitals | None] = {}
        """The vitals of nodes whose load the trends have."""

    def sample(self) -> None:
        """Note the load of each report that is new."""
        nodes = self.state.nodes
        for key, node in nodes.items():
            if node.vitals is not None and node.vitals is not self._noted.get(key) and node.vitals.load is not None:
                self.trends.note(key, node.vitals.load)
        self._noted = {key: node.vitals for key, node in nodes.items()}
        self.trends.keep(nodes)

    def key_of(self, item: LiveNode) -> str:
        """What identifies an item."""
        return item.key

    def items(self) -> Iterable[LiveNode]:
        """What there is now. The hub tells admins alone how many sessions a node has: others' own are counted."""
        if not self._counts_sessions:
            return self.state.nodes.values()
        counted = Counter(session.node_id for session in sessions_of(self.state))
        nodes = self.state.nodes.values()
        return [replace(node, sessions=counted[node.node_id]) if node.is_online else node for node in nodes]

    def version(self) -> int:
        """A number that increases with each change of what is shown."""
        return super().version() + (self.state.version(Part.SESSIONS) if self._counts_sessions else 0)

    @property
    def _counts_sessions(self) -> bool:
        return self.state.scope is Scope.OWN and self.state.source(Part.SESSIONS) is Source.LIVE

    def empty_text(self) -> str:
        """What to do if there is no node."""
        return towards_node(self.state)

    def describe(self, item: LiveNode) -> details.Details:
        """All that is known of a node."""
        return details.of_node(item, self._clock.now())

    def identify(self, item: LiveNode) -> tuple[str, str]:
        """What one copies first."""
        return "NODE", item.node_id

    def open(self, item: LiveNode) -> None:
        """Open the node's page."""
        self.post_message(messages.OpenNode(item.node_id))

    def action_shell(self) -> None:
        """Open a shell."""
        self._of_online(messages.OpenShell)

    def action_command(self) -> None:
        """Ask for a command, and open a session with it."""
        if self.rows.current is not None:
            self.post_message(messages.OpenCommand(self.rows.current.node_id))

    def action_fan_out(self) -> None:
        """Run a command on all selected nodes."""
        self.post_message(messages.FanOut(tuple(node.node_id for node in self.allowed("fan_out"))))

    def action_files(self) -> None:
        """Show the node's files."""
        self._of_online(messages.OpenFiles)

    def _of_online(self, message: Callable[[str], messages.OpenShell | messages.OpenFiles]) -> None:
        """Ask for what the node has to be there for."""
        item = self.rows.current
        if item is not None and item.is_online:
            self.post_message(message(item.node_id))
        elif item is not None:
            self.notify(offline(item.node_id), severity="warning", markup=False)

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
