"""The processes of sessions: read from /proc, or with psutil where there is none."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from omnyshell.model.grammars import MAX_FACT
from omnyshell.model.vitals import SessionProcess
from omnyshell.printable import printable
from omnyshell.protocol.messages.vitals import LONGEST_COMMAND

_PROC = Path("/proc")
_CUT = 4 * LONGEST_COMMAND
"""Bytes of a command line that are read: it may have megabytes."""

# Places in /proc/PID/stat, counted from the state, which follows the name.
_PARENT, _SESSION, _USER_TIME, _SYSTEM_TIME, _RESIDENT = 1, 3, 11, 12, 21


class _Found(NamedTuple):
    """A process of this machine; times and memory are in the system's units."""

    pid: int
    parent: int
    session: int
    name: str
    ticks: int
    pages: int


def processes_of(leaders: Mapping[int, str]) -> list[SessionProcess]:
    """Return the processes of sessions, given by the ids of their leaders and of themselves, the leaders first.

    What was started in a session belongs to it, also where it made a session of its own. It takes milliseconds, and
    longer where users are looked up on another machine: call it in a thread.
    """
    if not leaders:
        return []
    if _PROC.joinpath("self", "stat").exists():
        return [_described(found, of) for found, of in _members(list(_all()), leaders)]
    return list(_by_psutil(leaders))


def _all() -> Iterator[_Found]:
    for entry in os.scandir(_PROC):
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                yield _read(int(entry.name), Path(entry.path, "stat").read_bytes())


def _read(pid: int, stat: bytes) -> _Found:
    # The name, in parentheses, may hold anything, parentheses too.
    start, end = stat.index(b"("), stat.rindex(b")")
    fields = stat[end + 2 :].split()
    parent, session, user, system, pages = (
        int(fields[at]) for at in (_PARENT, _SESSION, _USER_TIME, _SYSTEM_TIME, _RESIDENT)
    )
    return _Found(pid, parent, session, stat[start + 1 : end].decode(errors="replace"), user + system, pages)


def _members(found: list[_Found], leaders: Mapping[int, str]) -> list[tuple[_Found, str]]:
    """Return each process that belongs to a session, with that session's id, parents before their children."""
    children: dict[int, list[_Found]] = {}
    for each in found:
        children.setdefault(each.parent, []).append(each)
    belonging: dict[int, tuple[_Found, str]] = {}
    waiting = [(each, leaders[each.pid]) for each in found if each.pid in leaders]
    # Who has lost its parent is known by its session.
    waiting += [(each, leaders[each.session]) for each in found if each.session in leaders]
    for each, of in waiting:
        if each.pid not in belonging:
            belonging[each.pid] = each, of
            waiting += [(child, of) for child in children.get(each.pid, ())]
    return list(belonging.values())


def _described(found: _Found, session_id: str) -> SessionProcess:
    return SessionProcess(
        session_id=session_id,
        pid=found.pid,
        parent=found.parent,
        user=_user(found.pid),
        command=_command(_arguments(found.pid), found.name),
        cpu_millis=found.ticks * 1000 // os.sysconf("SC_CLK_TCK"),
        memory=found.pages * os.sysconf("SC_PAGE_SIZE"),
    )


def _arguments(pid: int) -> list[str]:
    with suppress(OSError), (_PROC / str(pid) / "cmdline").open("rb") as file:
        return file.read(_CUT).rstrip(b"\0").decode(errors="replace").split("\0")
    return []


def _command(arguments: list[str], name: str) -> str:
    line = shlex.join(arguments) if any(arguments) else f"[{name}]"
    return printable(line[:LONGEST_COMMAND])


def _user(pid: int) -> str:
    import pwd

    with suppress(OSError):
        number = (_PROC / str(pid)).stat().st_uid
        with suppress(KeyError):
            return printable(pwd.getpwuid(number).pw_name)[:MAX_FACT]
        return str(number)
    return ""


def _by_psutil(leaders: Mapping[int, str]) -> Iterator[SessionProcess]:
    try:
        psutil = import_module("psutil")
    except ImportError:
        return
    for pid, session_id in leaders.items():
        with suppress(psutil.Error):
            leader = psutil.Process(pid)
            for process in (leader, *leader.children(recursive=True)):
                with suppress(psutil.Error):
                    yield _of_psutil(process, session_id)


def _of_psutil(process: Any, session_id: str) -> SessionProcess:
    times = process.cpu_times()
    return SessionProcess(
        session_id=session_id,
        pid=process.pid,
        parent=process.ppid(),
        user=printable(process.username())[:MAX_FACT],
        command=_command(process.cmdline(), process.name()),
        cpu_millis=int(1000 * (times.user + times.system)),
        memory=process.memory_info().rss,
    )
