"""The lines above a session's screen, for printing."""

import os
from typing import TYPE_CHECKING

from omnyshell.cli.ground.output import complain
from omnyshell.errors import OmnyShellException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.terminal.painting.lines import drawn, newest_lines
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.text.terminals import widths_here

if TYPE_CHECKING:
    from omnyshell.cli.sessions.finding import Place


async def lines_above(
    client: OmnyShellClient, place: "Place", *, end: int | None, count: int, columns: int
) -> list[Row]:
    """Return up to `count` of the lines above a session's screen, wrapped at `columns`.

    Where they cannot be had, the user is told why, and there are none.
    """
    if end is None:
        complain(f"'{place.node}' keeps no lines above the screen")
        return []
    try:
        # Drawn first, so that whatever the node sent, nothing but lines reaches the user's terminal.
        theirs = client.sessions_of(place.node, place.owner)
        parts = [list(drawn(part, columns)) async for part in theirs.history(place.ref, end, count)]
    except OmnyShellException as exc:
        complain(f"the lines above the screen cannot be had: {exc}")
        return []
    return [row for part in reversed(parts) for row in part][-count:]


def scrolled_out(rows: list[Row], screen_lines: int) -> bytes:
    """Return bytes that print rows on a terminal, and scroll its screen until they have left it."""
    if not rows:
        return b""
    lines, _ = newest_lines(rows, len(rows) * rows[0].width * 1024, widths_here(os.environ), to_edge=True)
    return b"\x1b[m" + lines + b"\n" * (screen_lines - 1)
