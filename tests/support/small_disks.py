"""Disks that are small enough to be filled, where this machine lets its root mount any."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, kibibytes: int) -> Iterator[Path]:
    """Mount one meanwhile; skip the test where that cannot be."""
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    options = f"size={kibibytes}k,mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Write to the disk until it is full, to the last byte."""
    path = disk / "filler"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for piece in (bytes(65536), b"\0"):
        with suppress(OSError):
            while True:
                os.write(fd, piece)
    os.close(fd)
    return path
