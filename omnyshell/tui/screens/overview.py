"""The overview: nodes, sessions, tunnels and the audit trail, live."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from omnyshell.clock import Clock
from omnyshell.ids import short_id
from omnyshell.model.live import LiveItem, LiveNode, LiveSession, Part
from omnyshell.model.live_figures import LiveMetrics
from omnyshell.printable import printable
from omnyshell.services.client.live.state import Change, HubState
from omnyshell.tui import messages
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.needs import need_of
from omnyshell.tui.panels.audit import AuditPanel
from omnyshell.tui.panels.details import of_principal
from omnyshell.tui.panels.details_pane import DetailsPane
from omnyshell.tui.panels.every import with_commands
from omnyshell.tui.panels.nodes import NodesPanel, is_contested
from omnyshell.tui.panels.panel import Look, Panel
from omnyshell.tui.panels.sessions import SessionsPanel
from omnyshell.tui.panels.table import LiveTable
from omnyshell.tui.panels.tunnels import TunnelsPanel
from omnyshell.tui.previews.preview import Preview
from omnyshell.tui.rights import Need, is_other, ref_of, why_not
from omnyshell.tui.widgets.footer import KeyFooter
from omnyshell.tui.widgets.header import HubHeader
from omnyshell.tui.widgets.panel_tabs import PanelTabs

SHORTEST_PERIOD = 0.1
"""Seconds between redraws of a state that changes all the time."""

WIDE_WIDTH, MEDIUM_WIDTH, HIGH = 170, 110, 34
"""Columns from which on details stand beside the panels, and several panels below each other; rows for the latter."""

TICK = 1.0
"""Seconds between redraws of what changes with time alone: ages."""


SAMPLE = 0.9 * TICK
"""Seconds that are between two values of a trend at least."""

AWAY = 30.0
"""Seconds for which nodes are still asked for their vitals while another screen is shown."""


class Place(NamedTuple):
    """A place to which the user can go back."""

    panel: str
    looks: dict[str, Look]


class OverviewScreen(Judged, Screen[None]):
    """The hub's state, live. Draws nothing while another screen is shown."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.OVERVIEW)
    DEFAULT_CSS = """
    OverviewScreen {
        background: $background;
        #panels { height: 1fr; }
        .half { height: 1fr; width: 1fr; }
        Panel { height: 1fr; width: 1fr; }
        DetailsPane { display: none; }
        &.-details DetailsPane { display: block; }
        Preview { display: none; height: 50%; width: 1fr; }
        &.-preview Preview { display: block; }
        PanelTabs { display: none; }

        &.-wide DetailsPane { width: 50; height: 1fr; }
        &.-wide Preview { width: 82; height: 1fr; }
        &.-wide #body { layout: horizontal; }

        &.-high #panels { layout: vertical; }
        &.-high #first { layout: vertical; height: 3fr; }
        &.-high #first Panel { width: 1fr; }
        &.-high #second { layout: horizontal; height: 2fr; }
        &.-high #audit { width: 1fr; }
        &.-medium.-high DetailsPane { height: 14; width: 1fr; }

        &.-tabbed PanelTabs { display: block; }
        &.-tabbed Panel, &.-tabbed .half { display: none; }
        &.-tabbed Panel.-shown, &.-tabbed .half.-shown { display: block; }
        &.-tabbed.-wide Panel.-shown, &.-tabbed.-medium.-high Panel.-shown { width: 1fr; height: 1fr; }
        &.-tabbed #body { layout: vertical; }
        &.-tabbed DetailsPane { height: 50%; width: 1fr; }
        &.-tabbed Preview { height: 60%; width: 1fr; }
    }
    """

    def __init__(self, state: HubState, clock: Clock, context: ConsoleContext) -> None:
        super().__init__()
        self.state = state
        self.header = HubHeader(state, clock)
        self._clock = clock
        self._details = DetailsPane()
        self.preview = Preview(context)
        self._tabs = PanelTabs()
        own = context.settings.own
        self.nodes = with_commands(NodesPanel, own)(state, clock)
        self.sessions = with_commands(SessionsPanel, own)(state, clock)
        self.tunnels = with_commands(TunnelsPanel, own)(state, clock)
        self.audit = with_commands(AuditPanel, own)(state, clock)
        self.panels: dict[str, Panel[Any]] = {
            panel.NAME.lower(): panel for panel in (self.nodes, self.sessions, self.tunnels, self.audit)
        }
        for panel in self.panels.values():
            panel.use(own)
        for panel in self.panels.values():
            panel.goes_back = self._goes_back
        self._panel = "nodes"
        self._is_zoomed = False
        self._principal = ""
        self._places: list[Place] = []
        self._unsubscribe: Callable[[], None] = lambda: None
        self._unwatch: Callable[[], None] = lambda: None
        self._next_look: Timer | None = None
        self._ticker: Timer | None = None
        self._shown_at = -AWAY
        """When the overview was last seen to be shown, on the monotonic clock."""

        self._looks = False
        self._sampled_at = -SAMPLE
        """When the panels last noted values for trends, on the monotonic clock."""

    def compose(self) -> ComposeResult:
        """Lay out header, panels, details and footer."""
        # Before anything is there that would have to be styled again.
        self._arrange(self.app.size)
        yield self.header
        yield self._tabs
        with Vertical(id="body"):
            with Vertical(id="panels"):
                with Vertical(id="first", classes="half"):
                    yield self.nodes
                    yield self.sessions
                with Horizontal(id="second", classes="half"):
                    yield self.tunnels
                    yield self.audit
            yield self._details
            yield self.preview
        yield KeyFooter()

    def on_mount(self) -> None:
        """Follow the state."""
        self._unsubscribe = self.state.subscribe(self._changed)
        self._unwatch = self.state.watch(self._noticed)
        self._ticker = self.set_interval(TICK, self._tick)
        self.nodes.table.focus()
        self._look()

    def on_unmount(self) -> None:
        """Stop following the state."""
        self._unsubscribe()
        self._unwatch()

    def on_screen_resume(self) -> None:
        """Show what has changed while another screen was shown."""
        self._look()

    # Following

    def _changed(self, _parts: frozenset[Part]) -> None:
        if self._next_look is None and self.is_attached:
            self._next_look = self.set_timer(SHORTEST_PERIOD, self._look)

    def _noticed(self, change: Change) -> None:
        """Notify the user that two processes use one node id, or that somebody else looks at a session of theirs."""
        before, after = change.before, change.after
        if isinstance(after, LiveSession) and not is_other(after.principal, self.state):
            self._watchers_changed(before, after)
        if not isinstance(after, LiveNode) or not is_contested(after, self._clock.now()):
            return
        if not isinstance(before, LiveNode) or before.displaced_at != after.displaced_at:
            text = f"Two processes use this node id: {after.displaced}. Give one of them another id."
            title = f"{printable(after.node_id)} was displaced"
            self.notify(printable(text), title=title, severity="warning", markup=False)

    def _watchers_changed(self, before: LiveItem | LiveMetrics | None, after: LiveSession) -> None:
        known = before.watched_by if isinstance(before, LiveSession) else ()
        new = [who for who in after.watched_by if who not in known]
        if new:
            text = f"{', '.join(new)} watches your session {after.short_id} on {after.node_id}."
            self.notify(printable(text), title="Watched", severity="warning", markup=False)

    def _look(self) -> None:
        self._next_look = None
        if self._ticker is not None:
            # Ages are drawn together with other changes, as each frame has its cost.
            self._ticker.reset()
        self._keep_on()
        if self._is_shown:
            for panel in self.panels.values():
                panel.take()
            self._say()

    def _look_at_vitals(self) -> None:
        now = self._clock.monotonic()
        if self._is_used:
            self._shown_at = now
        looks = now - self._shown_at < AWAY
        if looks != self._looks:
            self._looks = looks
            self.post_message(messages.LookAtVitals(looks=looks))

    def _keep_on(self) -> None:
        """Do what is done shown or not, at each change and each tick: changes put ticks off."""
        self._look_at_vitals()
        self._sample()

    def _sample(self) -> None:
        now = self._clock.monotonic()
        if now - self._sampled_at >= SAMPLE:
            self._sampled_at = now
            for panel in self.panels.values():
                panel.sample()

    def _tick(self) -> None:
        self._keep_on()
        if self._is_shown:
            for panel in self.panels.values():
                panel.tick()
            self._say()

    def _say(self) -> None:
        self.header.tell()
        self._tabs.tell({name: len(panel.rows.shown) for name, panel in self.panels.items()}, self._panel)
        if self.has_class("-details"):
            self._show_details()
        if self.has_class("-preview"):
            self._show_preview()
        self.judge()

    def _show_preview(self) -> None:
        session = self.sessions.rows.current
        why = why_not(Need.WATCH, session, self.state)
        self.preview.show_session(ref_of(session, self.state) if session is not None and not why else None, why)

    @property
    def judged_context(self) -> Context:
        """The keys of the overview itself."""
        return Context.OVERVIEW

    def refusal(self, action: str) -> str:
        """Return why an action is refused; a preview that is open can be closed."""
        if action == "toggle_preview" and self.has_class("-preview"):
            return ""
        return why_not(need_of(Context.OVERVIEW, action), self.sessions.rows.current, self.state)

    @property
    def _is_used(self) -> bool:
        """Whether the overview, or what was opened over it, is what the user looks at."""
        return self.is_attached and self.app.current_mode == "overview"

    @property
    def _is_shown(self) -> bool:
        """Whether any of it can be seen: dialogs leave that."""
        if not self._is_used:
            return False
        above = self.app.screen_stack[self.app.screen_stack.index(self) + 1 :]
        return all(screen.is_modal for screen in above)

    # Panels

    @property
    def panel(self) -> Panel[Any]:
        """The active panel."""
        return self.panels[self._panel]

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Note which panel is active."""
        for name, panel in self.panels.items():
            if panel in event.widget.ancestors_with_self:
                self._enter(name)
                self._principal = ""
        self._arrange()
        self._say()

    def on_resize(self, event: events.Resize) -> None:
        """Stack panels, or show one at a time with tabs, as there is room: before the first frame of the new size."""
        self._arrange(event.size)

    def _arrange(self, size: Size | None = None) -> None:
        width, height = size or self.size
        is_wide, is_medium, is_high = width >= WIDE_WIDTH, width >= MEDIUM_WIDTH, height >= HIGH
        is_tabbed = self._is_zoomed or not (is_medium and is_high)
        layout = {"-wide": is_wide, "-medium": is_medium and not is_wide, "-high": is_high, "-tabbed": is_tabbed}
        turned = self._turn()
        before = self.classes
        # All at once, as to style a screen takes milliseconds.
        self.update_classes(layout)
        if is_tabbed and self.classes == before:
            for place in turned:
                place.update_node_styles()

    def _turn(self) -> list[Widget]:
        """Mark the active panel and its half as those that are shown with tabs; returns the places that differ now."""
        shown = {self.panel, self.panel.parent}
        places = [*self.query(".half"), *self.panels.values()]
        turned = [place for place in places if place.has_class("-shown") is not (place in shown)]
        for place in turned:
            place.set_class(place in shown, "-shown", update=False)
        return [place for place in turned if place.parent not in turned]

    def action_show_panel(self, name: str) -> None:
        """Go to a panel."""
        self._enter(name)
        self._arrange()
        self.panels[name].table.focus()

    def _enter(self, name: str) -> None:
        """Make a panel the active one; a preview leaves with its sessions, where only one panel is shown."""
        if name != self._panel and self.has_class("-tabbed"):
            self.remove_class("-preview")
        self._panel = name

    def on_panel_tabs_chosen(self, event: PanelTabs.Chosen) -> None:
        """Go to the panel whose tab was clicked."""
        self.action_show_panel(event.name)

    def action_next_panel(self) -> None:
        """Go to the next panel."""
        self._step(1)

    def action_previous_panel(self) -> None:
        """Go to the panel before."""
        self._step(-1)

    def _step(self, by: int) -> None:
        names = list(self.panels)
        self.action_show_panel(names[(names.index(self._panel) + by) % len(names)])

    def action_zoom(self) -> None:
        """Give the panel the whole screen, or restore the layout."""
        self._is_zoomed = not self._is_zoomed
        self._arrange()

    # Details

    def action_say_how_to_leave(self) -> None:
        """Say it to who leaves other programs by this key."""
        self.app.action_help_quit()

    def action_toggle_details(self) -> None:
        """Show or hide the details of the row."""
        self.set_class(not self.has_class("-details"), "-details")
        self._say()

    def action_toggle_preview(self) -> None:
        """Show the screen of the session under the cursor, or hide it."""
        self.set_class(not self.has_class("-preview"), "-preview")
        self._say()

    def action_show_hubs(self) -> None:
        """Show the hubs, where there are several."""
        self.post_message(messages.ShowHubs())

    def action_show_access(self) -> None:
        """Show who may use the hub."""
        self.post_message(messages.ShowAccess())

    def on_show_details(self, event: messages.ShowDetails) -> None:
        """Show the details of the row."""
        event.stop()
        self.set_class(True, "-details")
        self._say()

    def on_live_table_moved(self, event: LiveTable.Moved) -> None:
        """Follow the cursor with the details."""
        event.stop()
        self._principal = ""
        self._say()

    def on_panel_filtered(self, event: Panel.Filtered) -> None:
        """Say how many rows are shown."""
        event.stop()
        self._say()

    def _show_details(self) -> None:
        if self._principal:
            self._details.present(of_principal(self._principal, self.state, self._clock.now()))
            return
        current = self.panel.rows.current
        self._details.present(self.panel.describe(current) if current is not None else None)

    # Going to the subject of an audit record

    def on_go_to(self, event: messages.GoTo) -> None:
        """Go to the session of an audit record, or else to its node, or else to its principal."""
        event.stop()
        record = event.record
        place = Place(self._panel, {name: panel.look for name, panel in self.panels.items()})
        session = next((key for key, item in self.state.sessions.items() if item.session_id == record.session_id), "")
        if session:
            self._go(place, "sessions", session)
        elif record.node_id in self.state.nodes:
            self._go(place, "nodes", record.node_id)
            if record.session_id:
                self.notify(f"Session {short_id(record.session_id)} has ended; this is its node.", markup=False)
        elif record.principal:
            self._places.append(place)
            self._principal = record.principal
            self.set_class(True, "-details")
            self._say()
        else:
            self.notify("This record names no session, node or principal.", severity="warning")

    def go_to(self, panel: str, key: str) -> None:
        """Go to a row, from which one can go back."""
        self._go(Place(self._panel, {name: one.look for name, one in self.panels.items()}), panel, key)

    def _go(self, place: Place, panel: str, key: str) -> None:
        self._places.append(place)
        target = self.panels[panel]
        if not target.look_at(target.look._replace(cursor=key)):
            target.look_at(Look("", key))
        self.action_show_panel(panel)

    def action_go_back(self) -> None:
        """Go back to where the record was."""
        self._goes_back()

    def _goes_back(self) -> bool:
        if not self._places:
            return False
        place = self._places.pop()
        self._principal = ""
        for name, look in place.looks.items():
            self.panels[name].look_at(look)
        self.action_show_panel(place.panel)
        self._say()
        return True
