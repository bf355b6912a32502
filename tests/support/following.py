"""Our own client's view of a hub, as a test waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from support.deadline import DEADLINE
from support.stack import Certificates, access

from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState


@asynccontextmanager
async def following(
    certificates: Certificates, port: int, principal: str = "admin", **settings: Any
) -> AsyncIterator[HubState]:
    """A state that a feed fills."""
    state = HubState()
    feed = LiveFeed(settings.pop("access", access(certificates, port, principal)), state, **settings)
    running = asyncio.create_task(feed.run())
    try:
        await asyncio.wait_for(feed.complete.wait(), DEADLINE)
        yield state
    finally:
        await feed.aclose()
        await asyncio.gather(running, return_exceptions=True)


async def sees(state: HubState, condition: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """Wait until the state is so."""
    changed = asyncio.Event()
    end = state.subscribe(lambda _parts: changed.set())
    try:
        async with asyncio.timeout(seconds):
            while not (found := condition()):
                changed.clear()
                await changed.wait()
            return found
    finally:
        end()
