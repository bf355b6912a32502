"""Strict modes, as `sshd` has them: a file that is trusted is read only where nobody else can have written it.

Its owner, and that of each directory and link on the way, must be root or our own user, and others must not be able to
write it: neither everybody nor a group that is more than that user's own. Directories where each deletes only what is
theirs (`/tmp`) pass.
"""

import os
import stat
from pathlib import Path

from omnyshell.errors import ConfigException, Remedy
from omnyshell.security.trust import UntrustedPathException, trusted_path

VARIABLE = "OMNYSHELL_STRICT_MODES"
ON, OFF = "true", "false"


class StrictModes:
    """Judges files before they are read, unless it is off."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on and os.name == "posix"

    @classmethod
    def said(cls, text: str | None) -> "StrictModes":
        """Return what an option says, or else the environment. Raises `ConfigException` for another word."""
        word = text or os.environ.get(VARIABLE) or ON
        if word not in (ON, OFF):
            raise ConfigException(f"{VARIABLE} '{word}': say {ON} or {OFF}")
        return cls(is_on=word == ON)

    def check(self, path: Path) -> None:
        """Judge a file or directory, and the way to it; what is not there is left to whoever reads it.

        Raises `ConfigException` that says what to do.
        """
        if not self.is_on:
            return
        if _is_opened(path):
            return
        try:
            # Whoever can write a device, as /dev/null, puts nothing into it that stays; who puts it there matters.
            judged = path.parent if _is_device(path) else path
            trusted_path(str(judged.absolute()), files_in_shared=True)
        except UntrustedPathException as exc:
            shown = "" if str(exc).find(str(path)) >= 0 else f"{path} is not trusted: "
            raise ConfigException(f"{shown}{exc}; {exc.mending}").advising(Remedy.LET_OTHERS_WRITE) from exc
        except OSError:
            return

    def check_tree(self, directory: Path) -> None:
        """Judge a directory of our own, with all files and directories in it. Raises `ConfigException`."""
        if not self.is_on:
            return
        self.check(directory)
        for place, _, names in os.walk(directory):
            for path in (Path(place), *(Path(place, name) for name in names)):
                if not _is_socket(path):
                    self.check(path)


def _is_opened(path: Path) -> bool:
    """Tell whether a path means what was opened for this process, as a shell's `<(command)` gives it."""
    return str(path.parent) in ("/dev/fd", "/proc/self/fd") and path.name.isdigit()


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.lstat().st_mode)
    except OSError:
        return False


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return True
