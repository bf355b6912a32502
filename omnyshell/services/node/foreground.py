"""What runs in the foreground of a terminal, and where: from its foreground process group, by way of /proc."""

import os
from pathlib import Path

from omnyshell.services.node.backend import Foreground
from omnyshell.services.node.process_table import group_members

MAX_COMMAND = 256
"""Characters of a command line that are told."""

_PROC = Path("/proc")


def foreground_of(terminal: int) -> Foreground:
    """Return what the foreground process group of a terminal, given by a descriptor of its master, is doing."""
    try:
        group = os.tcgetpgrp(terminal)
    except OSError:
        return Foreground()
    if group <= 0:
        return Foreground()
    # The group's leader may have ended before the rest of its pipeline.
    leader = _describe(group)
    if leader.command is not None:
        return leader
    others = (_describe(pid) for pid in group_members(group))
    return next((found for found in others if found.command is not None), Foreground())


def _describe(pid: int) -> Foreground:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return Foreground()
    text = " ".join(word.decode(errors="replace") for word in words)
    # A login shell's name begins with a dash.
    command = text.removeprefix("-")[:MAX_COMMAND]
    return Foreground(command or None, _directory(pid))


def _directory(pid: int) -> str | None:
    try:
        return os.fsencode((_PROC / str(pid) / "cwd").readlink()).decode(errors="replace")
    except OSError:
        return None
