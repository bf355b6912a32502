"""When a console under test is at rest, read off its queues: Textual's pilot watches processor time, for long."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.deadline import DEADLINE
from textual.app import App
from textual.pilot import Pilot

TURNS = 3
"""Turns of the loop in a row in which nothing is left to do."""


def has_work(app: App[Any]) -> bool:
    """Whether some widget has a message or a call before it."""
    return any(
        pump._next_callbacks or not pump._message_queue.empty() for pump in (app, *app._registry) if pump._running
    )


AT_MOST = 1.0
"""Seconds of this thread's processor time for a console that never rests; others may take all of what a machine has."""


async def settle(app: App[Any]) -> None:
    """Wait until the console is at rest, and have it lay out now what it would lay out in a moment."""
    deadline = time.thread_time() + AT_MOST
    turns = 0
    while turns < TURNS and time.thread_time() < deadline:
        await asyncio.sleep(0)
        turns = 0 if has_work(app) else turns + 1
        if turns < TURNS:
            continue
        if app.screen._update_timer._active.is_set():
            app.screen._on_timer_update()
            turns = 0


@contextmanager
def settling(app: App[Any]) -> Iterator[None]:
    """Have a pilot wait for that, and no longer."""

    async def wait_for_idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
        await settle(app)

    async def wait_for_screen(_pilot: Pilot[Any], _timeout: float = DEADLINE) -> bool:
        # Textual has a call go through each widget, as it cannot see whether those rest.
        await settle(app)
        return True

    with pytest.MonkeyPatch.context() as patch:
        for module in ("app", "pilot"):
            patch.setattr(f"textual.{module}.wait_for_idle", wait_for_idle)
        patch.setattr(Pilot, "_wait_for_screen", wait_for_screen)
        yield
