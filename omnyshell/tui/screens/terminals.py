"""The remote terminals, in tabs of panes."""

import asyncio
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from omnyshell.errors import OmnyShellException
from omnyshell.model.live import Part
from omnyshell.tui import messages
from omnyshell.tui.actions.live import detached_of
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.first_steps import towards_terminal
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.needs import need_of
from omnyshell.tui.previews.watch import WatchPane
from omnyshell.tui.rights import ref_of, why_not
from omnyshell.tui.tasks import refuse, start_task
from omnyshell.tui.terminal import ending, signs
from omnyshell.tui.terminal.attachment import Phase
from omnyshell.tui.terminal.bringing import offers
from omnyshell.tui.terminal.commands import LEADING, SIGNALS, command_of, leader_choices, leader_name
from omnyshell.tui.terminal.deck import Deck
from omnyshell.tui.terminal.fair_following import FairFollowing
from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.prompt import LineInput, Menu, Repeated, Strip
from omnyshell.tui.terminal.splits import Axis, Direction
from omnyshell.tui.terminal.tab import TabPane
from omnyshell.tui.terminal.tabs import TabBar

if TYPE_CHECKING:
    from omnyshell.tui.keeping.form import Kept
    from omnyshell.tui.keeping.memory import Memory

REPEATED = 2.0
"""Seconds after a key that moves a border in which another one needs no leader."""

NO_ROOM = "There is no room for another pane here"


