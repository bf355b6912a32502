"""A driver for terminals that may be lost."""

import io
import sys
from typing import IO, Any

from textual.drivers.linux_driver import LinuxDriver


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
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if sys.__stderr__ is not None:
            self._file = LossTolerantFile(sys.__stderr__)  # type: ignore[assignment]  # it is given what it is asked for
