"""Handles keys in their order: each key goes to what the one before it has opened, however fast they come.

Textual passes a key to the focused widget at once, but its effect may reach the app several messages later: in a burst
of keys, the second one would go to the screen that the first one is about to leave.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

PATIENCE, LOOK = 10, 0.2
"""How often a widget is looked at that handles nothing, and seconds between two looks; then nobody waits for it.

Looks are counted, as time passes too on a machine that is busy with something else, where there are fewer of them.
"""

ARRIVAL = 2.0
"""Seconds to wait at most for what is on its way to the screen, as nodes may have to answer for it."""

ROUNDS = 8
"""Rounds of message handling to wait for: Textual may queue a message again before it bubbles."""


class KeyOrder:
    """Holds keys and pastes back until earlier ones have taken effect.

    `dispatch` passes an event on; `stays` tells whether the next event will go to the same widget in any case, so that
    there is no need to wait; `arrive` waits for what is on its way to the screen, and will have the
    focus there, and returns whether there was any.
    """

    def __init__(
        self,
        app: App[Any],
        dispatch: Callable[[events.Event], Awaitable[None]],
        stays: Callable[[events.Event], bool],
        arrive: Callable[[], Awaitable[bool]],
    ) -> None:
        self._app = app
        self._dispatch = dispatch
        self._stays = stays
        self._arrive = arrive
        self._held: deque[events.Event] = deque()
        self._settling: asyncio.Task[None] | None = None

    async def take(self, event: events.Event) -> None:
        """Pass an event on, now or when it is its turn."""
        self._held.append(event)
        if self._settling is None:
            await self._hand_on()

    def close(self) -> None:
        """Stop waiting."""
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
        await self._rounds()
        if await self._has_arrived():
            await self._rounds()
        # Passed on within the app's message handling, not from this task.
        self._app.call_later(self._settled)

    async def _settled(self) -> None:
        self._settling = None
        await self._hand_on()

    async def _has_arrived(self) -> bool:
        try:
            async with asyncio.timeout(ARRIVAL):
                return await self._arrive()
        except TimeoutError:
            return True

    async def _rounds(self) -> None:
        for _ in range(ROUNDS):
            if await self._round():
                break

    async def _round(self) -> bool:
        """Let all widgets from the focus up to the app handle their queued messages.

        Returns whether there is nothing more to wait for: none are left, or a widget is stuck.
        """
        way = self._way()
        for pump in way:
            if not await _handles_all(pump):
                return True
        return way == self._way() and not any(pump.message_queue_size for pump in way)

    def _way(self) -> list[MessagePump]:
        return list((self._app.focused or self._app.screen).ancestors_with_self)


async def _handles_all(pump: MessagePump) -> bool:
    """Wait until a widget has handled what is queued; return False for one that does not get on."""
    done = asyncio.Event()
    if not pump.call_later(done.set):
        return True
    handled = asyncio.ensure_future(done.wait())
    try:
        for _ in range(PATIENCE):
            await asyncio.wait({handled}, timeout=LOOK)
            if handled.done():
                return True
        return False
    finally:
        handled.cancel()