class TerminalsScreen(Judged, Screen[None]):
    """Holds all sessions that are attached or watched in this console."""

    DEFAULT_CSS = """
    TerminalsScreen { layers: base above; }
    """
    AUTO_FOCUS = ""
    AFTER_LEADER = LEADING
    """Keys that have an effect after the leader alone."""

    def __init__(self, context: ConsoleContext) -> None:
        super().__init__()
        self._port = context
        self._layout: Layout[TabPane] = Layout()
        self._following = FairFollowing()
        self._strip = Strip()
        self._bar = TabBar()
        self._deck = Deck(self._layout, self._arrange, lambda: towards_terminal(context.hub.state))
        self._memory: Memory | None = None
        self._early: list[TabPane] = []
        self._doing: asyncio.Event | None = None
        """Set when the last command is done; None where keys do not wait for it any more."""

        self._is_ending = False

    def compose(self) -> ComposeResult:
        """Lay out tabs, terminals and the strip over them."""
        yield self._bar
        yield self._deck
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

    def open_shell(self, node_id: str, user: str = "") -> TerminalPane:
        """Open a login shell on a node in a new tab, as a user of the node's machine if one is named."""
        return self.open(OpenSpec(node_id=node_id, user=user))

    def open(self, spec: OpenSpec) -> TerminalPane:
        """Open a session in a new tab."""
        pane = self._new_pane(spec)
        self._layout.add(pane)
        self._mount(pane)
        return pane

    def _new_pane(self, spec: OpenSpec) -> TerminalPane:
        return TerminalPane(
            spec, self._port, self._following, strip=self._strip, lead=self._lead, fellows=self._fellows
        )

    def _new_watch(self, ref: SessionRef) -> WatchPane:
        return WatchPane(ref, self._port, strip=self._strip, lead=self._lead)

    def attach(self, node_id: str, ref: str, owner: str = "") -> TerminalPane:
        """Attach a session; if it is attached here already, show its tab."""
        for pane in self._terminals():
            is_held = pane.attachment.phase is Phase.HELD
            if (pane.is_live or is_held) and pane.has_session(node_id, ref):
                if is_held:
                    pane.restart()
                self._activate(pane)
                return pane
        return self.open(OpenSpec(node_id=node_id, session_ref=ref, owner=owner))

    def watch_session(self, node_id: str, ref: str, owner: str = "") -> WatchPane:
        """Watch a session without attaching to it."""
        pane = self._new_watch(SessionRef(node_id, ref, owner))
        self._layout.add(pane)
        self._mount(pane)
        return pane

    async def detach_all(self) -> int:
        """Detach all live sessions; return how many were detached. Others end with the connection."""
        self._is_ending = True
        if self._memory is not None:
            self._memory.close()
        results = await asyncio.gather(*map(_detached, self.live_terminals))
        return sum(results)

    async def remember(self, hub: str, principal: str, *, is_wanted: bool) -> "Kept | None":
        """Keep tabs and panes from now on; return what was kept before, which is shown with the screen.

        Where that is not wanted, forget it. Raises `ConfigException` where it cannot be read.
        """
        # Imported late: the overview needs nothing of it.
        from omnyshell.tui.keeping.memory import Memory
        from omnyshell.tui.keeping.restoring import Makers

        makers = Makers(self._new_pane, self._new_watch)
        self._memory = Memory(self._port, self._layout, self._deck, makers, (hub, principal))
        return await self._memory.begin(is_wanted=is_wanted)

    # Tabs

    def _terminals(self) -> list[TerminalPane]:
        return [pane for pane in self._layout.panes if isinstance(pane, TerminalPane)]

    def _mount(self, pane: TabPane) -> None:
        if self.is_mounted:
            self._deck.mount(pane)
        else:
            self._early.append(pane)
        self._arrange()

    def on_mount(self) -> None:
        """Add the tabs that were opened before the screen existed."""
        self._deck.mount(*self._early)
        self._early.clear()
        self._unsubscribe = self._port.hub.state.subscribe(self._hub_changed)
        self._arrange()

    def on_unmount(self) -> None:
        """Follow the hub no more."""
        self._unsubscribe()

    def on_screen_resume(self) -> None:
        """Give the active terminal the focus again, and show what was kept for this start."""
        if self._memory is not None:
            self._memory.show()
        self._arrange()
        for pane in self._terminals():
            pane.terminal.has_keyboard(gained=pane.terminal.has_focus)

    async def arrive(self) -> bool:
        """Wait for what a command does, and for terminals that are taken up; return whether there was any of it."""
        done, self._doing = self._doing, None
        has_waited = done is not None and not done.is_set()
        if done is not None:
            await done.wait()
        return (self._memory is not None and self.is_current and await self._memory.shown()) or has_waited

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
        for pane in self._layout.panes:
            if pane in shown and self.is_current:
                pane.seen()
            else:
                pane.unseen()
        self._deck.show()
        self._show_tabs()
        if self._memory is not None:
            self._memory.note()
        if self._layout.active is not None:
            self.set_focus(self._layout.active.target)

    def _show_tabs(self) -> None:
        tab = self._layout.tab
        hint = signs.hint(tab, self._port.settings.leader)
        labels = [signs.label(known, is_active=known is tab) for known in self._layout.tabs]
        self._bar.show(labels, hint.text, loud=hint.is_loud)
        self._head()

    def _head(self) -> None:
        """Say above each pane on screen what it is."""
        tab = self._layout.tab
        if tab is not None:
            for pane, words in signs.headings(tab, len(tab.panes) - len(self._layout.shown)).items():
                pane.heading.tell(words)

    def _fellows(self, pane: TerminalPane) -> list[TerminalPane]:
        """The panes that get the same keys as this one."""
        tab = self._layout.tab_of(pane)
        return [other for other in signs.getting_keys(tab) if other is not pane] if tab is not None else []

    def _hub_changed(self, parts: frozenset[Part]) -> None:
        """Follow what runs in the panes, and take up what waits for a node that is back."""
        if Part.SESSIONS in parts and self.is_current:
            self._show_tabs()
        if not self._layout.tabs:
            self._deck.show()
        if Part.NODES in parts and self._memory is not None:
            self._memory.nodes_changed()

    def on_tab_pane_changed(self, event: TabPane.Changed) -> None:
        """Show the new name or mark."""
        event.stop()
        self._show_tabs()
        if self._memory is not None:
            self._memory.note()

    async def on_tab_pane_finished(self, event: TabPane.Finished) -> None:
        """Close a tab; without any, go back to where one came from."""
        event.stop()
        if event.pane not in self._layout.panes:
            return
        self._layout.remove(event.pane)
        await event.pane.remove()
        self._arrange()
        if not self._layout.tabs and self.is_current and not self._is_ending:
            self.post_message(messages.GoBack())

    def on_tab_bar_clicked(self, event: TabBar.Clicked) -> None:
        """Go to the tab."""
        event.stop()
        self._activate(self._layout.tabs[event.number].active)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Make a terminal active that got the focus by a click."""
        for pane in self._layout.shown:
            # Where another one got the keyboard meanwhile, it keeps it.
            if pane is not self._layout.active and pane.target is event.widget is self.focused:
                self._activate(pane)
                return

    def on_key(self, event: events.Key) -> None:
        """Give the active pane a key that found no widget, as one that is hidden loses the keyboard."""
        active = self._layout.active
        if self.focused is None and active is not None:
            event.stop()
            self.set_focus(active.target)
            active.target.post_message(event)

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
                pane.key_typed(key, None)
            return
        found = command_of(key)
        if found is not None and not self._is_refused(found.action):
            self._doing = asyncio.Event()
            start_task(self, self._run(found.action, self._doing), found.text)

    async def _run(self, action: str, done: asyncio.Event) -> None:
        """Run what moves panes on the deck, and the rest here."""
        name = action.partition("(")[0]
        try:
            await (self._deck if hasattr(self._deck, f"action_{name}") else self).run_action(action)
        finally:
            done.set()

    judged_context = Context.TERMINAL

    def refusal(self, action: str) -> str:
        """Return why the user may not do something with the active pane's session, or on its node."""
        pane, need = self._layout.active, need_of(Context.TERMINAL, action) or need_of(Context.PANES, action)
        return why_not(need, pane.subject, self._port.hub.state) if pane is not None else ""

    def _is_refused(self, action: str) -> bool:
        """Whether the user may not do it; says why."""
        why = self.refusal(action)
        if why:
            refuse(self, why)
        return bool(why)

    def action_next(self) -> None:
        """Go to the next tab."""
        self._layout.go(1)
        self._arrange()

    def action_previous(self) -> None:
        """Go to the tab before."""
        self._layout.go(-1)
        self._arrange()

    def action_go_to_tab(self, number: int) -> None:
        """Go to the tab with this number from 1 on, or to the last one where there are fewer than ten, for 10."""
        tabs = self._layout.tabs
        if number == 10:
            number = min(10, len(tabs))
        if 1 <= number <= len(tabs):
            self._activate(tabs[number - 1].active)
        else:
            self.notify(f"There are {len(tabs)} tabs" if len(tabs) != 1 else "There is 1 tab")

    def action_overview(self) -> None:
        """Go to the overview."""
        self.post_message(messages.ShowOverview())

    def action_split(self, axis: str) -> None:
        """Open another shell beside the active pane, or below it: on its node, as its user, and in its directory."""
        active = self._layout.active
        if active is not None:
            spec = active.another() if isinstance(active, TerminalPane) else OpenSpec(node_id=active.node_id)
            self._place(self._new_pane(spec), Axis(axis))

    def _place(self, pane: TabPane, axis: Axis | None = None) -> None:
        if self._layout.split(pane, axis):
            self._mount(pane)
        else:
            self.notify(NO_ROOM, severity="warning")

    def action_bring(self) -> None:
        """Choose a pane of another tab, or a detached session, for this tab."""
        offered = offers(self._layout, detached_of(self._port.hub))

        def bring(key: str) -> None:
            brings = offered[key].brings
            if isinstance(brings, TabPane):
                self._bring(brings)
            else:
                ref = ref_of(brings, self._port.hub.state)
                spec = OpenSpec(node_id=ref.node_id, session_ref=ref.session_id, owner=ref.owner)
                self._place(self._new_pane(spec))

        if offered:
            self._strip.ask(Menu("Bring here", [offer.choice for offer in offered.values()], bring))
        else:
            self.notify("There is no other terminal, and no detached session", severity="warning")

    def _bring(self, pane: TabPane) -> None:
        if pane in self._layout.panes and not self._layout.bring(pane):
            self.notify(NO_ROOM, severity="warning")
        self._arrange()

    def action_up_or_kill(self) -> None:
        """Go to the pane above; in a tab with one pane, end the session, as before there were panes."""
        if self._layout.tab is not None and len(self._layout.tab.panes) > 1:
            self._deck.action_focus(Direction.UP)
        else:
            self.action_kill()

    def action_resize(self, direction: str) -> None:
        """Move a border of the pane, and take more such keys for a while."""
        if not self._layout.resize(Direction(direction), 1):
            return
        self._arrange()
        title = "Moving the border: arrows or HJKL move it on, esc ends"
        self._strip.ask(Repeated(title, _MOVING, lambda key: self.action_resize(_MOVING[key])), REPEATED)

    def action_all_keys(self) -> None:
        """Send keys and pastes to all panes of the tab, or to the active one alone again."""
        if not self._layout.all_keys():
            self.notify("There is no other pane in this tab", severity="warning")
        self._arrange()

    def action_new_shell(self) -> None:
        """Open another shell on the same node, as the same user."""
        active = self._layout.active
        if active is not None:
            self.open_shell(active.node_id, active.user if isinstance(active, TerminalPane) else "")

    def action_help(self) -> None:
        """Show the help."""
        self.app.call_later(self.app.run_action, "show_help")

    def action_command_line(self) -> None:
        """Open the `:` line."""
        self.app.call_later(self.app.run_action, "command_line")

    def action_rename(self) -> None:
        """Give the tab a name."""
        tab = self._layout.tab
        if tab is None:
            return

        def rename(name: str) -> None:
            tab.name = name.strip()
            self._show_tabs()
            if self._memory is not None:
                self._memory.note()

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
        if pane is None or not pane.is_live or self._is_refused("kill"):
            return
        why = ending.why_not_now(pane)
        if why:
            self.notify(why, severity="warning", markup=False)
            return

        def end() -> None:
            start_task(self, ending.end(pane, self._port), "Ending a session")

        self._strip.ask(ending.question_about(pane, self._layout.tab, end))

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


_MOVING = {
    key: way.value
    for way, letter in zip(Direction, "HLKJ", strict=True)
    for key in (letter, way.value, f"ctrl+{way.value}")
}


async def _detached(pane: TerminalPane) -> bool:
    try:
        await pane.leave()
    except OmnyShellException:
        return False
    return bool(pane.session_id)
