"""The control group in which the keeper is, and in which the next program is born."""

import os
from contextlib import suppress

from .hierarchy import GONE
from .streams import close_all

_MOST_READ = 4096


class Nest:
    """Its files stay open, as they are read whenever a program begins or ends, while somebody waits."""

    def __init__(self) -> None:
        self.path = ""
        """Its directory; empty where the keeper is in none."""

        self.spare = 0
        """The child that waits in it to become a program; 0 where there is none."""

        self._files: dict[str, int] = {}

    def settle(self, path: str) -> None:
        """It is this one from now on."""
        close_all(self._files.values())
        self.path, self._files = path, {}

    def is_empty(self) -> bool:
        """Tell whether nothing is there but the keeper and its spare child; also where it is gone.

        What cannot be looked at may have a session in it, which would end with the next one that is born there.
        """
        ours = b"%d" % os.getpid(), b"%d" % self.spare
        try:
            return all(line in ours for line in self._contents("cgroup.procs").split())
        except OSError as exc:
            return exc.errno in GONE

    def spent(self) -> bytes:
        """Return the microseconds of processor time that were taken there, by all that ever were."""
        with suppress(OSError, IndexError):
            return self._contents("cpu.stat").split(maxsplit=2)[1]
        return b""

    def _contents(self, name: str) -> bytes:
        fd = self._files.get(name)
        if fd is None:
            fd = self._files[name] = os.open(f"{self.path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(fd, _MOST_READ, 0)
