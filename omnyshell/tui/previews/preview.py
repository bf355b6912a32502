"""A session's screen in a part of the window."""

import asyncio
from contextlib import suppress
from typing import Final

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import Static

from omnyshell.errors import OmnyShellException
from omnyshell.ids import short_id
from omnyshell.model.sessions import describe_exit
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.terminal import Emulator
from omnyshell.tui.context import ConsoleContext
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.previews.snapshots import Snapshot
from omnyshell.tui.tasks import start_task
from omnyshell.tui.terminal.tab import one_line
from omnyshell.tui.terminal.view import TerminalView

REFRESH: Final = 1.0
"""Seconds between two requests for a screen; an unchanged one costs a message each way."""


class Preview(Container):
    """Shows a session's present screen without attaching to it, for as long as the widget is on screen.

    The client is taken from `context` at each request, as the hub may be another one later.
    """

    DEFAULT_CSS = """
    Preview { height: 1fr; width: 1fr; background: $background; }
    Preview > Static { height: 1; width: 100%; background: $panel; color: $bar-text; padding: 0 1; }
    Preview.-selected > Static { background: $primary; color: $on-primary; text-style: bold; }
    """

    def __init__(self, context: ConsoleContext, *, refresh: float = REFRESH) -> None:
        super().__init__()
        self._port = context
        self._interval = refresh
        self._due = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._refusal = ""
        self._view = TerminalView(Emulator(1, 1))
        self._title = Static(markup=False)

    @property
    def ref(self) -> SessionRef | None:
        """The session that is shown."""
        return self._snapshot.ref if self._snapshot is not None else None

    @property
    def screen_shown(self) -> Emulator | None:
        """The screen that is painted, None while it is not known."""
        known = self._snapshot is not None and self._snapshot.is_known
        return self._snapshot.screen if known and self._snapshot is not None else None

    def compose(self) -> ComposeResult:
        """Name the session above its screen."""
        yield self._title
        yield self._view

    def show_session(self, ref: SessionRef | None, refusal: str = "") -> None:
        """Show another session; None for none, and `refusal` if it may not be shown: why."""
        if (ref, refusal) == (self.ref, self._refusal):
            return
        self._snapshot = Snapshot(ref) if ref is not None else None
        self._refusal = refusal
        self._view.show_emulator(Emulator(1, 1))
        self.tell()
        self._due.set()

    def on_mount(self) -> None:
        """Begin."""
        self.tell()
        start_task(self, self._look_regularly(), "Looking at a session")

    def on_show(self) -> None:
        """Request the screen at once when the widget becomes visible."""
        self._due.set()

    async def _look_regularly(self) -> None:
        while True:
            # Invisible previews are not fetched.
            if self._snapshot is not None and self.is_on_screen and self.screen.is_current:
                await self._look(self._snapshot)
            self._due.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._due.wait()

    async def _look(self, snapshot: Snapshot) -> None:
        client = self._client()
        if client is not None and await snapshot.fetch(client) and snapshot is self._snapshot:
            if self._view.emulator is not snapshot.screen:
                self._view.show_emulator(snapshot.screen)
            self.tell()

    def _client(self) -> OmnyShellClient | None:
        try:
            client = self._port.client
        except OmnyShellException:
            return None
        return client if client.is_connected else None

    def tell(self) -> None:
        """Say which session it is, and what there is to say of its screen."""
        ref = self.ref
        if ref is None:
            self._title.update(self._refusal or "No session selected")
            return
        parts = [ref.node_id, short_id(ref.session_id), self.condition() or self.title()]
        self._title.update(Text(one_line("  ".join(filter(None, parts)), 200)))

    def condition(self) -> str:
        """Why there is no screen, or no more than the last one; "" where nothing is out of the ordinary."""
        snapshot = self._snapshot
        if snapshot is None:
            return ""
        if snapshot.error:
            return f"not available: {snapshot.error}"
        if snapshot.exit_code is not None:
            return describe_exit(snapshot.exit_code)
        return "" if snapshot.is_known else "..."

    def title(self) -> str:
        """The title that the program has set."""
        return one_line(self.screen_shown.title) if self.screen_shown is not None else ""
