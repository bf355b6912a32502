"""Which links a hub has, in a file that a command beside it reads, and where hubs listen for them.

The latter is for a start while the engine is away, which says it otherwise.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from omnyshell.paths import read_file
from omnyshell.security.files import write_private

FILE = "links.json"


class _Written(msgspec.Struct, frozen=True):
    pid: int
    links: dict[str, datetime]
    places: dict[str, str] = {}


def write_links(directory: Path, links: Mapping[str, datetime], places: Mapping[str, str]) -> None:
    """Write which hubs this process has links with, and since when, and the `places` where hubs listen.

    Raises `ConfigException`.
    """
    write_private(directory / FILE, msgspec.json.encode(_Written(os.getpid(), dict(links), dict(places))) + b"\n")


def read_links(directory: Path) -> dict[str, datetime]:
    """Return the links that were written; none where that process is gone, or nothing can be read."""
    written = _read(directory)
    return written.links if _runs(written.pid) else {}


def read_places(directory: Path) -> dict[str, str]:
    """Return where hubs listened when an earlier process wrote that; nothing where nothing can be read."""
    return _read(directory).places


def _read(directory: Path) -> _Written:
    try:
        return msgspec.json.decode(read_file(directory / FILE), type=_Written)
    except (OSError, ValueError, msgspec.MsgspecError):
        return _Written(0, {})


def _runs(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # Another user's.
        return True
    return True
