"""The remote terminals, in tabs and splits."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Static

from omnyshell.errors import OmnyShellException
from omnyshell.ids import matches_ref
from omnyshell.tui import messages
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.keys import Context, keys_of
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.previews.watch import WatchPane
from omnyshell.tui.tasks import start_task
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.commands import SIGNALS, leader_choices, leader_name
from omnyshell.tui.terminal.fair_following import FairFollowing
from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.prompt import Choice, LineInput, Menu, Strip
from omnyshell.tui.terminal.tab import TabPane, one_line
from omnyshell.tui.terminal.tabs import TabBar, TabLabel

NOTHING = "No terminal yet. Choose a node in the overview and press Enter."


class TerminalsScreen(Screen[None]):
    """Holds all sessions that are attached or watched in this console."""

    DEFAULT_CSS = """
    TerminalsScreen { layers: base above; }
    TerminalsScreen #deck { width: 100%; height: 1fr; layout: horizontal; }
    TerminalsScreen #deck.-stacked { layout: vertical; }
    TerminalsScreen #deck > TabPane { display: none; }
    TerminalsScreen #deck > TabPane.-shown { display: block; }
    TerminalsScreen #deck > .-second { border-left: solid $panel; }
    TerminalsScreen #deck.-stacked > .-second { border-left: none; border-top: solid $panel; }
    TerminalsScreen #nothing { width: 100%; height: 100%; content-align: center middle; color: $text-muted; }
    """
    AUTO_FOCUS = ""

    def __init__(self, context: ConsoleContext) -> None:
        super().__init__()
        self._port = context
        self._layout: Layout[TabPane] = Layout()
        self._following = FairFollowing()
        self._strip = Strip()
        self._bar = TabBar()
        self._deck = Container(id="deck")
        self._early: list[TabPane] = []
        self._is_ending = False

    def compose(self) -> ComposeResult:
        """Lay out tabs, terminals and the strip over them."""
        yield self._bar
        with self._deck:
            yield Static(NOTHING, id="nothing", markup=False)
        yield self._strip

    # What the app calls

    @property
    def has_tabs(self) -> bool:
        """Whether anything is shown there."""
        return bool(self._layout.tabs)

    @property
    def live_terminals(self) -> list[TerminalPane]:
        """The terminals with live sessions."""
        return [pane for pane in self._terminals() if pane.is_live]

    def open_shell(self, node_id: str) -> TerminalPane:
        """Open a login shell on a node in a new tab."""
        return self.open(OpenSpec(node_id=node_id))

    def open(self, spec: OpenSpec, *, beside: bool = False) -> TerminalPane:
        """Open a session in a new tab, or beside the active one."""
        pane = TerminalPane(
            spec, self._port, self._following, ask=self._strip.ask, answers=self._strip.press, lead=self._lead
        )
        self._add(pane, beside=beside)
        return pane

    def attach(self, node_id: str, ref: str) -> TerminalPane:
        """Attach a session; if it is attached here already, show its tab."""
        for pane in self._terminals():
            if pane.is_live and pane.node_id == node_id and ref and matches_ref(pane.session_id, ref):
                self._activate(pane)
                return pane
        return self.open(OpenSpec(node_id=node_id, session_ref=ref))

    def watch_session(self, node_id: str, ref: str) -> WatchPane:
        """Watch a session without attaching to it."""
        pane = WatchPane(SessionRef(node_id, ref), self._port, answers=self._strip.press, lead=self._lead)
        self._add(pane)
        return pane

    async def detach_all(self) -> int:
        """Detach all live sessions; return how many were detached. Others end with the connection."""
        self._is_ending = True
        results = await asyncio.gather(*map(_detached, self.live_terminals))
        return sum(results)

    # Tabs

    def _terminals(self) -> list[TerminalPane]:
        return [pane for pane in self._layout.tabs if isinstance(pane, TerminalPane)]

    def _add(self, pane: TabPane, *, beside: bool = False) -> None:
        if beside:
            self._layout.add_beside(pane)
        else:
            self._layout.add(pane)
        if self.is_mounted:
            self._deck.mount(pane)
        else:
            self._early.append(pane)
        self._arrange()

    def on_mount(self) -> None:
        """Add the tabs that were opened before the screen existed."""
        self._deck.mount(*self._early)
        self._early.clear()
        self._arrange()

    def on_screen_resume(self) -> None:
        """Give the active terminal the focus again."""
        self._arrange()
        for pane in self._terminals():
            pane.terminal.has_keyboard(gained=pane.terminal.has_focus)

    def on_screen_suspend(self) -> None:
        """Note that no terminal is visible any more."""
        for pane in self._terminals():
            pane.unseen()
            pane.terminal.has_keyboard(gained=False)

    def _activate(self, pane: TabPane) -> None:
        self._layout.activate(pane)
        self._arrange()

    def _arrange(self) -> None:
        """Update the widgets from the layout."""
        if not self.is_mounted:
            return
        shown = self._layout.shown
        self._deck.set_class(self._layout.stacked, "-stacked")
        for pane in self._layout.tabs:
            pane.set_class(pane in shown, "-shown")
            pane.set_class(pane in shown[1:], "-second")
            if pane in shown and self.is_current:
                pane.seen()
            elif isinstance(pane, TerminalPane):
                pane.unseen()
        with suppress(ValueError):
            # The widgets have the order of the tabs, which decides which one is on the left.
            self._deck.sort_children(key=self._order)
        self.query_one("#nothing").display = not self._layout.tabs
        self._show_tabs()
        if self._layout.active is not None:
            self.set_focus(self._layout.active.target)

    def _order(self, widget: object) -> int:
        tabs: Sequence[object] = self._layout.tabs
        return tabs.index(widget) if widget in tabs else -1

    def _show_tabs(self) -> None:
        active, shown = self._layout.active, self._layout.shown
        labels = [
            TabLabel(pane.label, pane.mark.value, is_active=pane is active, is_shown=pane in shown)
            for pane in self._layout.tabs
        ]
        self._bar.show(labels, f"{self._port.settings.leader} commands")

    def on_tab_pane_changed(self, event: TabPane.Changed) -> None:
        """Show the new name or mark."""
        event.stop()
        self._show_tabs()

    async def on_tab_pane_finished(self, event: TabPane.Finished) -> None:
        """Close a tab; without any, go back to where one came from."""
        event.stop()
        if event.pane not in self._layout.tabs:
            return
        self._layout.remove(event.pane)
        await event.pane.remove()
        self._arrange()
        if not self._layout.tabs and self.is_current and not self._is_ending:
            self.post_message(messages.GoBack())

    def on_tab_bar_clicked(self, event: TabBar.Clicked) -> None:
        """Go to the tab."""
        event.stop()
        self._activate(self._layout.tabs[event.number])

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Make a terminal active that got the focus by a click."""
        for pane in self._layout.shown:
            if pane is not self._layout.active and pane.target is event.widget:
                self._activate(pane)
                return

    # Commands after the leader key

    @property
    def is_asking(self) -> bool:
        """Whether the strip is waiting for a key."""
        return self._strip.prompt is not None

    def _lead(self) -> None:
        leader = self._port.settings.leader
        self._strip.ask(Menu(leader, leader_choices(leader), self._command))

    def _command(self, key: str) -> None:
        if key == leader_name(self._port.settings.leader):
            pane = self._layout.active
            if isinstance(pane, TerminalPane):
                pane.terminal.send_key(key)
            return
        found = next((known for known in keys_of(Context.TERMINAL) if key == known.keys), None)
        if found is not None:
            start_task(self, self.run_action(found.action), found.text)

    def action_next(self) -> None:
        """Go to the next terminal."""
        self._layout.go(1)
        self._arrange()

    def action_previous(self) -> None:
        """Go to the terminal before."""
        self._layout.go(-1)
        self._arrange()

    def action_go_to_tab(self, number: int) -> None:
        """Go to the terminal with this number from 1 on, or to the last one where there are fewer than ten, for 10."""
        tabs = self._layout.tabs
        if number == 10:
            number = min(10, len(tabs))
        if 1 <= number <= len(tabs):
            self._activate(tabs[number - 1])
        else:
            self.notify(f"There are {len(tabs)} terminals" if len(tabs) != 1 else "There is 1 terminal")

    def action_overview(self) -> None:
        """Go to the overview."""
        self.post_message(messages.ShowOverview())

    def action_zoom(self) -> None:
        """Show one of two terminals alone, or both again."""
        self._layout.zoom()
        self._arrange()

    def action_split(self) -> None:
        """Show two terminals side by side, or one again."""
        self._split(stacked=False)

    def action_stack(self) -> None:
        """Show two terminals one above the other, or one again."""
        self._split(stacked=True)

    def _split(self, *, stacked: bool) -> None:
        if self._layout.split(stacked=stacked):
            self._arrange()
        elif self._layout.active is not None:
            self.open(OpenSpec(node_id=self._layout.active.node_id), beside=True)

    def action_new_shell(self) -> None:
        """Open another shell on the same node."""
        if self._layout.active is not None:
            self.open_shell(self._layout.active.node_id)

    def action_help(self) -> None:
        """Show the help."""
        self.app.call_later(self.app.run_action, "show_help")

    def action_rename(self) -> None:
        """Give the tab a name."""
        pane = self._layout.active
        if pane is None:
            return

        def rename(name: str) -> None:
            pane.name_given = name.strip()
            self._show_tabs()

        self._strip.ask(LineInput("Name of the tab", rename))

    def action_copy_mode(self) -> None:
        """Move, select and copy with keys."""
        pane = self._active_terminal()
        if pane is not None:
            pane.terminal.start_copy_mode()

    def action_search(self) -> None:
        """Search in the screen and above it."""
        pane = self._active_terminal()
        if pane is not None:
            pane.search_wanted()

    async def action_detach(self) -> None:
        """Detach the session; a tab that only watches or is over is closed."""
        pane = self._layout.active
        if pane is None:
            return
        if not pane.is_live:
            pane.post_message(TabPane.Finished(pane))
            return
        try:
            await pane.leave()
        except OmnyShellException as exc:
            self.notify(str(exc), title="Not detached", severity="error", markup=False)

    def action_kill(self) -> None:
        """End the session, after asking."""
        pane = self._active_terminal()
        if pane is None or not pane.is_live:
            return
        if pane.attachment.phase is Phase.WAITING:
            what = f"{one_line(pane.node_id)} is offline" if pane.attachment.waits_for_node else "The hub is lost"
            self.notify(f"{what}: the session can be ended when it is back", severity="warning", markup=False)
            return

        def decide(key: str) -> None:
            if key == "y":
                pane.attachment.kill()

        question = f"End '{pane.label}' with everything that runs in it?"
        self._strip.ask(Menu(question, [Choice("y", "End it"), Choice("n", "Leave it")], decide, is_question=True))

    def action_signal(self) -> None:
        """Choose a signal for the program."""
        pane = self._active_terminal()
        if pane is None or not pane.is_live:
            return
        names = {choice.key: f"SIG{choice.text}" for choice in SIGNALS}
        self._strip.ask(Menu("Send signal", SIGNALS, lambda key: pane.attachment.signal(names[key])))

    def _active_terminal(self) -> TerminalPane | None:
        pane = self._layout.active
        return pane if isinstance(pane, TerminalPane) else None


async def _detached(pane: TerminalPane) -> bool:
    try:
        await pane.leave()
    except OmnyShellException:
        return False
    return bool(pane.session_id)
