"""A lock that lets only one hub use a state directory: two would corrupt each other's audit trail."""

import fcntl
import os
from pathlib import Path

from omnyshell.errors import ConfigException, Remedy
from omnyshell.paths import open_own
from omnyshell.security.files import make_private_directory
from omnyshell.services.hub.ground.swap import settle
from omnyshell.services.hub.ground.unfinished import BACKUPS, remove_unfinished

LOCK_FILE = "hub.lock"


class StateLock:
    """Held from its creation until `release`, or the end of the process, even by a crash.

    First finishes or removes what killed commands left in the directory. Raises `ConfigException` if that fails,
    another hub holds the directory, or it cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        try:
            make_private_directory(directory)
            self._fd = open_own(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT)
        except OSError as exc:
            raise ConfigException(f"cannot use the state directory {directory}: {exc.strerror}") from exc
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._fd)
            text = f"another hub uses the state directory {directory}: stop it, or give this one its own"
            raise ConfigException(text).advising(Remedy.OTHER_STATE_DIR) from exc
        remove_unfinished(directory.glob(f"{BACKUPS}*"))
        try:
            settle(directory)
        except ConfigException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock."""
        os.close(self._fd)
