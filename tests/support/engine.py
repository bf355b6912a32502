"""NATS servers for tests: one or three, with the credentials of hubs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.deadline import DEADLINE
from support.ports import free_ports
from support.stack import Certificates

from omnyshell.clock import SystemClock
from omnyshell.security.keys import Ed25519PrivateKey
from omnyshell.services.hub.cluster.members.engine_access import EngineKeys, hub_access, server_access
from omnyshell.services.hub.cluster.nats.connection import Credential

PROGRAM = Path(sys.executable).with_name("nats-server")


class Engine:
    """Servers on loopback; each can be stopped, killed and started again over what it has stored."""

    def __init__(self, directory: Path, servers: int, tls: Certificates | None = None) -> None:
        directory.mkdir(exist_ok=True)
        self.directory, self.keys = directory, EngineKeys.generate()
        self._ports = free_ports(2 * servers)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.count, self._tls = servers, tls
        self.sync = "always"
        """How often the servers write what they acknowledge to disk, from the next start on."""

        self.access = ""
        """Whom the servers believe, in place of this one's own keys, from the next start on."""

    @property
    def urls(self) -> tuple[str, ...]:
        scheme = "tls" if self._tls is not None else "nats"
        return tuple(f"{scheme}://127.0.0.1:{port}" for port in self._ports[: self.count])

    @staticmethod
    def store(directory: Path, number: int) -> Path:
        """Where a server of the engine in that directory stores what it is told."""
        return directory / f"store{number}"

    def credential(self, hub: str, *, founds: bool = True) -> Credential:
        key = Ed25519PrivateKey.generate()
        return Credential(hub_access(self.keys, hub, key.public_key, SystemClock().now(), founds=founds), key)

    def start(self, number: int) -> None:
        path = self._configure(number)
        log = self.directory / f"{number}.log"
        self._processes[number] = subprocess.Popen([str(PROGRAM), "-c", str(path), "-l", str(log)])

    def reload(self, number: int) -> None:
        """Have a server read its configuration again."""
        self._configure(number)
        self.signal(number, signal.SIGHUP)

    def _configure(self, number: int) -> Path:
        path, tls = self.directory / f"{number}.conf", self._tls
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self._ports[self.count :])
        cluster = f"cluster {{ name: tests, listen: 127.0.0.1:{self._ports[self.count + number]}, routes: [{routes}] }}"
        path.write_text(
            f"server_name: s{number}\nlisten: 127.0.0.1:{self._ports[number]}\n"
            f'jetstream {{ store_dir: "{self.store(self.directory, number)}", sync_interval: {self.sync} }}\n'
            + (cluster if self.count > 1 else "")
            + (f'\ntls {{ cert_file: "{tls.cert}", key_file: "{tls.key}" }}' if tls is not None else "")
            + "\n"
            + (self.access or server_access(self.keys, SystemClock().now()))
        )
        return path

    def signal(self, number: int, what: int) -> None:
        os.kill(self._processes[number].pid, what)

    def kill(self, number: int) -> None:
        process = self._processes.pop(number)
        process.kill()
        process.wait(DEADLINE)

    def forget(self, number: int) -> None:
        """Lose what a server has stored."""
        subprocess.run(["rm", "-rf", str(self.store(self.directory, number))], check=True)

    def stop(self) -> None:
        for number in list(self._processes):
            self.signal(number, signal.SIGCONT)
            self.kill(number)


@contextmanager
def running_engine(directory: Path, servers: int = 1, tls: Certificates | None = None) -> Iterator[Engine]:
    engine = Engine(directory, servers, tls)
    try:
        for number in range(servers):
            engine.start(number)
        yield engine
    finally:
        engine.stop()
