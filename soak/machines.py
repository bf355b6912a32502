"""Hub and node as processes of their own, in a directory that goes when they do."""

import asyncio
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from support.commands import OMNYSHELL
from support.hub_process import HubProcess, OwnedProcess
from support.stack import Certificates

from omnyshell import CertGenerator
from omnyshell.services.node.keeper.asking import end_keeper

SESSION_MARK = "OMNYSHELL_SESSION_ID"


@contextmanager
def workplace() -> Iterator[tuple[Path, Certificates]]:
    """A directory, and the certificates of a hub on loopback."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        directory = Path(name)
        made = CertGenerator().generate(directory / "certs", ["127.0.0.1", "localhost"])
        os.environ["OMNYSHELL_HOME"] = str(directory / "home")
        yield directory, Certificates(ca=made.ca_pem_path, cert=made.hub_pem_path, key=made.hub_key_path)


class NodeProcess(OwnedProcess):
    """A node that `omnyshell node start` runs."""

    def __init__(self, certificates: Certificates, port: int, state: Path, node_id: str = "n1", *more: str) -> None:
        """Sessions are the node's own user's, unless a file is given with `--config`, which says whose they are."""
        self.state = state
        self._command = [
            OMNYSHELL, "node", "start", "--id", node_id, "--state-dir", str(state), "--log-level", "error",
            "--hub", f"wss://127.0.0.1:{port}", "--principal", "box", "--ca", str(certificates.ca),
            *(() if "--config" in more else ("--run-as-node-user",)), *more,
        ]  # fmt: skip

    def start(self) -> None:
        """Begin; it registers by and by."""
        env = os.environ | {"OMNYSHELL_TOKEN": "box-token", "SHELL": "/bin/bash"}
        self._process = subprocess.Popen(self._command, env=env)

    def kill(self) -> None:
        """End it without any warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as a service manager does, and then its sessions. Idempotent."""
        self.leave()
        end_keeper(self.state)

    def leave(self) -> None:
        """End it as a service manager does, and leave its sessions to its keeper. Idempotent."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(20)


@asynccontextmanager
async def machines(
    *hub_options: str, node_options: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Certificates, HubProcess, NodeProcess]]:
    """A hub that listens and a node on its way."""
    with workplace() as (directory, certificates):
        hub = HubProcess(certificates, directory / "hub", *hub_options)
        node = NodeProcess(certificates, hub.port, directory / "node", "n1", *node_options)
        try:
            await hub.start()
            node.start()
            yield certificates, hub, node
        finally:
            await asyncio.to_thread(node.stop)
            hub.kill()


def descendants(pid: int) -> set[int]:
    """Return the processes that a process started, and those that they did."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, ahead = set[int](), [pid]
    while ahead:
        for child in parents.get(ahead.pop(), ()):
            found.add(child)
            ahead.append(child)
    return found


def memory_of(pid: int) -> int:
    """Return a process's resident memory, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def running(marker: str) -> int:
    """Return how many processes have this text in their command line."""
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            count += entry.name.isdigit() and marker.encode() in (entry / "cmdline").read_bytes()
        except OSError:
            continue
    return count


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition, at most so long; returns whether it came."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(0.02)
    return True
