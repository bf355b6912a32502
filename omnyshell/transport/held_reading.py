"""Reads a connection more slowly: what is said too fast waits, and nothing of it is refused or dropped."""

import asyncio
from collections.abc import Callable

_NOTHING = memoryview(b"")


class HeldReading:
    """A pause in reading a transport. What had arrived and was not dealt with waits here, and is dealt with first."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, deal_with: Callable[[memoryview], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._deal_with = deal_with
        self._rest = _NOTHING
        self._timer: asyncio.Handle | None = None
        self._until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether nothing is to be dealt with now."""
        return self._timer is not None

    def hold(self, seconds: float) -> None:
        """Read nothing for so long, if not for longer already; for no time means until others have had their turn."""
        until = self._loop.time() + seconds
        if self._timer is None:
            self._transport.pause_reading()
        elif self._until >= until:
            return
        else:
            self._timer.cancel()
        self._until = until
        self._timer = self._loop.call_at(until, self._go_on) if seconds else self._loop.call_soon(self._go_on)

    def keep(self, rest: memoryview) -> None:
        """Keep what arrived behind what had to wait; nothing is kept yet, or it has been handed out."""
        self._rest = rest

    def close(self) -> None:
        """The connection is gone. Idempotent."""
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
