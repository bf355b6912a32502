"""What the system knows of processes: sessions, start times, and ending all that belongs together.

Linux tells through /proc; elsewhere only the leader's process group can be reached.
"""

import os
import signal
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

HANG_UP_TIME = 1.5
"""Seconds between the hang-up and the kill: what is revoked has ended after 2 s, whatever it ignores."""

_PROC = Path("/proc")
_FIELDS_AFTER_NAME = 2
_DEAD = (b"Z", b"X")
_GROUP = 5
_SESSION = 6
_START_TIME = 22


class ProcessIdentity(NamedTuple):
    """A process, told from others that have its id before or after it by when it started.

    That is counted in clock ticks since the machine did; 0 where it cannot be known.
    """

    pid: int
    started: int


class ProcessFacts(NamedTuple):
    """A process: its id, its group's and its session's, and when it started, in clock ticks since the machine did."""

    pid: int
    group: int
    session: int
    started: int


def facts_of(pid: int) -> ProcessFacts | None:
    """Return what is known of a process; None where there is none, it is a zombie, or nothing can be known."""
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    fields = text[text.rindex(b")") + 2 :].split()
    if fields[0] in _DEAD:
        return None
    index = -_FIELDS_AFTER_NAME - 1
    group, session, started = (int(fields[field + index]) for field in (_GROUP, _SESSION, _START_TIME))
    return ProcessFacts(pid, group, session, started)


def identity_of(pid: int) -> ProcessIdentity:
    """Return what tells the process from others that get its id."""
    facts = facts_of(pid)
    return ProcessIdentity(pid, facts.started if facts is not None else 0)


def is_alive(process: ProcessIdentity) -> bool:
    """Tell whether the process has not ended yet."""
    if _PROC.joinpath("self").exists():
        facts = facts_of(process.pid)
        return facts is not None and facts.started == process.started
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _all_processes() -> Iterator[ProcessFacts]:
    found = (facts_of(int(entry.name)) for entry in _PROC.glob("[0-9]*"))
    return (facts for facts in found if facts is not None)


def boot_id() -> str:
    """Return what tells this run of the machine from earlier ones; empty where it cannot be known."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def session_members(session: int) -> list[int]:
    """Return the processes of a session."""
    return [facts.pid for facts in _all_processes() if facts.session == session]


def group_members(group: int) -> list[int]:
    """Return the processes of a process group."""
    return [facts.pid for facts in _all_processes() if facts.group == group]


def pipe_ids(descriptors: Iterable[int]) -> list[str]:
    """Return what tells the pipes among these descriptors from all others."""
    found = map(os.fstat, descriptors)
    return [str(each.st_ino) for each in found if stat.S_ISFIFO(each.st_mode)]


def leaders_holding(pipes: Collection[str], since: int) -> set[ProcessIdentity]:
    """Return who leads the sessions whose processes have one of these pipes open.

    Sessions that began before `since`, in clock ticks, are left out.
    """
    wanted = {f"pipe:[{pipe}]" for pipe in pipes}
    if not wanted:
        return set()
    holders = (facts for facts in _all_processes() if not wanted.isdisjoint(_open_files(facts.pid)))
    leaders = {identity_of(facts.session) for facts in holders}
    return {leader for leader in leaders if not 0 < leader.started < since}


def _open_files(pid: int) -> Iterator[str]:
    # Of other users nothing can be seen, and a process may end meanwhile.
    with suppress(OSError):
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                yield str(descriptor.readlink())


def signal_session(leader: ProcessIdentity, number: int) -> bool:
    """Signal every process of the session that this one leads, or led; returns whether there was one.

    Where another process has the leader's id now, nothing is signalled. Signal 0 only looks.
    """
    if _PROC.joinpath("self").exists():
        present = facts_of(leader.pid)
        if present is not None and present.started != leader.started:
            return False
        members = session_members(leader.pid)
        for pid in members:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        return bool(members)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, number)
        return True
    return False


def hang_up(leader: ProcessIdentity) -> bool:
    """Tell every process of the session to end; returns whether there was one."""
    was_there = signal_session(leader, signal.SIGHUP)
    if was_there:
        # A stopped process acts on the hang-up only when it is continued.
        signal_session(leader, signal.SIGCONT)
    return was_there


def signal_number(name: str) -> int | None:
    """Return the number of a signal named with or without SIG, in any case; None for an unknown one."""
    upper = name.strip().upper()
    full = upper if upper.startswith("SIG") else f"SIG{upper}"
    try:
        return int(signal.Signals[full])
    except KeyError:
        return None


def signal_name(number: int) -> str:
    """Return the name of a signal, `SIGKILL` say."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
