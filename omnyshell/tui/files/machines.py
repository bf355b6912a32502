"""Sessions that lead to nodes' files, each shared by all who work with them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from omnyshell.extras import require
from omnyshell.services.client.files.link import open_link
from omnyshell.services.client.files.ports import Files
from omnyshell.tui.hub_link import HubLink


class _Closable(Files, Protocol):
    """Files that somebody has to close."""

    async def close(self) -> None:
        """End the session."""


@dataclass(slots=True)
class _Shared:
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    files: _Closable | None = None
    users: int = 0


class NodeFiles:
    """Opens a node's files when somebody works with them, and closes them when nobody does any more."""

    def __init__(self, hub: HubLink, tell: Callable[[str], None]) -> None:
        """`tell` is told of sessions that are lost, and go on."""
        self._hub = hub
        self.tell = tell
        self._shared: dict[str, _Shared] = {}

    @asynccontextmanager
    async def of(self, place: str) -> AsyncIterator[Files]:
        """Lend the files of `NODE`, or of `USER@NODE`. Raises as `open_link` does."""
        shared = self._shared.setdefault(place, _Shared())
        shared.users += 1
        try:
            yield await self._opened(place, shared)
        finally:
            shared.users -= 1
            if not shared.users and self._shared.get(place) is shared:
                del self._shared[place]
                if shared.files is not None:
                    await shared.files.close()

    async def _opened(self, place: str, shared: _Shared) -> Files:
        async with shared.opening:
            if shared.files is None:
                require("files")
                # Loaded with the first session: the console's start needs none of it.
                from omnyshell.services.client.files.remote import RemoteFiles

                user, _, node_id = place.rpartition("@")
                opener = partial(open_link, self._hub.client, node_id, user, self.tell)
                shared.files = await RemoteFiles(node_id, opener, self.tell).__aenter__()
            return shared.files
