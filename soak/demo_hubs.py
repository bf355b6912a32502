"""`omnyshell cluster demo` in a process of its own: three hubs, three servers of their engine and five nodes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omnyshell import HubAccess, HubAddress, OmnyShellClient, OmnyShellException, PrincipalId, TokenCredentialProvider
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.hub.cluster.links.written import read_links
from omnyshell.services.hub.cluster.members.identity import ClusterFiles

_RUN = "import sys; from omnyshell.cli.main import main; sys.argv[0] = 'omnyshell'; main()"
COMMAND = [sys.executable, "-P", "-c", _RUN]
READY = 60.0


class DemoHubs:
    """A demo that runs. Its hubs and servers can be killed, and started again as they were."""

    def __init__(self, directory: Path) -> None:
        told = json.loads((directory / "cluster.json").read_text())
        self.directory = directory
        self.urls: dict[str, str] = {hub["id"]: hub["url"] for hub in told["hubs"]}
        self.pids: dict[str, int] = {hub["id"]: hub["pid"] for hub in told["hubs"]}
        self.servers: list[int] = [server["pid"] for server in told["nats"]]
        self.nodes: dict[str, int] = {node["id"]: node["pid"] for node in told["nodes"]}
        self.node_of: dict[str, str] = {node["hub"]: node["id"] for node in told["nodes"]}
        self._principal, self.ca = told["principal"], Path(told["ca"])
        self._token_file = Path(told["token_file"])
        self._restarted: list[subprocess.Popen[bytes]] = []

    def state(self, hub: str) -> Path:
        return self.directory / f"hub-{hub}"

    def log(self, hub: str) -> str:
        return (self.directory / "logs" / f"hub-{hub}.log").read_text()

    def client(self, hub: str, **options: Any) -> OmnyShellClient:
        return OmnyShellClient(ClientConfig(access=self.access(hub, self._principal), **options))

    def access(self, hub: str, principal: str) -> HubAccess:
        return HubAccess(
            address=HubAddress.parse(self.urls[hub]),
            credentials=TokenCredentialProvider(PrincipalId(principal), self._token(principal)),
            ca=self.ca,
            connect_timeout=60.0,
        )

    def _token(self, principal: str) -> str:
        return (self._token_file.parent / principal).read_text().strip()

    def env(self, hub: str) -> dict[str, str]:
        """Variables by which a command goes to a hub."""
        return os.environ | {
            "OMNYSHELL_HUB": self.urls[hub],
            "OMNYSHELL_PRINCIPAL": self._principal,
            "OMNYSHELL_TOKEN": self._token(self._principal),
            "OMNYSHELL_CA": str(self.ca),
            "OMNYSHELL_HOME": str(self.directory / "home"),
        }

    def omnyshell(self, hub: str, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [*COMMAND, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=self.env(hub))

    async def until_whole(self) -> None:
        """Wait until each hub reaches all nodes, and has links with all others."""
        for hub in self.pids:
            while len(self.links_of(hub)) < len(self.pids) - 1 or not await self._has_all_nodes(hub):
                await asyncio.sleep(0.2)

    async def _has_all_nodes(self, hub: str) -> bool:
        try:
            async with self.client(hub) as client:
                return len(await client.list_nodes()) >= len(self.nodes)
        except OmnyShellException:
            return False

    def links_of(self, hub: str) -> set[str]:
        """The hubs to which a hub says that it has links."""
        return set(read_links(ClusterFiles(self.state(hub)).directory))

    def kill_hub(self, hub: str) -> list[str]:
        """Kill a hub; return the command that starts it again."""
        return _kill(self.pids[hub])

    def start_hub(self, hub: str, command: list[str]) -> None:
        """Start a hub again; it listens by and by."""
        self.pids[hub] = self._start(f"hub-{hub}", command)

    async def restart(self, *options: str, through: Callable[[str], list[str]] | None = None) -> None:
        """Start all hubs again with these options, one after another; `through` returns what runs one in its place."""
        for hub in self.pids:
            command = self.kill_hub(hub)
            if through is not None:
                command = [*through(hub), *command[command.index("hub") :]]
            self.start_hub(hub, [*command, *options])
            await self.until_whole()

    def server_command(self, number: int) -> list[str]:
        """Return the command by which a server of the engine was started."""
        return _command(self.servers[number])

    def kill_server(self, number: int) -> list[str]:
        """Kill a server of the engine; return the command that starts it again."""
        return _kill(self.servers[number])

    def start_server(self, number: int, command: list[str]) -> None:
        self.servers[number] = self._start(f"engine-{number}", command)

    def _start(self, name: str, command: list[str]) -> int:
        env = os.environ | {"OMNYSHELL_HOME": str(self.directory / "home")}
        with (self.directory / "logs" / f"{name}.log").open("ab") as log:
            self._restarted.append(subprocess.Popen(command, stdout=log, stderr=log, env=env))
        return self._restarted[-1].pid

    def stop(self) -> None:
        """End what was started again; the demo ends the rest."""
        for process in self._restarted:
            process.kill()
            process.wait()


def _kill(pid: int) -> list[str]:
    command = _command(pid)
    os.kill(pid, signal.SIGKILL)
    # It holds its files and its port until it has gone, which takes a busy machine a while.
    end = time.monotonic() + READY
    while _is_running(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return command


def _command(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def _is_running(pid: int) -> bool:
    # A thread that waits for the disk outlives the first one, with all that the process holds.
    return any(map(_is_alive, Path(f"/proc/{pid}/task").glob("*/stat")))


def _is_alive(thread: Path) -> bool:
    try:
        return thread.read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@contextmanager
def demo_hubs(place: Path) -> Iterator[DemoHubs]:
    """A demo that is ready, in a directory of its own beneath `place`; all of it ends."""
    directory = place / "hubs"
    demo = subprocess.Popen([*COMMAND, "cluster", "demo", "--dir", str(directory)], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + READY
        while not (directory / "cluster.json").exists():
            assert demo.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        hubs = DemoHubs(directory)
        try:
            yield hubs
        finally:
            hubs.stop()
    finally:
        demo.terminate()
        demo.wait(60)
