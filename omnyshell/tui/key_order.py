"""Keys in their order: each is for what the one before it has opened, however fast they come.

Textual hands a key to the widget that has the focus at once, and what a key does may reach the app several messages
later: of keys that come in one burst, the second would go to the screen that the first is about to leave.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

LONGEST = 2.0
"""Seconds that a key is waited for at most."""

ROUNDS = 8
"""How often a message may be passed on to its sender's own queue, as Textual does before it bubbles."""


class KeyOrder:
    """Holds keys and pastes back until those before them have done what they do.

    `dispatch` hands an event on; `stays` tells of one whether the next will go to the same widget in any case, so that
    nothing has to be waited for.
    """

    def __init__(
        self,
        app: App[Any],
        dispatch: Callable[[events.Event], Awaitable[None]],
        stays: Callable[[events.Event], bool],
    ) -> None:
        self._app = app
        self._dispatch = dispatch
        self._stays = stays
        self._held: deque[events.Event] = deque()
        self._settling: asyncio.Task[None] | None = None

    async def take(self, event: events.Event) -> None:
        """Hand on an event, now or when it is its turn."""
        self._held.append(event)
        if self._settling is None:
            await self._hand_on()

    def close(self) -> None:
        """Wait for nothing any more."""
        self._held.clear()
        if self._settling is not None:
            self._settling.cancel()

    async def _hand_on(self) -> None:
        while self._held:
            event = self._held.popleft()
            stays = self._stays(event)
            await self._dispatch(event)
            if not stays:
                self._settling = asyncio.create_task(self._settle())
                return

    async def _settle(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                for _ in range(ROUNDS):
                    if await self._round():
                        break
        # Handed on where events are dealt with, not beside it.
        self._app.call_later(self._settled)

    async def _settled(self) -> None:
        self._settling = None
        await self._hand_on()

    async def _round(self) -> bool:
        """Have everybody on the way from the focus to the app deal with what waits; returns whether nothing is left."""
        way = self._way()
        for pump in way:
            done = asyncio.Event()
            if pump.call_later(done.set):
                await done.wait()
        return way == self._way() and not any(pump.message_queue_size for pump in way)

    def _way(self) -> list[MessagePump]:
        return list((self._app.focused or self._app.screen).ancestors_with_self)
