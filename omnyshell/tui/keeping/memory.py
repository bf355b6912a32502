"""Tabs and panes over the end of the console: what was left is shown again, what changes is kept."""

import asyncio

from textual.timer import Timer

from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.keeping.form import Kept
from omnyshell.tui.keeping.keeper import Keeper
from omnyshell.tui.keeping.restoring import Makers, restored, take_up, words_for
from omnyshell.tui.tasks import start_task
from omnyshell.tui.terminal.deck import Deck
from omnyshell.tui.terminal.layout import Layout
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.tab import TabPane

KEPT_AFTER = 0.5
"""Seconds from a change of tabs or panes until it is written."""

LOOKING = "Looking for the terminals of last time..."


class Memory:
    """What a console's terminals remember for one hub and principal, `whose` names: see `Keeper`."""

    def __init__(
        self,
        context: ConsoleContext,
        layout: Layout[TabPane],
        deck: Deck,
        makers: Makers,
        whose: tuple[str, str],
    ) -> None:
        self._port = context
        self._layout = layout
        self._deck = deck
        self._makers = makers
        self._keeper = Keeper(*whose)
        self._saving: Timer | None = None
        self._is_closed = False
        self._is_shown = asyncio.Event()
        self._is_shown.set()

    async def begin(self, *, is_wanted: bool) -> Kept | None:
        """Return what was kept, for `show`; where that is not wanted, forget it. Raises `ConfigException`."""
        return await (self._keeper.begin() if is_wanted else self._keeper.forget())

    # What was kept

    def show(self) -> None:
        """Make the panes again, once, now that they are looked at."""
        kept = self._keeper.take()
        if kept is not None:
            self._is_shown.clear()
            start_task(self._deck, self._show(kept), "Taking up the terminals")

    async def shown(self) -> bool:
        """Wait for the panes that are being made again, whether they come or not; return whether there were any."""
        comes = not self._is_shown.is_set()
        await self._is_shown.wait()
        return comes

    async def _show(self, kept: Kept) -> None:
        try:
            await self._put(kept)
        finally:
            self._is_shown.set()

    async def _put(self, kept: Kept) -> None:
        self._deck.say(LOOKING)
        here = {pane.ref for pane in self._terminals() if pane.ref is not None}
        found = await restored(self._port.client, kept, self._makers, here)
        self._layout.put_first(found.tabs, found.shown)
        await self._deck.mount_all(pane for tab in found.tabs for pane in tab.panes)
        self._keeper.follow()
        self._deck.say("")
        self._deck.changed()
        if found.gone:
            self._deck.notify(words_for(found.gone), markup=False)
        # Those on screen come first: they open as they get their places.
        self._deck.call_after_refresh(self._open_hidden)

    def _open_hidden(self) -> None:
        """Open the panes of tabs that are not shown, with the size that they will have."""
        for tab in self._layout.tabs:
            places = self._layout.places_of(tab)
            for pane, (_, _, width, height) in places.items():
                if isinstance(pane, TerminalPane) and not pane.has_begun:
                    pane.resized(width, height - (len(places) > 1))

    def _terminals(self) -> list[TerminalPane]:
        return [pane for pane in self._layout.panes if isinstance(pane, TerminalPane)]

    def nodes_changed(self) -> None:
        """Take up what waits for a node that is back."""
        nodes = self._port.hub.state.nodes
        online = {node.node_id for node in nodes.values() if node.is_online}
        back = [pane for pane in self._terminals() if pane.is_away and pane.node_id in online]
        if back:
            start_task(self._deck, take_up(self._port.client, back), "Taking up sessions", group="taking up")

    # What is kept

    def note(self) -> None:
        """Keep the layout soon."""
        if self._saving is None and not self._is_closed:
            self._saving = self._deck.set_timer(KEPT_AFTER, self._save)

    async def _save(self) -> None:
        self._saving = None
        if not self._is_closed:
            await self._keeper.keep(self._layout, in_front=self._deck.screen.is_current)

    def close(self) -> None:
        """Keep the layout for the last time, and leave the file to others. Idempotent."""
        self._is_closed = True
        in_front = self._deck.is_attached and self._deck.screen.is_current
        self._keeper.close(self._layout, in_front=in_front)
