"""Lines above a session's screen that its node keeps: put above the terminal's own, while the session goes on."""

from collections.abc import Callable

from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.session import RemoteSession
from omnyshell.terminal import Emulator
from omnyshell.terminal.painting.lines import drawn


async def fetch_above(
    client: OmnyShellClient, session: RemoteSession, screen: Emulator, end: int, changed: Callable[[], None]
) -> None:
    """Fetch lines from the newest to the oldest, and call `changed` after each part of them.

    It ends when the scrollback is full, or the program or the user has cleared it meanwhile. Raises as
    `OmnyShellClient.history`.
    """
    scrollback = screen.scrollback
    cleared = scrollback.cleared
    theirs = client.sessions_of(session.node_id, session.owner)
    async for part in theirs.history(session.id, end, scrollback.limit - len(scrollback)):
        if scrollback.cleared != cleared or not scrollback.prepend(drawn(part, screen.columns).pages()):
            return
        changed()
