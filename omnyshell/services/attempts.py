"""Attempts at several hubs at a time, where the first ones say nothing (docs/architecture.md#failover)."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from omnyshell.transport.connection import HubAddress, OmnyShellConnection


class Turn:
    """An attempt's turn to log in: attempts have it one after another, in the order in which their hubs spoke."""

    def __init__(self, order: "deque[Turn]") -> None:
        """`order` is that of all attempts, of which the first one has its turn."""
        loop = asyncio.get_running_loop()
        self.begun_at = loop.time()
        self._order = order
        self._has_come: asyncio.Future[None] = loop.create_future()

    def take(self) -> asyncio.Future[None] | None:
        """Say that the hub has spoken; returns None where it is this attempt's turn, else what is done when it is."""
        self._order.append(self)
        return None if self._order[0] is self else self._has_come

    def end(self) -> None:
        """Leave it to the next one. Idempotent."""
        if self not in self._order:
            return
        self._order.remove(self)
        if self._order and not self._order[0]._has_come.done():
            self._order[0]._has_come.set_result(None)


class Attempts:
    """Those that are under way. Leaving the context ends them.

    What one hub refuses, the next one that spoke is asked; nobody is logged in twice, nor asked twice to touch a key.
    """

    def __init__(self, dial: Callable[[HubAddress, Turn], Coroutine[Any, Any, OmnyShellConnection]]) -> None:
        """`dial` dials a hub; it takes its turn when the hub has spoken."""
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._order: deque[Turn] = deque()
        self._running: dict[asyncio.Task[OmnyShellConnection], tuple[HubAddress, Turn]] = {}

    async def __aenter__(self) -> "Attempts":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
            task.add_done_callback(_leave)
        if self._running:
            await asyncio.wait(self._running)

    def __len__(self) -> int:
        return len(self._running)

    @property
    def has_any_spoken(self) -> bool:
        """Whether a hub has spoken whose attempt has not failed."""
        return bool(self._order)

    def silent_for(self, seconds: float) -> list[HubAddress]:
        """Return the hubs that have said nothing, and were dialled at least so many seconds ago."""
        before = self._loop.time() - seconds
        silent = ((address, turn) for address, turn in self._running.values() if turn not in self._order)
        return [address for address, turn in silent if turn.begun_at <= before]

    def begin(self, address: HubAddress) -> None:
        """Begin an attempt."""
        turn = Turn(self._order)
        self._running[asyncio.create_task(self._dial(address, turn))] = address, turn

    async def ended(self, within: float | None) -> list[tuple[HubAddress, asyncio.Task[OmnyShellConnection]]]:
        """Wait until an attempt ends, or for so many seconds; return those that have, and what came of them."""
        done, _ = await asyncio.wait(self._running, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        found = []
        for task in done:
            address, turn = self._running.pop(task)
            if task.cancelled() or task.exception() is not None:
                turn.end()
            found.append((address, task))
        return found


def _leave(task: asyncio.Task[OmnyShellConnection]) -> None:
    """End a connection that came in the step in which whoever waited for it gave up."""
    if not task.cancelled() and task.exception() is None:
        task.result().link.abort()
