"""What there is below a directory, to see what became of it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class FileTree:
    """Every file, directory and link below a directory, with its mode and contents."""

    root: Path
    entries: dict[Path, tuple[int, str]]

    @classmethod
    def of(cls, root: Path) -> Self:
        """What is there now."""
        return cls(root, {path: _state(path) for path in sorted(root.rglob("*"))})

    def changes(self) -> list[Path]:
        """What is new, gone or other than it was."""
        now = FileTree.of(self.root).entries
        return sorted(path for path in {*now, *self.entries} if now.get(path) != self.entries.get(path))


def _state(path: Path) -> tuple[int, str]:
    if path.is_symlink():
        return 0, str(path.readlink())
    mode = path.stat().st_mode
    return mode, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
