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
    """Raise the limit of open files to the system's maximum: the usual thousand could be used up by strangers.

    Not for nodes: sessions inherit the limit, and old programs fail with a large one.
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
    # Debug lines of libraries are dropped: they might contain payload.
    handler.addFilter(lambda record: record.levelno > logging.DEBUG or record.name.startswith("omnyshell"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def tune_memory() -> None:
    """Have the C library keep freed memory for the next frame, instead of returning it to the system each time.

    A relay allocates and frees buffers of 64 to 256 KiB all the time: giving them back costs a tenth of its speed.
    Python's garbage collection stays as it is, since a service that runs for months makes garbage; but what is loaded
    lasts as long as the process, and to look through it takes 15 to 20 ms each time.
    """
    gc.freeze()
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
    """A handler of SIGHUP for services without a reload, so that the signal does not end them."""
    logger.info("SIGHUP changes nothing here: a restart reads the settings anew")


def watch_signals(reload: Callable[[], None] | None = None) -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT or SIGHUP set. Call it before announcing that the service is up.

    With `reload`, SIGHUP calls that instead, unless it was sent because the terminal was closed.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # A process started with `nohup` is to outlive its terminal.
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
