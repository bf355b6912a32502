"""Checks that there is disk space for files that are about to be written."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.protocol.limits import MIB

SPARE = MIB
"""Bytes that must be free in addition, for directories, notes and other writers."""


def check_room(needs: Iterable[tuple[Path, int]]) -> None:
    """Compare the bytes needed in each directory, which need not exist yet, with the free space.

    Raises `ConfigException` if there is less, and `OSError`.
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
