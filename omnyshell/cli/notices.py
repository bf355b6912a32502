"""What is said in the user's terminal, beside the session's own output, when the connection is lost and comes back."""

import asyncio
from collections.abc import Callable

from omnyshell.cli.terminal import ModeTracker
from omnyshell.printable import printable
from omnyshell.services.client.states import LinkState

_LAST_LINE = b"\x1b7\x1b[r\x1b[999;1H"
_ERASE_LINE = b"\x1b[0m\x1b[2K"
_BACK = b"\x1b8"


class Notices:
    """Collects what is to be written before the next output. `added` is set while there is something."""

    def __init__(self, modes: ModeTracker, columns: Callable[[], int]) -> None:
        self.added = asyncio.Event()
        self._modes = modes
        self._columns = columns
        self._text = b""
        self._is_shown = False

    def take(self) -> bytes:
        """Return what is to be written, and forget it."""
        text, self._text = self._text, b""
        self.added.clear()
        return text

    def state_changed(self, state: LinkState, cause: str) -> None:
        """One line while the session waits; it goes when the session does. The node paints the screen anew then."""
        if state is LinkState.RECONNECTING:
            line = printable(f"omnyshell: {cause}; waiting for it (~. leaves)")[: self._columns()]
            self._text += _LAST_LINE + _ERASE_LINE + b"\x1b[7m" + line.encode() + b"\x1b[0m" + _BACK
            self._is_shown = True
        elif state is LinkState.RESUMED:
            self._text += self.erased()
        elif state is LinkState.RESET:
            self._text += self._modes.reset_sequence()
            self._is_shown = False
        self.added.set()

    def erased(self) -> bytes:
        """Return what takes a notice from the screen; nothing where there is none."""
        text = _LAST_LINE + _ERASE_LINE + _BACK if self._is_shown else b""
        self._is_shown = False
        return text
