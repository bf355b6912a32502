"""Where the keeper of a state directory is, how one is started, and who it has to be."""

import hashlib
import os
import socket
import struct
import sys
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.keeper import wire

SHARED = Path("/run/omnyshell")
"""Where keepers are that belong to another user than the node: to root."""

PROGRAM = Path(wire.__file__).parent
SOCKET, RETURNS = "socket", "returns"
ROOT = 0

RUNS_ALREADY, REFUSED = 3, 4
"""The exit codes of a keeper that finds another one, and of one that serves here only once somebody has mended what it
says."""


class NoKeeperException(ConfigException):
    """There is no keeper to speak with."""


class NoneServesHereException(NoKeeperException):
    """There is none, and none that is started serves, until somebody mends what it says."""


class SilentKeeperException(NoKeeperException):
    """There is one, which does not answer: its sessions go on."""


def own_directory(state_dir: Path) -> Path:
    """Return the directory of a keeper that belongs to the node's user."""
    return state_dir / "keeper"


def shared_directory(state_dir: Path) -> Path:
    """Return the directory of a keeper of root's, for a node of another user."""
    return SHARED / hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:16]


def keepers_directories(state_dir: Path) -> tuple[Path, ...]:
    """Return the directories in which keepers that serve the node's user may be."""
    return SHARED.resolve(), own_directory(state_dir).resolve()


def keeper_command(
    directory: Path, *, user: int, idle: float = 0, detach: bool = False, users_file: Path | None = None
) -> list[str]:
    """Return the command line of a keeper: the interpreter without site-packages, and our directory of it.

    It ends once it was of no use for `idle` seconds, unless that is 0. With `detach` the command ends when it serves.
    `users_file` is the node's file, of which it reads who becomes whom.
    """
    _check_system()
    # The interpreter itself, as a link to it could lead elsewhere once that is upgraded.
    program = os.path.realpath(sys.executable)
    how, config = "detach" if detach else "serve", "" if users_file is None else str(users_file.absolute())
    # It leaves the directory in which it was started.
    return [program, "-I", "-S", str(PROGRAM), how, str(directory.absolute()), str(user), str(idle), config]


def _check_system() -> None:
    """Raise `NoneServesHereException` where there can be none, as what it holds is of Linux."""
    if sys.platform != "linux":
        raise NoneServesHereException("a keeper needs Linux")


def connect(state_dir: Path) -> socket.socket:
    """Return a connection to root's keeper for this state directory, else to our own user's.

    Raises `NoKeeperException` where there is neither, or another user's in its place.
    """
    _check_system()
    for directory in (shared_directory(state_dir), own_directory(state_dir)):
        found = _connect(directory)
        if found is not None:
            return found
    raise NoKeeperException(f"no keeper serves {state_dir}")


def is_roots_there(state_dir: Path) -> bool:
    """Tell whether a keeper of root's serves this state directory, where we are somebody else's."""
    channel = _connect(shared_directory(state_dir)) if os.geteuid() != ROOT else None
    if channel is None:
        return False
    with channel:
        return is_roots(channel)


def is_to_return(state_dir: Path) -> bool:
    """Tell whether a keeper that is not there will be started again, with its sessions, by a service manager."""
    return any((place(state_dir) / RETURNS).exists() for place in (shared_directory, own_directory))


def _connect(directory: Path) -> socket.socket | None:
    try:
        fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # By this way the path may be of any length.
        channel.connect(f"/proc/self/fd/{fd}/{SOCKET}")
        _check_user(channel, directory)
    except OSError:
        channel.close()
        return None
    except BaseException:
        channel.close()
        raise
    finally:
        os.close(fd)
    return channel


def peer_of(channel: socket.socket) -> int:
    """Return the process at the other end of a connection."""
    return _credentials(channel)[0]


def is_roots(channel: socket.socket) -> bool:
    """Tell whether a keeper is root's, and so can what none of our own user's can."""
    return os.geteuid() != ROOT and _credentials(channel)[1] == ROOT


def _credentials(channel: socket.socket) -> tuple[int, int]:
    raw = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, user, _ = struct.unpack("3i", raw)
    return pid, user


def _check_user(channel: socket.socket, directory: Path) -> None:
    _, user = _credentials(channel)
    if user not in (ROOT, os.geteuid()):
        raise NoKeeperException(f"the keeper in {directory} belongs to another user")
