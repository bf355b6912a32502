"""Time that passes because a test says so, so that no limit is as short as a moment in which a machine does nothing."""

import asyncio

import pytest

from omnyshell.transport.backoff import Backoff


async def passes(seconds: float) -> None:
    """Have so many seconds pass for all that runs in this loop, where it goes by the loop's time."""
    # What has come by now has begun to wait.
    await asyncio.sleep(0)
    leap(seconds)


def leap(seconds: float) -> None:
    """Have it be so much later at once."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


def pass_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is waited before another attempt have passed as soon as it is."""
    delay = Backoff.next_delay

    def passed(backoff: Backoff) -> float:
        leap(delay(backoff))
        return 0.0

    monkeypatch.setattr(Backoff, "next_delay", passed)
