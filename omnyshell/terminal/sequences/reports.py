"""Answers to those device queries without which programs hang, and to no others.

No answer contains what a program chose (title, settings, ENQ): otherwise output could type commands into the terminal.
"""

from typing import Any, Final

from omnyshell.terminal.sequences.osc import Commands

_MOST_PENDING: Final = 4096
_VT220_WITH_COLOUR: Final = "\x1b[?62;22c"


class Reports(Commands):
    """A grid that answers DA1 and DSR 5 and 6 while `answering` (docs/protocol.md#sessions, "Device queries")."""

    answering: bool
    _replies: str

    def take_replies(self) -> bytes:
        """Return what is to be written to the program's input, and forget it."""
        replies, self._replies = self._replies, ""
        return replies.encode()

    def write_process_input(self, data: str) -> None:
        """Keep an answer for `take_replies`, unless answering is off or too much waits already."""
        if self.answering and len(self._replies) + len(data) <= _MOST_PENDING:
            self._replies += data

    def report_device_attributes(self, mode: int = 0, **_other: Any) -> None:
        """DA1."""
        if mode == 0:
            self.write_process_input(_VT220_WITH_COLOUR)

    def report_device_status(self, mode: int = 0, **_other: Any) -> None:
        """DSR 5 (in order) and 6 (cursor position, counted from the region's start in origin mode)."""
        if mode == 5:
            self.write_process_input("\x1b[0n")
        elif mode == 6:
            y = self.cursor.y - (self._top if self._origin else 0)
            x = self.cursor_column - (self._left if self._origin else 0)
            self.write_process_input(f"\x1b[{y + 1};{x + 1}R")
