"""A driver for terminals that may be lost."""

import io
import sys
from typing import IO, Any, ClassVar, Final

from textual.drivers.linux_driver import LinuxDriver

from omnyshell.guardian import Guardian
from omnyshell.terminal.state.tracker import ModeTracker

_LONGEST_SWITCH: Final = 64
"""Characters of what Textual writes to change the terminal's state; frames are longer."""


class LossTolerantFile(io.TextIOBase):
    """Writes to a file; errors are ignored, once it cannot be written to."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__()
        self._file: IO[str] | None = file
        self._descriptor = file.fileno()

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return self._file is not None and self._file.isatty()

    def write(self, text: str, /) -> int:
        """Write, unless the file is gone."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Flush, unless the file is gone."""
        self._try("flush")

    def _try(self, method: str, *arguments: str) -> None:
        if self._file is not None:
            try:
                getattr(self._file, method)(*arguments)
            except (OSError, ValueError):
                self._file = None


class LossTolerantDriver(LinuxDriver):
    """A driver that can be stopped after its terminal is gone.

    Textual 8.2.8's thread that writes to the terminal ends at the first error, and stopping the driver then waits
    for ever for room in the thread's queue. To be removed when that thread goes on.

    `guardian`, if there is one, puts the terminal back where the console is killed.
    """

    guardian: ClassVar[Guardian | None] = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if sys.__stderr__ is not None:
            self._file = LossTolerantFile(sys.__stderr__)  # type: ignore[assignment]  # it is given what it is asked for
        self._modes = ModeTracker()
        self._is_lent = False

    def suspend_application_mode(self) -> None:
        """Leave the terminal to another program; nothing is written until it is taken back."""
        super().suspend_application_mode()
        self._is_lent = True

    def resume_application_mode(self) -> None:
        """Take the terminal back."""
        self._is_lent = False
        super().resume_application_mode()

    def write(self, data: str) -> None:
        """Write to the terminal, and have remembered what would put it back."""
        if self._is_lent:
            return
        if self.guardian is not None and len(data) <= _LONGEST_SWITCH:
            version = self._modes.version
            self._modes.feed(data.encode())
            if self._modes.version != version:
                self.guardian.remember(self._modes.reset_sequence())
        super().write(data)
