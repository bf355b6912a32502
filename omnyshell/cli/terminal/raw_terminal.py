"""The user's own terminal: in raw mode while a session is shown, and always restored."""

import asyncio
import fcntl
import os
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Self

from omnyshell.printable import printable
from omnyshell.services.client.states import LinkState
from omnyshell.terminal.state.tracker import ModeTracker


class RawTerminal:
    """Raw mode on a descriptor during a `with` block; has no effect if it is no terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved: list[object] | None = None
        self._flags = 0

    @property
    def is_terminal(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._fd)

    def __enter__(self) -> Self:
        self.enter()
        return self

    def enter(self) -> None:
        """Switch raw mode on, and note what was before."""
        if self.is_terminal:
            self._saved = termios.tcgetattr(self._fd)
            self._flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
            tty.setraw(self._fd, termios.TCSADRAIN)

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Put back what was before."""
        if self._saved is not None:
            # An event loop leaves the open file, which the user's shell has too, as one that never waits.
            fcntl.fcntl(self._fd, fcntl.F_SETFL, self._flags)
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]
            self._saved = None


_LAST_LINE = b"\x1b7\x1b[r\x1b[999;1H"
_ERASE_LINE = b"\x1b[0m\x1b[2K"
_BACK = b"\x1b8"


class Notices:
    """Collects text to be written before the next output. `added` is set while there is some.

    `leaving` is what a user types to leave; "" where that is nothing.
    """

    def __init__(self, modes: ModeTracker, columns: Callable[[], int], leaving: str) -> None:
        self._advice = f" ({leaving} leaves)" if leaving else ""
        self.added = asyncio.Event()
        self._modes = modes
        self._columns = columns
        self._text = b""
        self._is_shown = False

    def take(self) -> bytes:
        """Return the collected text, and forget it."""
        text, self._text = self._text, b""
        self.added.clear()
        if text and (abort := self._modes.abort_sequence):
            self._modes.feed(abort)
            return abort + text
        return text

    def state_changed(self, state: LinkState, cause: str) -> None:
        """Show one line while the session waits.

        It disappears when the session goes on, as the node repaints the screen.
        """
        if state is LinkState.RECONNECTING:
            self.show(f"{cause}; waiting for it{self._advice}")
        elif state is LinkState.RESUMED:
            self._text += self.erased()
        elif state is LinkState.RESET:
            self._text += self._modes.take_reset()
            self._is_shown = False
        self.added.set()

    def show(self, text: str) -> None:
        """Show one line, in place of the one before, until the session goes on."""
        line = printable(f"omnyshell: {text}")[: self._columns()]
        self._text += _LAST_LINE + _ERASE_LINE + b"\x1b[7m" + line.encode() + b"\x1b[0m" + _BACK
        self._is_shown = True
        self.added.set()

    def erased(self) -> bytes:
        """Return the sequence that erases a notice from the screen; b"" if there is none."""
        text = _LAST_LINE + _ERASE_LINE + _BACK if self._is_shown else b""
        self._is_shown = False
        return text
