"""The present screen of a session, fetched at intervals, without attaching to it."""

import asyncio
import time
from typing import Final

from omnyshell.errors import AuthorizationException, OmnyShellException, SessionRejectedException
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

LONGEST_PAUSE: Final = 30.0
"""Seconds until a session is asked for again that was refused; each pause is twice as long as the one before."""


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
        self.refusal: OmnyShellException | None = None
        """Why the hub, or the node, does not show the session: not for lack of a connection or of time."""

        self.is_known = False
        self._etag = ""
        self._pause = 1.0
        self._again_at = 0.0

    async def fetch(self, client: OmnyShellClient) -> bool:
        """Fetch the screen; return whether it has to be painted again. A failure is stored in `error`.

        Who may not look does not ask again, and what cannot be seen is asked for less and less often.
        """
        if isinstance(self.refusal, AuthorizationException) or time.monotonic() < self._again_at:
            return False
        try:
            found = await client.sessions_of(self.ref.node_id, self.ref.owner).peek(self.ref.session_id, self._etag)
        except OmnyShellException as exc:
            return self._failed(exc)
        self.refusal, self._pause = None, 1.0
        changed = bool(self.error) or found.exit_code != self.exit_code
        self.error, self.exit_code = "", found.exit_code
        if found.is_same:
            return changed
        self._etag = found.etag
        await self._show(found.data[:LARGEST])
        return True

    def _failed(self, error: OmnyShellException) -> bool:
        changed, self.error = self.error != str(error), str(error)
        if isinstance(error, AuthorizationException | SessionRejectedException):
            self.refusal = error
            self._again_at = time.monotonic() + self._pause
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        return changed

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
