"""`omnyshell cluster demo`: three hubs, their engine and five nodes, on this machine alone."""

import argparse
import asyncio
import shutil
import time
from pathlib import Path
from shlex import quote

import msgspec

from omnyshell.cli.cluster.processes import Processes, engine_program
from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.output import announce
from omnyshell.cli.ground.service import set_up_logging, watch_signals
from omnyshell.clock import SystemClock
from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.ids import PrincipalId, new_secure_token
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.paths import user_path
from omnyshell.security.cert_generator import CA_CERT_FILE, CA_KEY_FILE, HUB_CERT_FILE, HUB_KEY_FILE, CertGenerator
from omnyshell.security.credentials import TokenCredentialProvider
from omnyshell.security.files import make_private_directory, write_private
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess
from omnyshell.services.hub.cluster.joining import join
from omnyshell.services.hub.cluster.links.written import read_links
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles
from omnyshell.services.hub.cluster.members.invitation import found, invite
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.transport.connection import HubAddress

HUBS, SERVERS = ("a", "b", "c"), 3
NODES = {"n1": "a", "n2": "a", "n3": "b", "n4": "b", "n5": "c"}
HOST, PRINCIPAL = "127.0.0.1", "ops"
READY_TIMEOUT = 60.0
_PAUSE = 0.1
MARK = ".omnyshell-cluster-demo"
"""A file that says that the directory is a demo's, which may be replaced."""

RESULT = "cluster.json"


def demo(options: argparse.Namespace) -> int:
    """Run it until a signal ends it, with all that it started."""
    set_up_logging("warning")
    return run(_serve(_cleared(user_path(options.dir).absolute())))


def _cleared(directory: Path) -> Path:
    """Empty a directory of an earlier demo. Raises `ConfigException` where it holds anything else."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).exists():
            raise ConfigException(f"{directory} holds something else: name a directory that is empty, or not there")
        shutil.rmtree(directory)
    make_private_directory(directory)
    (directory / MARK).touch()
    return directory


async def _serve(directory: Path) -> int:
    stopped = watch_signals()
    processes = Processes(directory / "logs", {"OMNYSHELL_HOME": str(directory / "home")})
    try:
        demonstration = Demo(directory, processes)
        starting = asyncio.create_task(demonstration.start())
        ending = asyncio.create_task(stopped.wait())
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 0
        starting.result()
        for line in demonstration.how_to_use():
            announce(line)
        await ending
    finally:
        await processes.stop()
    return 0


class Demo:
    """What is started, and where."""

    def __init__(self, directory: Path, processes: Processes) -> None:
        self._directory = directory
        self._processes = processes
        ports = processes.free_ports(2 * SERVERS + 2 * len(HUBS))
        self._engine_ports, self._route_ports = ports[:SERVERS], ports[SERVERS : 2 * SERVERS]
        for_hubs, for_links = ports[2 * SERVERS : -len(HUBS)], ports[-len(HUBS) :]
        self._hub_ports = dict(zip(HUBS, for_hubs, strict=True))
        self._link_ports = dict(zip(HUBS, for_links, strict=True))
        self._tokens = {name: new_secure_token() for name in (PRINCIPAL, *NODES)}
        self._authority = self._certificates(HUBS[0]) / CA_CERT_FILE

    @property
    def _urls(self) -> tuple[str, ...]:
        return tuple(f"nats://{HOST}:{port}" for port in self._engine_ports)

    async def start(self) -> None:
        """Start all, and return when it serves. Raises `OmnyShellException` where something does not."""
        self._write_files()
        first, *others = HUBS
        found(ClusterFiles(self._state(first)), first, self._urls, SystemClock().now())
        self._start_engine(self._state(first) / "cluster" / ENGINE_CONFIG)
        await self._start_hubs(first)
        for hub in others:
            line = invite(ClusterFiles(self._state(first)), hub, SystemClock().now())
            await join(ClusterFiles(self._state(hub)), line, ClusterSettings(), SystemClock())
        await self._start_hubs(*others)
        for node, hub in NODES.items():
            self._start_node(node, hub)
        for hub in HUBS:
            await self._until_all_is_reached(hub)
        self._write_result()

    def how_to_use(self) -> list[str]:
        """Return the lines that say what can be done now."""
        first = HUBS[0]
        access = {"HUB": self._url(first), "PRINCIPAL": PRINCIPAL, "TOKEN_FILE": self._token_file(PRINCIPAL)}
        variables = [
            f"OMNYSHELL_{name}={quote(str(value))}" for name, value in {**access, "CA": self._authority}.items()
        ]
        urls = [f"  {hub}  {self._url(hub)}  nodes {', '.join(self._nodes_of(hub))}" for hub in HUBS]
        return [
            "three hubs share what is true and who is where; a node is reached through any of them:",
            *urls,
            f"addresses and process ids are in {self._directory / RESULT}; try, in another terminal:",
            f"  export {' '.join(variables)}",
            "  omnyshell nodes list",
            f"  omnyshell exec {self._nodes_of(HUBS[-1])[0]} hostname",
            "  omnyshell users add ann --role developer",
            f"  omnyshell users list --hub {self._url(HUBS[1])}",
            f"  omnyshell cluster status --hub-config {self._settings(first)}",
            "ctrl+c ends all of it",
        ]

    # Files

    def _write_files(self) -> None:
        for hub in HUBS:
            # One authority, so that one file is trusted for all, and a key of its own for each.
            files = self._certificates(hub)
            make_private_directory(files)
            if hub != HUBS[0]:
                for name in (CA_CERT_FILE, CA_KEY_FILE):
                    shutil.copy2(self._certificates(HUBS[0]) / name, files / name)
            CertGenerator().generate(files, (HOST, "localhost"))
        grants = [f"{PRINCIPAL}:{self._tokens[PRINCIPAL]}:{ADMIN_ROLE}"]
        grants += [f"{node}:{self._tokens[node]}:node" for node in NODES]
        write_private(self._directory / "grants", "\n".join([*grants, ""]).encode())
        for name, token in self._tokens.items():
            write_private(self._token_file(name), f"{token}\n".encode())

    def _write_result(self) -> None:
        pid = self._processes.pid
        result = {
            "ca": str(self._authority),
            "principal": PRINCIPAL,
            "token_file": str(self._token_file(PRINCIPAL)),
            "hubs": [{"id": hub, "url": self._url(hub), "pid": pid(f"hub-{hub}")} for hub in HUBS],
            "nodes": [{"id": node, "hub": hub, "pid": pid(f"node-{node}")} for node, hub in NODES.items()],
            "nats": [{"url": url, "pid": pid(f"engine-{number}")} for number, url in enumerate(self._urls)],
        }
        shown = msgspec.json.format(msgspec.json.encode(result), indent=2)
        write_private(self._directory / RESULT, shown + b"\n")

    def _state(self, hub: str) -> Path:
        return self._directory / f"hub-{hub}"

    def _settings(self, hub: str) -> Path:
        return self._directory / f"hub-{hub}.toml"

    def _certificates(self, hub: str) -> Path:
        return self._directory / f"hub-{hub}-certificates"

    def _token_file(self, name: str) -> Path:
        return self._directory / "tokens" / name

    def _url(self, hub: str) -> str:
        return f"wss://{HOST}:{self._hub_ports[hub]}"

    def _nodes_of(self, hub: str) -> list[str]:
        return [node for node, its_hub in NODES.items() if its_hub == hub]

    # Processes

    def _start_engine(self, access: Path) -> None:
        program = engine_program()
        routes = ", ".join(f'"nats://{HOST}:{port}"' for port in self._route_ports)
        for number in range(SERVERS):
            name = f"engine-{number}"
            store, config = self._directory / name, self._directory / f"{name}.conf"
            write_private(
                config,
                f"""server_name: {name}
