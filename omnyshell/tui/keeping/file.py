"""The file that tabs and panes are kept in, one for each hub and principal; one console at a time has it."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.paths import open_own, state_dir
from omnyshell.security.files import make_private_directory, write_private
from omnyshell.tui.keeping.form import MOST_BYTES

_OTHERS = 0o077


def layout_file(hub: str, principal: str) -> Path:
    """Return the file for a hub and a principal, whose names are in it and not in its name."""
    digest = hashlib.sha256(f"{hub}\n{principal}".encode()).hexdigest()[:32]
    return state_dir() / "layouts" / f"{digest}.json"


class LayoutFile:
    """`take` it before it is read or written, and `close` it; the end of the process does that too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None
        self._written = b""

    def take(self) -> bool:
        """Return whether this console has the file, which no other one has then. Raises `ConfigException`."""
        if self._held is not None:
            return True
        lock = self.path.with_suffix(".lock")
        try:
            make_private_directory(lock.parent)
            held = open_own(lock, os.O_RDWR | os.O_CREAT)
        except OSError as exc:
            raise ConfigException(f"cannot use {lock}: {exc.strerror}") from exc
        if not _is_locked(held):
            os.close(held)
            return False
        self._held = held
        return True

    def read(self) -> bytes | None:
        """Return the contents, None where there are none. Raises `ConfigException` where they are not to be trusted."""
        try:
            with os.fdopen(open_own(self.path, os.O_RDONLY), "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigException(f"cannot read {self.path}: {exc.strerror}") from exc
        if os.name == "posix" and mode & _OTHERS:
            raise ConfigException(f"{self.path} is open to other users of this machine: chmod 600 {self.path}")
        return data

    def write(self, data: bytes) -> None:
        """Write the contents, where they are others than before. Raises `ConfigException`."""
        if data != self._written and len(data) <= MOST_BYTES and self.take():
            write_private(self.path, data)
            self._written = data

    def forget(self) -> None:
        """Remove the contents, where no other console has them. Raises `ConfigException`."""
        if self.take():
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the file to others. Idempotent."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _is_locked(descriptor: int) -> bool:
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
