"""Runs a hub or a node until it is told to stop."""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from omnyshell.log_format import formatter
from omnyshell.protocol.limits import MIB

logger = logging.getLogger("omnyshell.cli")

_USUAL_THRESHOLDS = (700, 10, 10)

# From malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


MANY_DESCRIPTORS = 65_536


def allow_many_descriptors() -> None:
    """Open as many files as the system allows: some shells allow a thousand at first, which strangers can take.

    Not where sessions run: what they start inherits it, and old programs cannot count that far.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MANY_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def set_up_logging(level: str, style: str = "auto") -> None:
    """Log to stderr, at this level and above: `text`, `json`, or `auto`, which is text on a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(is_json=style == "json" or (style == "auto" and not sys.stderr.isatty())))
    # Libraries tell of their insides, and might tell of what passes through them.
    handler.addFilter(lambda record: record.levelno > logging.DEBUG or record.name.startswith("omnyshell"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def tune_memory() -> None:
    """Have the C library keep freed memory for the next frame, instead of returning it to the system each time.

    A relay allocates and frees buffers of 64 to 256 KiB all the time: giving them back costs a tenth of its speed.
    Garbage is looked for as Python does by itself: what runs for months makes some.
    """
    gc.set_threshold(*_USUAL_THRESHOLDS)
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 16 * MIB)
        libc.mallopt(_M_TRIM_THRESHOLD, 8 * MIB)
        libc.mallopt(_M_TOP_PAD, MIB)


async def until_stopped(reload: Callable[[], None] | None = None) -> None:
    """Return at SIGTERM, SIGINT or SIGHUP; see `watch_signals`."""
    await watch_signals(reload).wait()


def nothing_to_reload() -> None:
    """Takes SIGHUP where there is nothing to read anew: who sends it to all services must not end this one."""
    logger.info("SIGHUP changes nothing here: a restart reads the settings anew")


def watch_signals(reload: Callable[[], None] | None = None) -> asyncio.Event:
    """Return what is set at SIGTERM, SIGINT or SIGHUP, from now on: before anybody is told that something serves.

    With `reload`, SIGHUP calls that instead, unless it says that the terminal is gone.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # Whoever started this with `nohup` wants it to outlive the terminal.
    had_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def hung_up() -> None:
        if reload is None or (had_terminal and not _has_terminal()):
            stopped.set()
        else:
            reload()

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    return stopped


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
