"""A peer in a thread with a loop of its own, while the main thread runs commands as the command line does."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from support.deadline import DEADLINE

Served = Callable[[Callable[[], None], asyncio.Event], Coroutine[Any, Any, None]]
"""Serves: calls the first argument once it is ready, and returns soon after the second is set."""


@contextmanager
def in_thread(serve: Served) -> Iterator[None]:
    """Serve meanwhile."""
    loop = uvloop.new_event_loop()
    ready, done = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(ready.set, done)))
    thread.start()
    try:
        assert ready.wait(DEADLINE)
        yield
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(DEADLINE)
        loop.close()
