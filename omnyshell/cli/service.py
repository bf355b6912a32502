"""Runs a hub or a node until it is told to stop."""

import asyncio
import ctypes
import logging
import signal
import sys
from contextlib import suppress

from omnyshell.protocol.limits import MIB

# From malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def set_up_logging(level: str) -> None:
    """Log to stderr, at this level and above."""
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)


def tune_memory() -> None:
    """Have the C library keep freed memory for the next frame, instead of returning it to the system each time.

    A relay allocates and frees buffers of 64 to 256 KiB all the time: giving them back costs a tenth of its speed.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 16 * MIB)
        libc.mallopt(_M_TRIM_THRESHOLD, 8 * MIB)
        libc.mallopt(_M_TOP_PAD, MIB)


async def until_stopped() -> None:
    """Return at SIGTERM, SIGINT or SIGHUP."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
