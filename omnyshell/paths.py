"""Where OmnyShell keeps its files: `platformdirs`' places, or all of them below `OMNYSHELL_HOME`.

And how one is opened and read, so that nothing that stands in its place is waited for, or read without end.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from omnyshell.errors import ConfigException

APP = "omnyshell"
HOME_VARIABLE = "OMNYSHELL_HOME"

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of a file that is read whole."""

_INHERITED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
"""How names begin of what this process was started with."""

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)


def config_dir() -> Path:
    """The directory of saved logins and configuration files."""
    return _below_home("config") or _platform_dir("config")


def state_dir() -> Path:
    """The directory of identities, databases, logs and records of running processes."""
    return _below_home("state") or _platform_dir("state")


def logins_file() -> Path:
    """The file of saved logins."""
    return config_dir() / "logins.json"


def bound_hubs_file() -> Path:
    """The file of hubs to which a client no longer sends proofs that do not name the hub."""
    return config_dir() / "bound-hubs"


def known_hubs_file() -> Path:
    """The file of hubs of which a client was told by others."""
    return config_dir() / "known-hubs.json"


def user_path(text: str) -> Path:
    """Return a path as a user wrote it, with `~` taken for home. Raises `ConfigException` where there is no home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as exc:
        raise ConfigException(f"{text}: there is no such home directory") from exc


def read_file(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the contents of a file of at most so many bytes. Raises `OSError`, as `open_file` does."""
    with open_file(path) as file:
        return read_whole(file, most)


def read_whole(file: BinaryIO, most: int = MOST_BYTES) -> bytes:
    """Return what is in an open file, at most so many bytes. Raises `OSError`."""
    data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", file.name)
    return data


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; a link is followed.

    So is what a shell makes for `<(...)`, a pipe that this process was started with; /dev/null is an empty file.
    Raises `OSError`, also where it is something else: opening or reading that might wait for ever, or never end.
    """
    name = str(path)
    is_any = name == os.devnull or name.startswith(_INHERITED)
    return os.fdopen(_open(path, os.O_RDONLY, 0, may_be_any=is_any), "rb")


def open_own(path: Path, flags: int) -> int:
    """Return the descriptor of a regular file of our own, made with mode 0600 if `flags` ask for that.

    A link is not followed. Raises `OSError`, also where it is something else.
    """
    return _open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _open(path: Path, flags: int, mode: int, *, may_be_any: bool = False) -> int:
    descriptor = os.open(path, flags | _AT_ONCE, mode)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if may_be_any and not stat.S_ISREG(kind):
            os.set_blocking(descriptor, True)
        elif not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _below_home(name: str) -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    return user_path(home) / name if home else None


def _platform_dir(kind: str) -> Path:
    # Imported late: it takes a tenth of the import time of a cold command.
    import platformdirs

    try:
        return platformdirs.user_config_path(APP) if kind == "config" else platformdirs.user_state_path(APP)
    except RuntimeError as exc:
        # HOME is not set, and the user id has no entry in the user database.
        raise ConfigException(f"there is no home directory: set HOME, or {HOME_VARIABLE} to a directory") from exc
