"""Slows reading from a connection: input that comes too fast waits, and is neither refused nor dropped."""

import asyncio
from collections.abc import Callable
from typing import Protocol

_NOTHING = memoryview(b"")


class Cancellable(Protocol):
    """What is going to be called, unless it is cancelled."""

    def cancel(self) -> None:
        """Do not call it. Idempotent."""


class HeldReading:
    """Pauses reading from a transport.

    Input that had arrived already is kept here, and is processed first afterwards.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, deal_with: Callable[[memoryview], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._deal_with = deal_with
        self._rest = _NOTHING
        self._timer: Cancellable | None = None
        self._until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether reading is paused."""
        return self._timer is not None

    def hold(self, seconds: float) -> None:
        """Pause for `seconds`, unless a longer pause is in force; 0 means until other tasks have had their turn."""
        until = self._loop.time() + seconds
        if self._timer is None:
            self._transport.pause_reading()
        elif self._until >= until:
            return
        else:
            self._timer.cancel()
        self._until = until
        self._timer = self._loop.call_at(until, self._go_on) if seconds else self._loop.call_soon(self._go_on)

    def hold_for(self, turn: Callable[[Callable[[], None]], Cancellable], rest: memoryview) -> None:
        """Pause until `turn` calls what it is given, and keep `rest` until then. Call it only while nothing is held."""
        self._transport.pause_reading()
        self._until, self._rest = self._loop.time(), rest
        self._timer = turn(self._go_on)

    def keep(self, rest: memoryview) -> None:
        """Keep input that arrived already. Call it only while none is kept."""
        self._rest = rest

    def close(self) -> None:
        """Stop, as the connection is gone. Idempotent."""
        self._rest = _NOTHING
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        self._timer = None
        rest, self._rest = self._rest, _NOTHING
        if rest:
            self._deal_with(rest)
        if self._timer is None and not self._transport.is_closing():
            self._transport.resume_reading()
