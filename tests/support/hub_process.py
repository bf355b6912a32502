"""A hub in a process of its own, to be killed and started again on the same port."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.commands import start_command
from support.deadline import DEADLINE
from support.ports import free_port
from support.stack import GRANTS, Certificates


class OwnedProcess:
    """What a process has whoever started it."""

    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """The process id. It has to run."""
        assert self._process is not None
        return self._process.pid


class HubProcess(OwnedProcess):
    """Started by `start`, ended by `kill`."""

    def __init__(self, certificates: Certificates, state: Path, *options: str) -> None:
        self.port = free_port()
        self.state = state
        self.grants: tuple[str, ...] = GRANTS
        """Who may log in, from the next start on."""

        self.starter: Callable[..., subprocess.Popen[bytes]] = start_command
        """How the program is started."""

        self.log: Path | None = None
        """Where its log goes, if not where the test's own stderr does."""

        self._command = [
            "hub", "start", "--host", "127.0.0.1", "--port", str(self.port), "--state-dir", str(state),
            "--cert", str(certificates.cert), "--key", str(certificates.key), "--log-level", "error",
            *options,
        ]  # fmt: skip

    async def start(self) -> None:
        """Return once it listens."""
        await asyncio.to_thread(self.start_and_wait)

    def start_and_wait(self) -> None:
        """Return once it listens."""
        command = [*self._command, *(f"--grant-token={grant}" for grant in self.grants)]
        with contextlib.nullcontext() if self.log is None else self.log.open("ab") as log:
            self._process = self.starter(*command, stdout=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + DEADLINE
        while not self._listens():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), DEADLINE).close()
        except OSError:
            return False
        return True

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        assert self._process is not None
        return self._process.wait(DEADLINE)

    def kill(self) -> None:
        """End it without any warning. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None


@asynccontextmanager
async def hub_process(certificates: Certificates, state: Path) -> AsyncIterator[HubProcess]:
    """A hub that listens, and is gone afterwards."""
    hub = HubProcess(certificates, state)
    try:
        await hub.start()
        yield hub
    finally:
        hub.kill()
