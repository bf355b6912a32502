"""What was entered before, kept in the state directory, for its owner alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from omnyshell.errors import ConfigException
from omnyshell.paths import read_file, state_dir
from omnyshell.security.files import changing, write_private

MOST: Final = 500
"""Lines that are kept."""

LONGEST: Final = 2_000
"""Characters of a line that is kept."""

MOST_BYTES: Final = MOST * (4 * LONGEST + 1)
"""Bytes of a file that is read: as many as such lines may take."""


def history_file() -> Path:
    """The file of what was entered."""
    return state_dir() / "console-history"


class History:
    """Lines from the oldest to the newest, each once. One that begins with a space is not kept, as in a shell.

    Several consoles share the file. Where it cannot be read or written, there is the history of this console alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] | None = None

    @property
    def lines(self) -> Sequence[str]:
        """What was entered."""
        if self._lines is None:
            self._lines = self._read()
        return self._lines

    def add(self, line: str) -> None:
        """Keep a line as the newest."""
        if not line.strip() or line[0].isspace() or not line.isprintable() or len(line) > LONGEST:
            return
        try:
            with changing(self._path):
                self._lines = self._with(self._read(), line)
                write_private(self._path, "".join(f"{kept}\n" for kept in self._lines).encode())
        except ConfigException:
            self._lines = self._with(list(self.lines), line)

    @staticmethod
    def _with(lines: list[str], line: str) -> list[str]:
        return [*(kept for kept in lines if kept != line), line][-MOST:]

    def _read(self) -> list[str]:
        try:
            text = read_file(self._path, MOST_BYTES).decode(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.isprintable() and line and len(line) <= LONGEST][-MOST:]


class Recalling:
    """Goes through what was entered before that begins with what is typed."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._typed = ""
        self._found: list[str] = []
        self._at = 0
        """How far back: 0 is what was typed."""

    def step(self, line: str, by: int) -> str:
        """Return the line before with 1, the one after with -1; `line` is the present one."""
        if not self._at or line != self._found[-self._at]:
            self._typed, self._at = line, 0
            self._found = [kept for kept in self._lines if kept.startswith(line) and kept != line]
        self._at = max(0, min(self._at + by, len(self._found)))
        return self._found[-self._at] if self._at else self._typed
