"""The present screen of a session, fetched at intervals, without attaching to it."""

import asyncio
import time
from typing import Final

from omnyshell.errors import OmnyShellException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.terminal import Emulator, Row
from omnyshell.terminal.following.follower import draw_for
from omnyshell.terminal.screen.grid import TAB_WIDTH
from omnyshell.tui.messages import SessionRef
from omnyshell.tui.terminal.counting import WIDTHS

MOST_COLUMNS: Final = 300
MOST_LINES: Final = 120
LARGEST: Final = 32 * MOST_COLUMNS * MOST_LINES
"""The largest snapshot in bytes: place, colours and character of each cell. A larger one cannot be a screen."""

MOST_SECONDS: Final = 0.5
"""The most seconds of work for a snapshot."""

REST: Final = 0.004
"""Seconds between slices of that work, for other tasks."""


class Snapshot:
    """A session's screen as last fetched. `screen` is replaced when it changes, and does not answer device queries.

    A snapshot does not contain the size of its terminal. As it places everything by row and column, it is painted on a
    large screen; `columns` and `lines` are the size that is used.
    """

    def __init__(self, ref: SessionRef) -> None:
        self.ref = ref
        self.screen = Emulator(MOST_COLUMNS, MOST_LINES, widths=WIDTHS)
        self.columns = self.lines = 0
        self.exit_code: int | None = None
        self.error = ""
        self.is_known = False
        self._etag = ""

    async def fetch(self, client: OmnyShellClient) -> bool:
        """Fetch the screen; return whether it has to be painted again. A failure is stored in `error`."""
        try:
            found = await client.peek(self.ref.node_id, self.ref.session_id, etag=self._etag)
        except OmnyShellException as exc:
            changed, self.error = self.error != str(exc), str(exc)
            return changed
        changed = bool(self.error) or found.exit_code != self.exit_code
        self.error, self.exit_code = "", found.exit_code
        if found.is_same:
            return changed
        self._etag = found.etag
        await self._show(found.data[:LARGEST])
        return True

    async def _show(self, data: bytes) -> None:
        screen = Emulator(MOST_COLUMNS, MOST_LINES, widths=WIDTHS)
        for _ in draw_for(screen, data, time.thread_time, MOST_SECONDS):
            await asyncio.sleep(REST)
        self.screen = screen
        self.is_known = True
        used = [_used(row) for row in screen.rows]
        self.lines = max([screen.cursor.y, *(y for y, count in enumerate(used) if count)]) + 1
        # The last tab stop of a terminal is in its last eight columns.
        stop = max(screen.tabstops, default=0)
        self.columns = min(MOST_COLUMNS, max(screen.cursor.x, stop + TAB_WIDTH, *used))


def _used(row: Row) -> int:
    """Return the columns up to the last that is not blank."""
    return next((column + 1 for column in range(row.width - 1, -1, -1) if row.cells[column] != " "), 0)
