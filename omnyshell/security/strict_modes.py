"""Strict modes, as `sshd` has them: a file that is trusted is read only where nobody else can have written it.

The owners of the file and of each directory and link on its path must be root or our own user, and others must not have
write access: neither everybody, nor a group with other members. Sticky directories (`/tmp`) pass.
"""

import os
import stat
from pathlib import Path

from omnyshell.errors import ConfigException, Remedy
from omnyshell.security.trust import UntrustedPathException, trusted_path

VARIABLE = "OMNYSHELL_STRICT_MODES"
ON, OFF = "true", "false"


class StrictModes:
    """Checks files before they are read, unless it is switched off."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on and os.name == "posix"

    @classmethod
    def said(cls, text: str | None) -> "StrictModes":
        """Read an option's value, or else the environment's. Raises `ConfigException` for an unknown word."""
        word = text or os.environ.get(VARIABLE) or ON
        if word not in (ON, OFF):
            raise ConfigException(f"{VARIABLE} '{word}': say {ON} or {OFF}")
        return cls(is_on=word == ON)

    def check(self, path: Path) -> None:
        """Check a file or directory and its path; a missing one is left for the reader to report.

        Raises `ConfigException` that says what to do.
        """
        if not self.is_on:
            return
        if _is_opened(path):
            return
        try:
            # A device, such as /dev/null, keeps nothing that is written to it, so only its directory is checked.
            judged = path.parent if _is_device(path) else path
            trusted_path(str(judged.absolute()), files_in_shared=True)
        except UntrustedPathException as exc:
            shown = "" if str(exc).find(str(path)) >= 0 else f"{path} is not trusted: "
            raise ConfigException(f"{shown}{exc}; {exc.mending}").advising(Remedy.LET_OTHERS_WRITE) from exc
        except OSError:
            return

    def check_tree(self, directory: Path) -> None:
        """Check a directory of our own with all files and directories in it. Raises `ConfigException`."""
        if not self.is_on:
            return
        self.check(directory)
        for place, _, names in os.walk(directory):
            for path in (Path(place), *(Path(place, name) for name in names)):
                if not _is_socket(path):
                    self.check(path)


def _is_opened(path: Path) -> bool:
    """Tell whether a path names a file descriptor of this process, as a shell's `<(command)` does."""
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
