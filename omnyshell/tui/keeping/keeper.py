"""Keeps a layout of panes in its file, and tells what was kept at the start."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from omnyshell.errors import ConfigException
from omnyshell.model.grammars import SESSION_ID
from omnyshell.tui.keeping.file import LayoutFile, layout_file
from omnyshell.tui.keeping.form import LONGEST_NAME, VERSION, Kept, KeptPane, KeptTab, decode, encode, kept_tree
from omnyshell.tui.previews.watch import WatchPane
from omnyshell.tui.terminal.layout import Layout, Tab
from omnyshell.tui.terminal.pane import TerminalPane
from omnyshell.tui.terminal.tab import TabPane, one_line

logger = logging.getLogger("omnyshell.console")


class Keeper:
    """`begin` once, then `keep` whatever changes; nothing is written before what was kept is shown again.

    Of several consoles for one hub and principal the first has the file; another takes it once that one has ended.
    """

    def __init__(self, hub: str, principal: str) -> None:
        self._hub = hub
        self._principal = principal
        self._file = LayoutFile(layout_file(hub, principal))
        self._kept: Kept | None = None
        self._is_following = False
        self._writing = asyncio.Lock()
        self._last: Kept | None = None

    async def begin(self) -> Kept | None:
        """Return what was kept, for `shown_again`; None for nothing.

        Raises `ConfigException` for a file that cannot be used, which the next change replaces where it can.
        """
        try:
            self._kept = await asyncio.to_thread(self._read)
        finally:
            self._is_following = self._kept is None
        return self._kept

    async def forget(self) -> None:
        """Forget what was kept, and keep nothing. Raises `ConfigException`."""
        await asyncio.to_thread(self._file.forget)
        self._file.close()

    def _read(self) -> Kept | None:
        if not self._file.take():
            return None
        data = self._file.read()
        try:
            kept = decode(data, self._hub, self._principal) if data is not None else None
        except ConfigException as exc:
            raise ConfigException(f"{self._file.path}: {exc}") from exc
        return kept if kept is not None and kept.tabs else None

    def take(self) -> Kept | None:
        """Return what was kept, once; None where nothing waits to be shown again."""
        kept, self._kept = self._kept, None
        return kept

    def follow(self) -> None:
        """Keep what is shown from now on."""
        self._is_following = True

    async def keep(self, layout: Layout[TabPane], *, in_front: bool) -> None:
        """Write the layout, if it has changed in more than what its programs call themselves."""
        known = self._of(layout, in_front=in_front, named=False)
        if self._is_following and known != self._last:
            self._last, kept = known, self._of(layout, in_front=in_front)
            async with self._writing:
                await asyncio.to_thread(self._write, kept)

    def close(self, layout: Layout[TabPane], *, in_front: bool) -> None:
        """Write the layout for the last time, and leave the file to others. Idempotent."""
        if self._is_following:
            self._is_following = False
            self._write(self._of(layout, in_front=in_front))
        self._file.close()

    def _write(self, kept: Kept) -> None:
        try:
            self._file.write(encode(kept))
        except ConfigException as exc:
            logger.warning("tabs and panes are not kept: %s", exc)

    def _of(self, layout: Layout[TabPane], *, in_front: bool, named: bool = True) -> Kept:
        found = [(tab, kept) for tab in layout.tabs if (kept := _tab(tab, partial(_pane, named=named))) is not None]
        shown = next((number for number, (tab, _) in enumerate(found) if tab is layout.tab), 0)
        tabs = tuple(kept for _, kept in found)
        return Kept(VERSION, self._hub, self._principal, tabs, shown, in_front)


def _tab(tab: Tab[TabPane], describe: Callable[[TabPane], KeptPane | None]) -> KeptTab | None:
    tree = kept_tree(tab.tree, describe)
    if tree is None:
        return None
    panes = [pane for pane in tab.panes if describe(pane) is not None]
    active = panes.index(tab.active) if tab.active in panes else 0
    return KeptTab(tree, active, tab.name[:LONGEST_NAME], tab.zoomed)


def _pane(pane: TabPane, *, named: bool) -> KeptPane | None:
    """Return what is kept of a pane; None for one that has no session of the user's that goes on."""
    ref = pane.ref if isinstance(pane, TerminalPane | WatchPane) else None
    if ref is None or ref.owner or not SESSION_ID.fits(ref.session_id):
        return None
    name, user = one_line(pane.what) if named else "", pane.user if isinstance(pane, TerminalPane) else ""
    return KeptPane(ref.node_id, ref.session_id, name, isinstance(pane, WatchPane), user)
