"""The end of input on a terminal, which is a character that someone types."""

import asyncio
import termios
from collections.abc import Callable

POLL = 0.02
START_TIME = 5.0
"""Seconds that a login shell may take until it edits its first line; many shells never do."""

_LFLAG, _CC = 3, 6


class EndOfInput:
    """Types a terminal's end-of-file character, but not before a login shell is there to read it.

    In canonical mode the kernel keeps the character as an end of file; a shell that edits lines, and takes the terminal
    out of that mode when it has started, finds a NUL in its place (Linux, n_tty), and would wait for ever.
    """

    def __init__(self, slave: int, type_: Callable[[bytes], None], *, for_login_shell: bool) -> None:
        """Learn of the terminal through its slave, which the caller may then close; `type_` queues what is typed."""
        character = termios.tcgetattr(slave)[_CC][termios.VEOF]
        self._character = character if isinstance(character, bytes) else bytes((character,))
        self._type = type_
        self._loop = asyncio.get_running_loop()
        self._ready_at = self._loop.time() + (START_TIME if for_login_shell else 0)
        self._timer: asyncio.TimerHandle | None = None

    def note_input(self, master: int) -> None:
        """Look whether the shell has begun to edit lines; to be called when something is typed."""
        if self._is_starting and not _is_canonical(master):
            self._ready_at = 0

    def type(self, master: int) -> None:
        """Type it on the terminal with this master, now or when its shell reads."""
        self.close()
        self.note_input(master)
        if self._is_starting:
            self._timer = self._loop.call_later(POLL, self.type, master)
        else:
            self._type(self._character)

    def close(self) -> None:
        """Type nothing any more. To be called before the master is closed. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _is_starting(self) -> bool:
        return self._loop.time() < self._ready_at


def _is_canonical(master: int) -> bool:
    return bool(termios.tcgetattr(master)[_LFLAG] & termios.ICANON)
