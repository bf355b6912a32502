"""Sessions that are held: their process, their descriptors, and how they ended."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from .group import Group
from .processes import (
    directory_of,
    end_of,
    hang_up,
    has_ended,
    is_member,
    members,
    name_of,
    signal_sessions,
)
from .streams import RECORD, STDERR, STDOUT, TERMINAL
from .wire import GROUP, RUNNING, UNKNOWN

MOST_ENDED = 1000
"""The most ended sessions of a node that are held for it."""

LONGEST_ENDED, LONGEST_LEFT = 24 * 3600, 600
"""Seconds for which they are held; and by a keeper that is of no use otherwise, once their node is gone."""

MOST_LEFT = 256 << 20
"""Bytes that ended sessions may keep in memory whose nodes are gone, all together."""

_BLOCK = 512
_OUTPUTS = {TERMINAL, STDOUT, STDERR}

_LOOKS = 40
"""How often it is asked how a process ended that another one has to wait for."""


class Held:
    """A session. Its leader is waited for only when nothing of it is signalled any more.

    Until then its id, which names the session's processes, cannot become another's.
    """

    def __init__(self, node: bytes, name: bytes, kind: bytes, pid: int, descriptors: dict[bytes, int]) -> None:
        self.node = node
        self.name = name
        self.kind = kind
        self.pid = pid
        self.descriptors = descriptors
        """The keeper's copies, by name, in the order in which a node gets them."""

        self.user, self.uid = b"", b""
        """As whom it runs, by name and number; empty where that is the keeper's own user."""

        self.pidfd = -1
        self.group: Group | None = None
        """What tells its processes from all others, where the machine has that."""

        self.status: int | None = None
        """As `Popen.returncode` has it: negative for a signal."""

        self.ended_at = 0
        self.is_reaped = False
        self.is_child = True
        """Whether the keeper is the leader's parent; it is not of those that a keeper before it has left."""

        self.is_begun = True
        """Whether its program runs, as far as its child does not have to become another user's yet."""

        self.started = 0
        """When the leader was started, where that is known; see `started_at`."""

        self._looks = _LOOKS

    @property
    def state(self) -> bytes:
        """Its exit code, or that it runs, or that nobody can know how it ended."""
        if self.status is not None:
            return b"%d" % self.status
        return UNKNOWN if self.ended_at else RUNNING

    @property
    def has_ended(self) -> bool:
        """Whether its leader has."""
        return self.ended_at > 0

    def look(self) -> bool:
        """Learn whether the leader has ended; `reap_if_done` is to follow."""
        if self.has_ended:
            return True
        if not self.is_child:
            return self._look_at_others()
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            self.note_end()
            return True
        if found is None:
            return False
        self.status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        self.ended_at = _now()
        return True

    def _look_at_others(self) -> bool:
        """Learn it of another's child: how it ended the system may say, once its parent has waited for it."""
        if not has_ended(self.pidfd):
            return False
        self._looks -= 1
        self.status, is_all = end_of(self.pidfd)
        if not is_all and self._looks:
            return False
        self.note_end()
        return True

    def note_end(self) -> None:
        """Note that its leader has ended, and is not to be waited for here; how it ended may be known or not."""
        self.is_reaped, self.ended_at = True, _now()

    def close(self, *names: bytes) -> None:
        """Close the keeper's copies of these. Idempotent."""
        for name in names:
            fd = self.descriptors.pop(name, None)
            if fd is not None:
                os.close(fd)

    @property
    def size(self) -> int:
        """Bytes that its record takes in memory."""
        record = self.descriptors.get(RECORD)
        return os.fstat(record).st_blocks * _BLOCK if record is not None else 0

    def stop_reading(self) -> None:
        """Close the copies of what carries output: nobody reads it, and nothing is signalled any more."""
        self.close(*_OUTPUTS)
        self.reap_if_done()

    def forget(self) -> None:
        """Close all. The leader has ended, or cannot be left to run."""
        self.close(*list(self.descriptors))
        self.reap_if_done()
        if self.group is not None:
            self.group.forget()

    def signal(self, target: bytes, number: int) -> None:
        """Signal the foreground, or all of the session. Who has gone is ignored."""
        if self._has_its_id:
            with suppress(OSError):
                if target == GROUP:
                    self._signal_foreground(number)
                elif number == signal.SIGHUP:
                    hang_up({self.pid})
                else:
                    signal_sessions({self.pid}, number)
        if self.group is not None and target != GROUP:
            self.group.hang_up() if number == signal.SIGHUP else self.group.signal(number)

    def where(self) -> tuple[int, bytes, bytes]:
        """Return the id, name and directory of what is in the foreground, or of the leader."""
        if not self._has_its_id:
            return 0, b"", b""
        group = self._foreground()
        found = set(members({self.pid}, group)) if group else set()
        pid = group if group in found else min(found, default=self.pid)
        told = pid, name_of(pid), directory_of(pid)
        # It may have ended meanwhile, and its id be another's.
        return told if is_member(pid, {self.pid}) else (0, b"", b"")

    @property
    def _has_its_id(self) -> bool:
        """Whether the leader's id, which names the session's processes, cannot be another's."""
        return not self.is_reaped and (self.is_child or not has_ended(self.pidfd))

    def _signal_foreground(self, number: int) -> None:
        """Signal the group in the foreground; the leader's where there is none, or nothing of it is left."""
        group = self._foreground()
        if not (group and signal_sessions({self.pid}, number, group)):
            signal_sessions({self.pid}, number, self.pid)

    def _foreground(self) -> int:
        """Return the id of the terminal's foreground group, which is somebody else's once the group has gone."""
        terminal = self.descriptors.get(TERMINAL)
        if terminal is None:
            return 0
        with suppress(OSError):
            return max(0, os.tcgetpgrp(terminal))
        return 0

    def reap_if_done(self) -> None:
        """Wait for the leader if it has ended, and nothing of the session is read or signalled any more. Idempotent."""
        if self.has_ended and not self.is_reaped and _OUTPUTS.isdisjoint(self.descriptors):
            self.is_reaped = True
            with suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)


