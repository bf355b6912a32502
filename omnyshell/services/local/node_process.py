"""The node of this machine as a process of its own, which outlives whoever started it."""

import os
import signal
import sys
import time
from contextlib import suppress

from omnyshell.services.client.access import without_secrets
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import LocalSetup

LOOK_FOR_HUB = signal.SIGUSR1
"""Tells the node to read where its hub is, and to dial it at once."""

END_IF_IDLE = signal.SIGUSR2
"""Tells the node to end unless it holds sessions."""

POLL = 0.01


class LocalNode:
    """Starts, finds and ends the process. Its pid file's lock says whether it lives, whoever started it."""

    def __init__(self, setup: LocalSetup) -> None:
        self._setup = setup
        self._file = PidFile(setup.node_pid_file)
        self._child: int | None = None

    def pid(self) -> int | None:
        """Return the process that runs this machine's node as its only task; None where there is none."""
        data = self._file.read()
        return data.get("pid") if data is not None and data.get("is_alone") else None

    def start(self) -> None:
        """Have a node: one that is there is told to look for the hub, or a new one starts and waits for it."""
        if not self.look_for_hub() and not self._file.is_held():
            self._spawn()

    def look_for_hub(self) -> bool:
        """Tell the node, where there is one, that its hub serves now."""
        return self._tell(LOOK_FOR_HUB)

    def end_if_idle(self, timeout: float) -> bool:
        """Have the node end unless it holds sessions; tells whether it is gone after at most `timeout` seconds."""
        return self._end(END_IF_IDLE, timeout)

    def end(self, timeout: float) -> bool:
        """Have the node end, and its sessions with it; tells whether it is gone after at most `timeout` seconds."""
        return self._end(signal.SIGTERM, timeout)

    def _end(self, number: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        # One that was just started cannot be told yet.
        while self.pid() is None and self._is_starting() and time.monotonic() < deadline:
            time.sleep(POLL)
        stays = self._stays()
        if not self._tell(number):
            return True
        while self._file.is_held() and self._stays() in (stays, None) and time.monotonic() < deadline:
            time.sleep(POLL)
        self._is_starting()
        return not self._file.is_held()

    def _stays(self) -> int | None:
        """How often the node has answered that it does not end; None while that cannot be read."""
        data = self._file.read()
        return data.get("stays") if data is not None else None

    def _is_starting(self) -> bool:
        """Whether the process that this object started lives; one that has ended is waited for."""
        if self._child is not None:
            with suppress(ChildProcessError):
                if os.waitpid(self._child, os.WNOHANG) == (0, 0):
                    return True
            self._child = None
        return False

    def _tell(self, number: int) -> bool:
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def _spawn(self) -> None:
        self._setup.prepare_directory()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "omnyshell.cli.local.node"],
            without_secrets(os.environ),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._setup.node_log_file), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
