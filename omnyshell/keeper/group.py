"""The control group of one session: its processes, signals to all of them, and whose it is."""

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from .hierarchy import GONE, read, write
from .limits import Limits
from .poller import say
from .processes import signal_if
from .wire import EARLIER

if TYPE_CHECKING:
    from .cgroups import Groups

NOTE = "user.omnyshell.session"
"""What is noted at a group: whose session it is, and who has that."""


class Group:
    """The control group of a session."""

    def __init__(self, path: str, groups: "Groups") -> None:
        self.path = path
        self.is_over = False
        """Whether nothing is in it any more, and it may be another session's by now."""

        self.limits = Limits()
        """What is still to be set."""

        self.earlier = b""
        """Microseconds of processor time that were taken in it before its session began; empty for none."""

        self._groups = groups
        self._whose = b""
        self._is_noted = False

    def pids(self) -> list[int]:
        """Return its processes without the keeper and its spare child; none where it cannot be looked at."""
        with suppress(OSError):
            return self._processes()
        return []

    def is_empty(self) -> bool:
        """Tell whether nothing is in it, or it is gone; not where it cannot be looked at."""
        try:
            return not self._processes()
        except OSError as exc:
            return exc.errno in GONE

    def signal(self, number: int) -> None:
        """Signal all processes of it, also those that made sessions of their own."""
        if self.is_over:
            return
        if number == signal.SIGKILL and self._kill():
            return
        for pid in self.pids():
            signal_if(self._has, pid, number)

    def hang_up(self) -> None:
        """Send SIGHUP to all processes of it, and continue those that are stopped."""
        self.signal(signal.SIGHUP)
        self.signal(signal.SIGCONT)

    def note(self, holder: int, node: bytes, name: bytes) -> None:
        """Note whose session it is, and which process has its descriptors: now, or once the keeper leaves it."""
        self._whose = b"%d\0%b\0%b" % (holder, node, name)
        if self.path != self._groups.nest.path:
            self.write_note()

    def write_note(self) -> None:
        """Note what is to be noted. Idempotent."""
        if self._whose and not self.is_over:
            self._is_noted = True
            with suppress(OSError):
                os.setxattr(self.path, NOTE, self._whose)
                if self.earlier:
                    os.setxattr(self.path, EARLIER, self.earlier)

    def remove_note(self) -> None:
        """It is nobody's any more. Idempotent."""
        if self._is_noted:
            self._is_noted = False
            with suppress(OSError):
                os.removexattr(self.path, NOTE)

    def noted(self) -> tuple[int, bytes, bytes]:
        """Return what is noted; nothing where nobody has to have it any more."""
        with suppress(OSError, ValueError):
            holder, node, name = os.getxattr(self.path, NOTE).split(b"\0")
            self._is_noted = True
            return int(holder), node, name
        return 0, b"", b""

    def ended(self) -> None:
        """The session has ended by itself: end what it leaves behind, where its limits say so.

        Where that is nothing, nothing can come into the group any more, and the next session need not look.
        """
        if self.is_over:
            return
        if self._groups.is_empty(self):
            self._groups.vacated(self)
        elif self.limits.kills_left_behind:
            self.signal(signal.SIGKILL)

    def forget(self) -> None:
        """Remove it, now or when the last process has left it, which goes on without anybody. Idempotent."""
        if not self.is_over:
            self.remove_note()
            self._groups.forget(self)

    def limit(self) -> None:
        """Set what all in it may take together; where that cannot be, end it."""
        try:
            for name, value in self.limits.files().items():
                write(f"{self.path}/{name}", value)
        except OSError as exc:
            say(f"{self.path} cannot be limited, and is ended: {exc.strerror}")
            self.signal(signal.SIGKILL)

    def _processes(self) -> list[int]:
        others = (0, os.getpid(), self._groups.nest.spare)
        return [pid for line in read(f"{self.path}/cgroup.procs") if (pid := int(line)) not in others]

    def _has(self, pid: int) -> bool:
        tail = os.fsencode(self.path[self.path[: self.path.rindex("/")].rindex("/") :])
        return any(line.startswith(b"0::") and line.endswith(tail) for line in read(f"/proc/{pid}/cgroup"))

    def _kill(self) -> bool:
        try:
            self._groups.leave(self)
            write(f"{self.path}/cgroup.kill", "1")
        except FileNotFoundError:
            return True
        except OSError as exc:
            say(f"{self.path} cannot be killed at once: {exc.strerror}")
            return False
        return True