listen: "{HOST}:{self._engine_ports[number]}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
cluster {{ name: demo, listen: "{HOST}:{self._route_ports[number]}", routes: [{routes}] }}
include "{access.relative_to(self._directory)}"
""".encode(),
            )
            self._processes.start(name, [program, "-c", str(config)])

    async def _start_hubs(self, *hubs: str) -> None:
        for hub in hubs:
            settings = self._settings(hub)
            write_private(settings, self._config_of(hub).encode())
            self._processes.start_own(f"hub-{hub}", ["hub", "start", "--config", str(settings)])
        for hub in hubs:
            await self._processes.until_listening(f"hub-{hub}", self._hub_ports[hub], READY_TIMEOUT)

    def _config_of(self, hub: str) -> str:
        """Return all settings of a hub, as its `hub.toml` is what commands are told by --hub-config."""
        files = self._certificates(hub)
        return f"""host = "{HOST}"
port = {self._hub_ports[hub]}
cert = "{files / HUB_CERT_FILE}"
key = "{files / HUB_KEY_FILE}"
grant-token-file = "{self._directory / "grants"}"
state-dir = "{self._state(hub)}"
public-url = "{self._url(hub)}"

[cluster]
links = "{HOST}:{self._link_ports[hub]}"
"""

    def _start_node(self, node: str, hub: str) -> None:
        words = ["node", "start", "--id", node, "--hub", self._url(hub), "--principal", node]
        words += ["--token-file", str(self._token_file(node)), "--ca", str(self._authority)]
        words += ["--state-dir", str(self._directory / "nodes" / node), "--run-as-node-user"]
        # What runs in it ends with the demo; a keeper would hold it beyond that.
        words += ["--no-keeper"]
        self._processes.start_own(f"node-{node}", words)

    async def _until_all_is_reached(self, hub: str) -> None:
        """Wait until a hub knows all nodes, and has links with the hubs that have them."""
        access = HubAccess(
            address=HubAddress(HOST, self._hub_ports[hub]),
            credentials=TokenCredentialProvider(PrincipalId(PRINCIPAL), self._tokens[PRINCIPAL]),
            ca=self._authority,
        )
        links, end = ClusterFiles(self._state(hub)).directory, time.monotonic() + READY_TIMEOUT
        async with OmnyShellClient(ClientConfig(access=access)) as client:
            while missing := (set(NODES) - {node.node_id for node in await client.list_nodes()}) | (
                set(HUBS) - {hub} - set(read_links(links))
            ):
                if time.monotonic() > end:
                    raise OmnyShellException(f"hub '{hub}' does not reach {', '.join(sorted(missing))}")
                await asyncio.sleep(_PAUSE)
