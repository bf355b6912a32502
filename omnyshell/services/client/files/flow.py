"""How much may be under way at a time."""

import asyncio
from collections import deque
from contextlib import suppress


class Flow:
    """Lets so many bytes be under way, first come, first served. What is larger than all of it goes alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be under way now."""
        return not self._waiting and self._fits(size)

    async def take(self, size: int) -> None:
        """Return once so many bytes more may be under way."""
        if not self._waiting and self._fits(size):
            self._used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            else:
                # It is passed over already where something was given back meanwhile.
                with suppress(ValueError):
                    self._waiting.remove((size, turn))
            raise

    def give_back(self, size: int) -> None:
        """Bytes are not under way any more."""
        self._used -= size
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._used += size
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return not self._used or self._used + size <= self._most
