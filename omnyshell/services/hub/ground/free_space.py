"""Whether there is room for files that are about to be written."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.protocol.limits import MIB

SPARE = MIB
"""Bytes that a file system has to have beside them: for names, notes and what else is written meanwhile."""


def check_room(needs: Iterable[tuple[Path, int]]) -> None:
    """Hold so many bytes in each directory, which may not be there yet, against what is free.

    Raises `ConfigException` where that is less, and `OSError`.
    """
    by_device: Counter[int] = Counter()
    for directory, size in needs:
        while not directory.exists():
            directory = directory.parent
        device = directory.stat().st_dev
        by_device[device] += size + SPARE
        found = os.statvfs(directory)
        free = found.f_bavail * found.f_frsize
        if by_device[device] > free:
            needed, there = (f"{value / MIB:,.1f} MiB" for value in (by_device[device], free))
            raise ConfigException(f"there is not enough room in {directory}: it takes {needed}, and {there} are free")
