"""`omnyshell top`: a hub's live state, in tables that are redrawn every second."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import say
from omnyshell.cli.live.feed import check_refused, first_time, live_state
from omnyshell.cli.live.top_view import SHOWN_PARTS, Line, screen
from omnyshell.cli.terminal.raw_terminal import RawTerminal
from omnyshell.services.client.live.state import HubState
from omnyshell.services.dial import HubAccess

PERIOD = 1.0
"""Seconds between drawings."""

PLAIN_COLUMNS = 160
"""Columns of the output without a terminal."""

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_QUIT_KEYS = frozenset(b"qQ\x03\x04\x1c")


def top(options: argparse.Namespace) -> int:
    """Show the table until q; print it once where stdin or stdout is no terminal."""
    access = access_from(options)
    is_interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    asyncio.run(_watch(access) if is_interactive else _print_once(access))
    return 0


async def _print_once(access: HubAccess) -> None:
    async with live_state(access, SHOWN_PARTS) as (state, feed):
        await first_time(state, feed)
        for line in screen(state, state.elsewhere or str(access.address), datetime.now(UTC), PLAIN_COLUMNS, None):
            say(line.text.rstrip())


async def _watch(access: HubAccess) -> None:
    async with live_state(access, SHOWN_PARTS) as (state, feed):
        await first_time(state, feed)
        with RawTerminal(sys.stdin.fileno()):
            _write(_ENTER)
            try:
                await _Screen(state, str(access.address)).run()
            finally:
                _write(_LEAVE)
        check_refused(state, feed)


class _Screen:
    """Draws until the user quits, or the terminal is closed."""

    def __init__(self, state: HubState, hub: str) -> None:
        self._state = state
        self._hub = hub
        self._wake = asyncio.Event()
        self._is_over = False

    async def run(self) -> None:
        """Draw until the end."""
        loop = asyncio.get_running_loop()
        keys = sys.stdin.fileno()
        handlers: dict[int, Callable[[], None]] = {signal.SIGWINCH: self._wake.set}
        handlers |= dict.fromkeys((signal.SIGTERM, signal.SIGHUP), self._leave)
        for number, handle in handlers.items():
            loop.add_signal_handler(number, handle)
        loop.add_reader(keys, self._read_keys, keys)
        try:
            await self._draw_on()
        finally:
            loop.remove_reader(keys)
            for number in handlers:
                loop.remove_signal_handler(number)

    async def _draw_on(self) -> None:
        while not self._is_over:
            self._wake.clear()
            self._draw()
            try:
                async with asyncio.timeout(PERIOD):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _draw(self) -> None:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        lines = screen(self._state, self._state.elsewhere or self._hub, datetime.now(UTC), columns, rows - 1)
        _write("\x1b[H" + "\r\n".join(map(_painted, lines)) + "\x1b[J")

    def _read_keys(self, descriptor: int) -> None:
        try:
            typed = os.read(descriptor, 1024)
        except OSError:
            typed = b""
        if not typed or _QUIT_KEYS & set(typed):
            self._leave()

    def _leave(self) -> None:
        self._is_over = True
        self._wake.set()


def _painted(line: Line) -> str:
    return f"\x1b[7m{line.text}\x1b[0m\x1b[K" if line.is_header else f"{line.text}\x1b[K"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
