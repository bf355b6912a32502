"""The system's table of processes: their sessions, start times, and signals to all processes of a session.

On Linux it is read from /proc; elsewhere only the leader's process group can be reached.
"""

import os
import signal
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

HANG_UP_TIME = 1.5
"""Seconds between the hang-up and the kill, so that a revoked session ends within 2 s even if it ignores signals."""

_PROC = Path("/proc")
_FIELDS_AFTER_NAME = 2
_DEAD = (b"Z", b"X")
_SESSION = 6
_START_TIME = 22


class ProcessIdentity(NamedTuple):
    """A process, identified by its id and its start time, as ids are used again.

    The start time is in clock ticks since boot; 0 where it cannot be known.
    """

    pid: int
    started: int


class ProcessFacts(NamedTuple):
    """A process: its id, that of its session, and its start time, in clock ticks since boot."""

    pid: int
    session: int
    started: int


def facts_of(pid: int) -> ProcessFacts | None:
    """Return the facts of a process; None if there is none, it is a zombie, or the system does not tell."""
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name, in parentheses, may contain any character, spaces and parentheses too.
    fields = text[text.rindex(b")") + 2 :].split()
    if fields[0] in _DEAD:
        return None
    index = -_FIELDS_AFTER_NAME - 1
    session, started = (int(fields[field + index]) for field in (_SESSION, _START_TIME))
    return ProcessFacts(pid, session, started)


def identity_of(pid: int) -> ProcessIdentity:
    """Return the identity of the process that has this id now."""
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
    return (facts for facts in map(facts_of, _all_ids()) if facts is not None)


def _all_ids() -> list[int]:
    with suppress(FileNotFoundError):
        return [int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdecimal()]
    return []


def _members(id_of: Callable[[int], int], wanted: int) -> list[int]:
    """Return the processes of which a function, as `os.getsid`, returns what is wanted, save for zombies.

    To ask the system for each takes a twentieth of the time that it takes to read the facts of all.
    """
    return [pid for pid in _all_ids() if _is(id_of, pid, wanted) and facts_of(pid) is not None]


def _is(id_of: Callable[[int], int], pid: int, wanted: int) -> bool:
    # It may have ended since it was listed.
    with suppress(OSError):
        return id_of(pid) == wanted
    return False


def boot_id() -> str:
    """Return an id of the machine's current boot; empty where it cannot be known."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def session_members(session: int) -> list[int]:
    """Return the processes of a session."""
    return _members(os.getsid, session)


def group_members(group: int) -> list[int]:
    """Return the processes of a process group."""
    return _members(os.getpgid, group)


def pipe_ids(descriptors: Iterable[int]) -> list[str]:
    """Return the system-wide ids of the pipes among these descriptors."""
    found = map(os.fstat, descriptors)
    return [str(each.st_ino) for each in found if stat.S_ISFIFO(each.st_mode)]


def leaders_holding(pipes: Collection[str], since: int) -> set[ProcessIdentity]:
    """Return the leaders of the sessions with a process that has one of these pipes open.

    Sessions that began before `since`, in clock ticks, are left out.
    """
    wanted = {f"pipe:[{pipe}]" for pipe in pipes}
    if not wanted:
        return set()
    holders = (facts for facts in _all_processes() if not wanted.isdisjoint(_open_files(facts.pid)))
    leaders = {identity_of(facts.session) for facts in holders}
    return {leader for leader in leaders if not 0 < leader.started < since}


def _open_files(pid: int) -> Iterator[str]:
    # Other users' processes cannot be read, and a process may end meanwhile.
    with suppress(OSError):
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                yield str(descriptor.readlink())


def signal_session(leader: ProcessIdentity, number: int) -> bool:
    """Signal every process of the session that `leader` leads or led; return whether there was one.

    Nothing is signalled if another process has the leader's id now. Signal 0 only checks for processes.
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
    """Send SIGHUP to every process of the session; return whether there was one."""
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
