"""Which links a hub has, in a file that a command beside it reads."""

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


def write_links(directory: Path, links: Mapping[str, datetime]) -> None:
    """Write which hubs this process has links with, and since when. Raises `ConfigException`."""
    write_private(directory / FILE, msgspec.json.encode(_Written(os.getpid(), dict(links))) + b"\n")


def read_links(directory: Path) -> dict[str, datetime]:
    """Return what was written; nothing where that process is gone, or there is nothing that can be read."""
    try:
        written = msgspec.json.decode(read_file(directory / FILE), type=_Written)
    except (OSError, ValueError, msgspec.MsgspecError):
        return {}
    return written.links if _runs(written.pid) else {}


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
