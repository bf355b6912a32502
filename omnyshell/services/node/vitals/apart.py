"""Work that may block, beside the event loop."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger("omnyshell.node")


def apart(work: Callable[[], T], finish: Callable[[T], None], otherwise: T) -> None:
    """Do work in a thread of its own, and finish with its result in the loop's thread; `otherwise` where it fails.

    A thread that blocks for ever holds up nothing, not even the end of the program.
    """
    loop = asyncio.get_running_loop()

    def run() -> None:
        try:
            result = work()
        except Exception:
            logger.exception("what this machine is asked cannot be read")
            result = otherwise
        with suppress(RuntimeError):
            # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(finish, result)

    threading.Thread(target=run, name="vitals", daemon=True).start()
