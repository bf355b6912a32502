"""Time as hubs count it among each other."""

import asyncio
import time
from contextlib import suppress


def boot_clock() -> float:
    """Return seconds that go on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


async def set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, so many seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
