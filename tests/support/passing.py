"""Time that passes because a test says so, so that no limit is as short as a moment in which a machine does nothing."""

import asyncio


async def passes(seconds: float) -> None:
    """Have so many seconds pass for all that runs in this loop, where it goes by the loop's time."""
    loop = asyncio.get_running_loop()
    # What has come by now has begun to wait.
    await asyncio.sleep(0)
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
