"""The node of this machine as a process of its own, which outlives its starter."""

import os
import signal
import sys
import time
from contextlib import suppress

from omnyshell.errors import ConfigException
from omnyshell.services.client.access import without_secrets
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import LocalSetup

LOOK_FOR_HUB = signal.SIGUSR1
"""Tells the node to read its hub's address again, and to dial it at once."""

END_IF_IDLE = signal.SIGUSR2
"""Tells the node to end unless it holds sessions."""

POLL = 0.01


class LocalNode:
    """Starts, finds and ends the process. The lock of its pid file tells whether it lives, whoever started it."""

    def __init__(self, setup: LocalSetup) -> None:
        self._setup = setup
        self._file = PidFile(setup.node_pid_file)
        self._child: int | None = None

    def pid(self) -> int | None:
        """Return the pid of the process that runs only this machine's node; None where there is none."""
        data = self._file.read()
        return data.get("pid") if data is not None and data.get("is_alone") else None

    def is_there(self) -> bool:
        """Whether the process lives, or is starting. Raises `ConfigException` where its file cannot be read."""
        return self._file.is_held() or self._is_starting()

    def start(self) -> None:
        """Ensure that the node runs: tell a running one to look for the hub, or start one, which waits for the hub.

        Raises `ConfigException`.
        """
        if not self.look_for_hub() and not self._file.is_held():
            self._spawn()

    def look_for_hub(self) -> bool:
        """Tell a running node that its hub serves now; return whether there was one."""
        return self._tell(LOOK_FOR_HUB)

    def end_if_idle(self, timeout: float) -> bool:
        """Tell the node to end unless it holds sessions; return whether it ended within `timeout` seconds."""
        return self._end(END_IF_IDLE, timeout)

    def end(self, timeout: float) -> bool:
        """End the node with its sessions; return whether it ended within `timeout` seconds."""
        return self._end(signal.SIGTERM, timeout)

    def _end(self, number: int, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        # A node that was just started has not claimed its pid file yet, and cannot be signalled.
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
        """How many times the node has answered that it stays; None while that cannot be read."""
        data = self._file.read()
        return data.get("stays") if data is not None else None

    def _is_starting(self) -> bool:
        """Whether the process that this object started lives; reaps it if it has ended."""
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
        # Without O_NONBLOCK, a FIFO in the log's place would be waited for.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._child = os.posix_spawn(
                sys.executable,
                # -P: nothing is imported from the directory in which the user happens to be.
                [sys.executable, "-P", "-m", "omnyshell.cli.local.node"],
                without_secrets(os.environ),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self._setup.node_log_file), flags, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as exc:
            log = self._setup.node_log_file
            raise ConfigException(f"cannot start this machine's node, whose log is {log}: {exc.strerror}") from exc
