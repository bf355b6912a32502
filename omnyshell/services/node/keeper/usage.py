"""What sessions take of this machine, by their control groups."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omnyshell.keeper.wire import EARLIER

_RESIDENT = 1
"""The place of a process's resident pages in its `statm`."""

_MOST_PROCESSES = 1000
"""The most processes of a session whose memory is counted one by one."""


class Usage(NamedTuple):
    """What a session takes; None is what cannot be known."""

    memory: int | None = None
    """Bytes."""

    cpu_millis: int | None = None
    processes: int | None = None


def usage_of(groups: Mapping[str, str], keeper: int) -> dict[str, Usage]:
    """Return what sessions take, by their ids, of the directories of their groups, without the keeper's process.

    It takes some file reads for each, and more where the system does not count memory: call it in a thread.
    """
    return {session_id: _usage(Path(directory), keeper) for session_id, directory in groups.items()}


def _usage(group: Path, keeper: int) -> Usage:
    with suppress(OSError, ValueError, IndexError):
        # The keeper is in the group for a moment, and is none of the session's.
        pids = [pid for line in (group / "cgroup.procs").read_bytes().split() if (pid := int(line)) != keeper]
        spent = int((group / "cpu.stat").read_bytes().split()[1]) - _earlier(group)
        return Usage(_memory(group, pids), max(0, spent) // 1000, len(pids))
    return Usage()


def _earlier(group: Path) -> int:
    """Return the microseconds that sessions before this one have taken, whose group it was."""
    with suppress(OSError, ValueError):
        return int(os.getxattr(group, EARLIER))
    return 0


def _memory(group: Path, pids: list[int]) -> int:
    with suppress(OSError, ValueError):
        return int((group / "memory.current").read_bytes())
    return sum(map(_resident, pids[:_MOST_PROCESSES])) * os.sysconf("SC_PAGE_SIZE")


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[_RESIDENT])
    return 0
