"""Waiting for a record of one's own to be read: each wait ends with its record, not with every one that comes."""

import asyncio
from contextlib import suppress


class ReadRecords:
    """Who waits for which number of a stream. Tell it with each record that was `read`."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], int] = {}

    def read(self, seq: int) -> None:
        """All up to that number were read."""
        for waiting in [each for each, wanted in self._waiting.items() if wanted <= seq]:
            del self._waiting[waiting]
            if not waiting.done():
                waiting.set_result(None)

    async def reach(self, seq: int, within: float) -> None:
        """Wait until a record is read that was not yet, so many seconds at most."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[waiting] = seq
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await waiting
        finally:
            self._waiting.pop(waiting, None)
