"""The screens of a node's shells."""

import math
import time
from collections.abc import Generator

from omnyshell.model.sessions import Widths
from omnyshell.services.node.screens.device_queries import DeviceQuery
from omnyshell.services.node.screens.pump import Painting
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.follower import Follower
from omnyshell.terminal.history.budget import Budget
from omnyshell.terminal.history.history import History
from omnyshell.terminal.painting.snapshot import painting, painting_main
from omnyshell.terminal.state.table import IN_BAND_RESIZE

_MEBIBYTE = 1024 * 1024

MAX_COLS, MAX_ROWS = 1000, 500
"""The largest screen that is emulated: the size comes from a client, and each cell costs memory."""


class ShellScreens:
    """Makes the screens of a node's shells, each with a history of `history` lines, of `memory` MiB together."""

    def __init__(self, history: int, memory: int) -> None:
        self._history = history
        self._budget = Budget(memory * _MEBIBYTE)

    def __call__(self, cols: int, rows: int, term: str) -> "FollowedScreen":
        """Return a new screen; its history is to be closed."""
        screen = FollowedScreen(cols, rows, term, self._history)
        screen.history.share(self._budget)
        return screen


class FollowedScreen:
    """The screen of a terminal of `cols` by `rows` cells, of the kind that TERM says; see `ScreenFollower`."""

    def __init__(self, cols: int, rows: int, term: str = "", history: int = 0) -> None:
        self._emulator = Emulator(*_bounded(cols, rows), scrollback=history, term=term)
        self._follower = Follower(self._emulator, time.monotonic)

    @property
    def history(self) -> History:
        """The lines that left the main screen at its top."""
        return self._emulator.scrollback

    @property
    def full(self) -> bool:
        """Whether no more output should be pushed for now."""
        return self._follower.full

    def push(self, data: bytes) -> None:
        """Queue output."""
        self._follower.push(data)

    def work(self, budget: float) -> bool:
        """Emulate for at most `budget` seconds; return whether output is still queued."""
        return self._follower.work(budget)

    def resize(self, cols: int, rows: int) -> None:
        """Resize the screen."""
        columns, lines = _bounded(cols, rows)
        self._follower.resize(lines, columns)

    def count_columns(self, widths: Widths) -> Widths:
        """Count columns as the terminal does that is attached now; return how it was before."""
        self._follower.drain()
        before, self._emulator.widths = self._emulator.widths, widths
        return before

    def painting(
        self, *, again: bool = False, same_size: bool = False, most: float = math.inf
    ) -> Generator[None, None, Painting]:
        """Paint the present screen; see `ScreenFollower`."""
        painted = yield from painting(self._emulator, again=again, same_size=same_size, most=most)
        return Painting(painted or b"", self._emulator.on_alternate_screen, is_too_large=painted is None)

    def painting_main(self, *, again: bool = False) -> Generator[None, None, bytes]:
        """Paint the main screen for a terminal that has just switched back to it."""
        return painting_main(self._emulator, again=again)

    @property
    def reports_size(self) -> bool:
        """Whether the program asked to be told of the terminal's size by its input (mode 2048)."""
        return IN_BAND_RESIZE in self._emulator.mode

    def answer(self, query: DeviceQuery) -> bytes:
        """Return a terminal's answer to a query."""
        screen = self._emulator
        screen.answering = True
        if query is DeviceQuery.ATTRIBUTES:
            screen.report_device_attributes()
        else:
            screen.report_device_status(5 if query is DeviceQuery.STATUS else 6)
        screen.answering = False
        return screen.take_replies()


def _bounded(cols: int, rows: int) -> tuple[int, int]:
    return min(max(1, cols), MAX_COLS), min(max(1, rows), MAX_ROWS)
