"""The event loop that commands run on."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

DEATH_BY_SIGNAL = 128
"""A shell's exit code for a program killed by a signal is this plus the signal's number."""


def run_until_signal(main: Coroutine[Any, Any, int]) -> int:
    """Run a short command, which ends at SIGTERM and SIGHUP as at SIGINT. Signals that are ignored stay ignored."""
    signals: list[int] = []
    try:
        return asyncio.run(_with_signals(main, signals))
    except asyncio.CancelledError:
        return DEATH_BY_SIGNAL + signals[0]


async def _with_signals(main: Coroutine[Any, Any, int], signals: list[int]) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def end(number: int, _frame: object) -> None:
        signals.append(number)
        if task is not None:
            task.cancel()
        # Wakes the loop, which then ends the task.
        loop.call_soon_threadsafe(lambda: None)

    # As asyncio does for SIGINT: `add_signal_handler` would load `inspect`, which takes a thirtieth of a start.
    handled = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, end)) for number in handled]
    try:
        return await main
    finally:
        # The loop is about to be closed, and cannot be woken then.
        for number, handler in before:
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on uvloop if it is installed.

    With it a hub's TLS connections take far less memory, and a keystroke's echo 0.93 of the time. For a short command
    the import would cost more than it gains.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
