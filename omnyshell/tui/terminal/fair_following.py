"""Shares time between terminals with output to emulate."""

import asyncio
from collections.abc import Callable

from omnyshell.terminal.following.follower import SLICE_SECONDS, Follower


class FairFollowing:
    """One slice of one terminal's output at a time, with a turn of the loop between them.

    So a key waits for at most one slice, however many terminals flood.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._users = 0

    async def follow(self, follower: Follower, after_slice: Callable[[], None]) -> None:
        """Emulate all queued output in slices; call `after_slice` after each."""
        more = True
        self._users += 1
        try:
            while more:
                async with self._lock:
                    more = follower.work(SLICE_SECONDS)
                    after_slice()
                    if more or self._users > 1:
                        await asyncio.sleep(0)
        finally:
            self._users -= 1
