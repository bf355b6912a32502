"""Previews of all detached sessions, over all nodes."""

import asyncio
import math
from contextlib import suppress
from typing import ClassVar, Final

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Static

from omnyshell.clock import Clock
from omnyshell.errors import OmnyShellException
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.everywhere import sessions_everywhere
from omnyshell.tui import messages
from omnyshell.tui.advice import advice
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.judged import Judged
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.needs import need_of, takes_row
from omnyshell.tui.previews.tile import WallTile
from omnyshell.tui.rights import why_not
from omnyshell.tui.tasks import start_task
from omnyshell.tui.widgets.footer import KeyFooter

LISTING: Final = 3.0
"""Seconds between two listings of the detached sessions."""

REFRESH: Final = 1.5
"""Seconds between two looks at each session on screen."""

_CELL_WIDTH: Final = 48
_CELL_HEIGHT: Final = 13
_MOST_CELLS: Final = 24


async def detached_sessions(client: OmnyShellClient) -> list[DetachedSessionInfo]:
    """Return one's detached sessions on all nodes, sorted. A node that does not answer is left out."""
    found = await sessions_everywhere(client)
    return [info for info in found.sessions if info.state is SessionState.DETACHED]


class WallScreen(Judged, Screen[None]):
    """A page of previews, as many as fit; only what is seen is fetched."""

    DEFAULT_CSS = """
    WallScreen #page { layout: grid; width: 100%; height: 1fr; grid-gutter: 0 1; }
    WallScreen #words { width: 100%; height: 1; padding: 0 1; background: $panel; color: $bar-text; }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.WALL)

    def __init__(self, context: ConsoleContext, clock: Clock) -> None:
        super().__init__()
        self._port = context
        self._clock = clock
        self._sessions: list[SessionRef] = []
        self._infos: dict[SessionRef, DetachedSessionInfo] = {}
        self._selected = 0
        self._columns = self._rows = 1
        self._page = Container(id="page")
        self._words = Static(id="words", markup=False)
        self._cells: list[WallTile] = []
        self._due = asyncio.Event()
        self._problem = ""
        self._is_listed = False

    def compose(self) -> ComposeResult:
        """Say above the previews how many there are."""
        yield self._words
        yield self._page
        yield KeyFooter()

    judged_context = Context.WALL

    def refusal(self, action: str) -> str:
        """Return why an action is refused for the selected session, or that there is none."""
        if self.selected is None and takes_row(Context.WALL, action):
            return self._summary(0, 0).plain
        return why_not(need_of(Context.WALL, action), self.selected, self._port.hub.state)

    @property
    def selected(self) -> SessionRef | None:
        """The session that keys act on."""
        return self._sessions[self._selected] if self._sessions else None

    def on_mount(self) -> None:
        """Begin to list."""
        start_task(self, self._list_regularly(), "Listing sessions")

    def on_screen_resume(self) -> None:
        """List at once."""
        self._due.set()

    async def _list_regularly(self) -> None:
        while True:
            if self.is_current:
                await self._list()
            self._due.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTING):
                    await self._due.wait()

    async def _list(self) -> None:
        try:
            found = await detached_sessions(self._port.client)
        except OmnyShellException as exc:
            self._problem = advice(exc)
        else:
            self._problem, self._is_listed = "", True
            self._take(found)
        self._arrange()

    def _take(self, found: list[DetachedSessionInfo]) -> None:
        kept = self.selected
        self._infos = {SessionRef(info.node_id, info.session_id): info for info in found}
        self._sessions = list(self._infos)
        if kept in self._infos:
            self._selected = self._sessions.index(kept)
        self._selected = max(0, min(self._selected, len(self._sessions) - 1))

    def on_resize(self, _event: events.Resize) -> None:
        """Fit as many as there is room for."""
        self._arrange()

    def _arrange(self) -> None:
        """Show the page that the selected session is on."""
        if not self.is_mounted:
            return
        self._measure()
        size = self._columns * self._rows
        first = self._selected // size * size
        page = self._sessions[first : first + size]
        self._fit_cells(len(page))
        for at, (cell, ref) in enumerate(zip(self._cells, page, strict=True)):
            cell.show_session(ref)
            cell.describe(self._infos[ref], self._clock.now())
            cell.set_class(first + at == self._selected, "-selected")
        self._words.update(self._summary(first, len(page)))
        self.judge()

    def _measure(self) -> None:
        width, height = self.size.width, max(1, self.size.height - 2)
        count = max(1, len(self._sessions))
        self._columns = max(1, min(width // _CELL_WIDTH, math.ceil(math.sqrt(count))))
        wanted = math.ceil(count / self._columns)
        self._rows = max(1, min(height // _CELL_HEIGHT, wanted, _MOST_CELLS // self._columns))

    def _fit_cells(self, count: int) -> None:
        while len(self._cells) > count:
            self._cells.pop().remove()
        new = [WallTile(self._port, refresh=REFRESH) for _ in range(count - len(self._cells))]
        self._cells += new
        if new:
            self._page.mount(*new)
        styles = self._page.styles
        styles.grid_size_columns, styles.grid_size_rows = self._columns, self._rows

    def _summary(self, first: int, shown: int) -> Text:
        count = len(self._sessions)
        if self._problem:
            return Text(f"As last known: {self._problem}")
        if not self._is_listed:
            return Text("Looking for detached sessions ...")
        if not count:
            return Text("No detached session. Detach one, and it shows here.")
        page = f", {first + 1} to {first + shown} on this page" if shown < count else ""
        return Text(f"{count} detached session{'s' if count > 1 else ''}{page}")

    def action_go(self, across: int, down: int) -> None:
        """Select a neighbour."""
        self._select(self._selected + across + down * self._columns)

    def action_turn(self, pages: int) -> None:
        """Go to another page."""
        self._select(self._selected + pages * self._columns * self._rows)

    def _select(self, number: int) -> None:
        if self._sessions:
            self._selected = max(0, min(number, len(self._sessions) - 1))
            self._arrange()

    def action_attach(self) -> None:
        """Attach the selected session."""
        if self.selected is not None:
            self.post_message(messages.AttachSession(self.selected))

    def action_watch(self) -> None:
        """Watch the selected session."""
        if self.selected is not None:
            self.post_message(messages.WatchSession(self.selected))

    def action_copy(self) -> None:
        """Copy the id of the selected session, or of its node."""
        if self.selected is not None:
            fields = (("SESSION", self.selected.session_id), ("NODE", self.selected.node_id))
            self.post_message(messages.CopyField(fields))

    def action_kill(self) -> None:
        """End the selected session, after asking."""
        if self.selected is not None:
            self.post_message(messages.KillSessions((self.selected,)))

    def action_back(self) -> None:
        """Go back to where one came from."""
        self.post_message(messages.GoBack())

    def on_click(self, event: events.Click) -> None:
        """Select what was clicked; a second click attaches it."""
        for at, cell in enumerate(self._cells):
            if event.widget is not None and cell in event.widget.ancestors_with_self:
                size = self._columns * self._rows
                self._select(self._selected // size * size + at)
                if event.chain == 2 and not self.refusal("attach"):
                    self.action_attach()