class Sessions:
    """All that are held, of all nodes."""

    def __init__(self) -> None:
        self.changed: Callable[[Held], None] = lambda _held: None
        """Called for each session that is new, has closed something, has ended or is forgotten."""

        self._held: dict[tuple[bytes, bytes], Held] = {}

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def find(self, node: bytes, name: bytes) -> Held | None:
        """Return a node's session; None where there is none."""
        return self._held.get((node, name))

    def of(self, node: bytes) -> list[Held]:
        """Return a node's sessions."""
        return [held for held in self if held.node == node]

    def add(self, held: Held) -> None:
        """Hold one more."""
        self._held[held.node, held.name] = held
        self.changed(held)

    def forget(self, held: Held) -> None:
        """Hold it no longer. Idempotent."""
        if self._held.pop((held.node, held.name), None) is not None:
            held.forget()
            self.changed(held)

    def forget_old(self, is_there: Callable[[bytes], bool], longest_left: float = LONGEST_ENDED) -> None:
        """Forget sessions that ended long ago, and those that are too many, or take too much where a node is gone.

        Of each node the newest are kept, and of all that are gone, for `longest_left` seconds.
        """
        now = _now()
        count, size = dict[bytes, int](), 0
        for held in sorted((held for held in self if held.has_ended), key=lambda held: -held.ended_at):
            count[held.node] = count.get(held.node, 0) + 1
            is_left = not is_there(held.node)
            size += held.size if is_left else 0
            is_old = now - held.ended_at > (longest_left if is_left else LONGEST_ENDED)
            if is_old or count[held.node] > MOST_ENDED or (is_left and size > MOST_LEFT):
                self.forget(held)


def _now() -> int:
    """Whole seconds of a clock that goes on through upgrades, from 1."""
    return int(time.monotonic()) + 1
