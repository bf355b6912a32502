"""A node's page: its machine, its sessions, tunnels and audit records, and what runs in its sessions."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.admin import LockKind
from omnyshell.model.live import LiveNode, NodePresence, Part
from omnyshell.tui import messages
from omnyshell.tui.advice import advice, offline
from omnyshell.tui.formats import LOAD_FLOOR
from omnyshell.tui.hub_link import HubLink
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.needs import need_of
from omnyshell.tui.panels import details
from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.details_pane import DetailsPane
from omnyshell.tui.panels.panel import Panel, PartOf
from omnyshell.tui.panels.processes import ProcessesPanel
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.table import LiveTable
from omnyshell.tui.panels.tunnels import TunnelsPanel
from omnyshell.tui.preferences.own import Own
from omnyshell.tui.rights import why_not
from omnyshell.tui.screens.overview import HIGH, MEDIUM_WIDTH, SHORTEST_PERIOD, TICK, OverviewScreen
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.footer import KeyFooter
from omnyshell.tui.widgets.panel_tabs import PanelTabs

ASK_AGAIN: Final = 3.0
"""Seconds between two questions for processes, while they are shown and something runs."""

TREND_LENGTH: Final = 24


class MachinePane(DetailsPane, Judged):
    """What is known of the node itself; `open_shell` opens a shell there, `refusal_of` says why not."""

    NAME = "machine"
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.MACHINE)

    def __init__(self, open_shell: Callable[[], None], refusal_of: Callable[[str], str]) -> None:
        super().__init__()
        self._open_shell = open_shell
        self._refusal_of = refusal_of

    @property
    def judged_context(self) -> Context:
        """The keys that are judged."""
        return Context.MACHINE

    def refusal(self, action: str) -> str:
        """Return why an action is refused."""
        return self._refusal_of(action)

    def action_shell(self) -> None:
        """Open a shell."""
        self._open_shell()


class NodeScreen(Judged, Screen[None]):
    """Shows one node; `overview` has the trends, and is where `esc` leads back to."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.NODE)
    DEFAULT_CSS = """
    NodeScreen {
        background: $background;
        .row { height: 1fr; }
        #first { height: 2fr; }
        Panel, #machine { height: 1fr; width: 1fr; }
        #details { display: none; height: 40%; width: 1fr; }
        &.-details #details { display: block; }
        PanelTabs { display: none; }
        #machine { width: 2fr; }
        #processes { width: 3fr; }

        &.-tabbed PanelTabs { display: block; }
        &.-tabbed .row, &.-tabbed Panel, &.-tabbed #machine { display: none; }
        &.-tabbed .row.-shown { height: 1fr; }
        &.-tabbed .row.-shown, &.-tabbed Panel.-shown, &.-tabbed #machine.-shown { display: block; width: 1fr; }
    }
    """

    def __init__(
        self,
        node_id: str,
        hub: HubLink,
        overview: OverviewScreen,
        clock: Clock,
        own: Own,
        *,
        id: str | None = None,  # noqa: A002  # Textual's name
    ) -> None:
        super().__init__(id=id)
        state = hub.state
        self.node_id = node_id
        self._hub = hub
        self._clock = clock
        self._node = LiveNode(node_id=node_id, state=NodePresence.OFFLINE)
        self._trends = overview.nodes.trends
        self.header = overview.header.twin()
        self._tabs = PanelTabs()
        self.machine = MachinePane(self.action_shell, self.refusal)
        self.details = DetailsPane()
        here = PartOf(self._is_here, frozenset({"NODE"}))
        self.sessions = SessionsPanel(state, clock, part=here, trends=overview.sessions.trends)
        self.tunnels = TunnelsPanel(state, clock, part=here, trends=overview.tunnels.trends)
        self.audit = AuditPanel(state, clock, part=here)
        self.processes = ProcessesPanel(state, clock, node_id)
        self._panels: dict[str, Panel[Any]] = {
            panel.NAME.lower(): panel for panel in (self.sessions, self.tunnels, self.audit, self.processes)
        }
        for panel in self._panels.values():
            panel.use(own)
            panel.goes_back = partial(self._goes_back, panel)
        self._part = "node"
        self._is_zoomed = False
        self._next_look: Timer | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._due = asyncio.Event()

    @property
    def judged_context(self) -> Context:
        """The keys that are judged."""
        return Context.NODE

    def refusal(self, action: str) -> str:
        """Return why an action is refused on this node."""
        return why_not(need_of(Context.NODE, action), self._node, self._hub.state)

    def _is_here(self, item: Any) -> bool:
        return bool(item.node_id == self.node_id)

    def compose(self) -> ComposeResult:
        """Lay out header, parts, details and footer."""
        yield self.header
        yield self._tabs
        with Horizontal(classes="row", id="first"):
            yield self.machine
            yield self.processes
        with Horizontal(classes="row"):
            yield self.sessions
            yield self.tunnels
        with Vertical(classes="row"):
            yield self.audit
        yield self.details
        yield KeyFooter()

    def on_mount(self) -> None:
        """Follow the state, and ask for processes."""
        self._unsubscribe = self._hub.state.subscribe(self._changed)
        self.set_interval(TICK, self._tick)
        start_task(self, self._ask_regularly(), "Looking at processes")
        self.machine.focus()
        self._look()

    def on_unmount(self) -> None:
        """Stop following the state."""
        self._unsubscribe()

    def on_screen_resume(self) -> None:
        """Show what has changed while another screen was shown."""
        self._look()
        self._due.set()

    # Following

    def _changed(self, _parts: frozenset[Part]) -> None:
        if self._next_look is None and self.is_attached:
            self._next_look = self.set_timer(SHORTEST_PERIOD, self._look)

    def _look(self) -> None:
        self._next_look = None
        if self._is_shown:
            for panel in self._panels.values():
                panel.take()
            self._say()

    def _tick(self) -> None:
        if self._is_shown:
            for panel in self._panels.values():
                panel.tick()
            self._say()

    @property
    def _is_shown(self) -> bool:
        return self.is_attached and self.app.current_mode == "overview"

    def _say(self) -> None:
        self._node = self._hub.state.nodes.get(self.node_id, self._node)
        self.judge()
        self.machine.judge()
        self.header.tell()
        counts = {name: len(panel.rows.shown) for name, panel in self._panels.items()}
        self._tabs.tell({"node": None, **counts}, self._part)
        self.machine.present(details.of_node(self._node, self._clock.now(), self._trend()))
        if self.has_class("-details"):
            panel = self._panels.get(self._part)
            current = panel.rows.current if panel is not None else None
            self.details.present(panel.describe(current) if panel is not None and current is not None else None)

    def _trend(self) -> str:
        cpus = self._node.vitals.cpus if self._node.vitals is not None else None
        return self._trends.draw(self.node_id, max(LOAD_FLOOR, float(cpus or 0)), TREND_LENGTH)

    # Processes

    async def _ask_regularly(self) -> None:
        while True:
            if self._is_shown and self.is_current and self.processes.display:
                await self._ask()
            self._due.clear()
            try:
                async with asyncio.timeout(ASK_AGAIN):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def _ask(self) -> None:
        if not self.sessions.rows.total and not self.processes.rows.total:
            return
        try:
            self.processes.put(await self._hub.client.sessions_of(self.node_id).processes())
        except OmnyShellException as exc:
            self.processes.fail(advice(exc))

    # Parts

    def _focusable(self, part: str) -> Widget:
        return self.machine if part == "node" else self._panels[part].table

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Note which part is active."""
        around = event.widget.ancestors_with_self
        self._part = next((name for name, panel in self._panels.items() if panel in around), "node")
        self._arrange()
        self._say()

    def on_resize(self, event: events.Resize) -> None:
        """Show all parts, or one at a time with tabs, as there is room: before the first frame of the new size."""
        self._arrange(event.size)

    def _arrange(self, size: Size | None = None) -> None:
        width, height = size or self.size
        is_roomy = width >= MEDIUM_WIDTH and height >= HIGH
        self.set_class(self._is_zoomed or not is_roomy, "-tabbed")
        active = self.machine if self._part == "node" else self._panels[self._part]
        for part in (self.machine, *self._panels.values()):
            part.set_class(part is active, "-shown")
        for row in self.query(".row"):
            row.set_class(active in row.children, "-shown")
        self._due.set()

    def action_show_part(self, part: str) -> None:
        """Go to a part of the page."""
        self._part = part
        self._arrange()
        self._focusable(part).focus()

    def on_panel_tabs_chosen(self, event: PanelTabs.Chosen) -> None:
        """Go to the part whose tab was clicked."""
        self.action_show_part(event.name)

    def action_next_part(self) -> None:
        """Go to the next part."""
        self._step(1)

    def action_previous_part(self) -> None:
        """Go to the part before."""
        self._step(-1)

    def _step(self, by: int) -> None:
        parts = ["node", *self._panels]
        self.action_show_part(parts[(parts.index(self._part) + by) % len(parts)])

    def action_zoom(self) -> None:
        """Give the part the whole screen, or restore the layout."""
        self._is_zoomed = not self._is_zoomed
        self._arrange()

    def action_toggle_details(self) -> None:
        """Show or hide the details of the row."""
        self.toggle_class("-details")
        self._say()

    def on_show_details(self, event: messages.ShowDetails) -> None:
        """Show the details of the row."""
        event.stop()
        self.add_class("-details")
        self._say()

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Follow the cursor with the details."""
        event.stop()
        self._say()

    def on_panel_filtered(self, event: Panel.Filtered) -> None:
        """Say how many rows are shown."""
        event.stop()
        self._say()

    def on_go_to(self, event: messages.GoTo) -> None:
        """Go to the session of an audit record, if it is here; other things the overview goes to."""
        here = (key for key, item in self._hub.state.sessions.items() if self._is_here(item))
        session = next((key for key in here if key.endswith(event.record.session_id or "/")), None)
        if session is None:
            self.dismiss(None)
            return
        event.stop()
        self.sessions.look_at(self.sessions.look._replace(cursor=session))
        self.action_show_part("sessions")

    # What is done to the node

    def action_shell(self) -> None:
        """Open a shell."""
        if self._node.is_online:
            self.post_message(messages.OpenShell(self.node_id))
        else:
            self.notify(offline(self.node_id), severity="warning", markup=False)

    def action_command(self) -> None:
        """Ask for a command, and open a session with it."""
        self.post_message(messages.OpenCommand(self.node_id))

    def action_fan_out(self) -> None:
        """Run a command on the node."""
        self.post_message(messages.FanOut((self.node_id,)))

    def action_files(self) -> None:
        """Show the node's files."""
        if self._node.is_online:
            self.post_message(messages.OpenFiles(self.node_id))
        else:
            self.notify(offline(self.node_id), severity="warning", markup=False)

    def action_open_tunnel(self) -> None:
        """Open a tunnel to a target reachable from the node."""
        self.post_message(messages.AskForTunnel(self.node_id))

    def action_lock(self) -> None:
        """Lock the node."""
        self.post_message(messages.Lock(LockKind.NODE, self.node_id))

    def action_revoke(self) -> None:
        """Revoke the node."""
        self.post_message(messages.Revoke(node_id=self.node_id))

    def action_labels(self) -> None:
        """Set the hub's labels of the node."""
        self.post_message(messages.SetLabels(self.node_id))

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)

    def _goes_back(self, panel: Panel[Any]) -> bool:
        """Go back, unless there is a filter to drop."""
        if not panel.has_filter:
            self.action_close()
        return not panel.has_filter
