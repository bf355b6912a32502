"""One of three hubs is cut off from the engine, from the other hubs, and from both, in network namespaces. Root only.

Meanwhile commands are run, users are added, one is revoked, and where all is cut off another process takes a node's id.
"""

import asyncio
import contextlib
import itertools
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from omnyshell import (
    CertGenerator,
    HubAccess,
    HubAddress,
    OmnyShellClient,
    OmnyShellException,
    PrincipalId,
    TokenCredentialProvider,
)
from omnyshell.cli.cluster.processes import engine_program
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.hub.cluster.links.written import read_links
from omnyshell.services.hub.cluster.members.identity import ENGINE_CONFIG, ClusterFiles
from soak.demo_hubs import COMMAND
from soak.divided_network import ENGINE, HUBS, WATCH, DividedNetwork, divided_network
from soak.machines import until
from soak.report import Figure, report

PLACES = ("a", "b", "c")
SERVERS = (11, 12, 13)
PORT, LINKS_PORT, ENGINE_PORT, ROUTES_PORT = 8443, 7444, 4222, 6222
CUT = 25.0
"""Seconds that a hub is cut off: longer than a lease."""

REVOKED_WITHIN, HEALED_WITHIN, STARTED_WITHIN = 2.0, 30.0, 60.0


class Cluster:
    """Hubs a, b and c with a node each, set up by the commands of docs/cluster.md."""

    def __init__(self, directory: Path, network: DividedNetwork) -> None:
        self.directory, self.network = directory, network
        self._processes: list[subprocess.Popen[bytes]] = []
        addresses = [network.address(net, place) for net in (WATCH, HUBS) for place in PLACES]
        own = [network.own_address(ENGINE, number) for number in SERVERS]
        self._made = CertGenerator().generate(directory / "certificates", [*addresses, *own, "127.0.0.1"])
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("OMNYSHELL_")}
        self._env |= {"OMNYSHELL_HOME": str(directory / "home"), "OMNYSHELL_CA": str(self._made.ca_pem_path)}
        (directory / "grants").write_text("ops:ops-token:admin\nbox:box-token:node\n")
        (directory / "grants").chmod(0o600)

    # Setting up

    def start(self) -> None:
        servers = [f"tls://{self.network.own_address(ENGINE, number)}:{ENGINE_PORT}" for number in SERVERS]
        for place in PLACES:
            self._configure(place, servers)
        engines = [word for server in servers for word in ("--engine", server)]
        self._run("a", "cluster", "init", "a", "--hub-config", self._config("a"), *engines)
        for number in SERVERS:
            self._start_server(number)
        self._start_hub("a")
        deadline = time.monotonic() + STARTED_WITHIN
        while self.ask("a", "users", "list").returncode:
            assert time.monotonic() < deadline
        for place in PLACES[1:]:
            line = self._run("a", "cluster", "invite", place, "--hub-config", self._config("a")).split()[-1]
            self._run(place, "hub", "join", line, "--hub-config", self._config(place))
            self._start_hub(place)
        for place in PLACES:
            self.start_node(f"n-{place}", place)

    def _configure(self, place: str, servers: list[str]) -> None:
        links = f"{self.network.address(HUBS, place)}:{LINKS_PORT}"
        Path(self._config(place)).write_text(
            f'host = "0.0.0.0"\nport = {PORT}\nstate-dir = "{self.state(place)}"\n'
            f'cert = "{self._made.hub_pem_path}"\nkey = "{self._made.hub_key_path}"\n'
            f'grant-token-file = "{self.directory}/grants"\n'
            f'[cluster]\nengine = {servers}\nengine-ca = "{self._made.ca_pem_path}"\nlinks = "{links}"\n'
        )

    def _config(self, place: str) -> str:
        return str(self.directory / f"{place}.toml")

    def state(self, place: str) -> Path:
        return self.directory / f"hub-{place}"

    def _start_server(self, number: int) -> None:
        address = self.network.own_address(ENGINE, number)
        routes = ", ".join(f'"nats://{self.network.own_address(ENGINE, other)}:{ROUTES_PORT}"' for other in SERVERS)
        config = self.directory / f"engine-{number}.conf"
        config.write_text(
            f"server_name: s{number}\nlisten: {address}:{ENGINE_PORT}\n"
            f'tls {{ cert_file: "{self._made.hub_pem_path}", key_file: "{self._made.hub_key_path}" }}\n'
            f'jetstream {{ store_dir: "{self.directory}/engine-{number}", sync_interval: always }}\n'
            f"cluster {{ name: soak, listen: {address}:{ROUTES_PORT}, routes: [{routes}] }}\n"
            f"include {os.path.relpath(self.state('a') / 'cluster' / ENGINE_CONFIG, self.directory)}\n"
        )
        self._start(f"engine-{number}", [engine_program(), "-c", str(config)])

    def _start_hub(self, place: str) -> None:
        self._start(place, self.network.command(place, *COMMAND, "hub", "start", "--config", self._config(place)))

    def start_node(self, node: str, place: str, state: str = "") -> int:
        """Start a node beside a hub; return its process id."""
        words = ["node", "start", "--id", node, "--hub", f"wss://{self.network.address(WATCH, place)}:{PORT}"]
        words += ["--principal", "box", "--token", "box-token", "--no-keeper", "--run-as-node-user"]
        words += ["--state-dir", str(self.directory / (state or node))]
        return self._start(f"{node}{state}", self.network.command(place, *COMMAND, *words))

    def _start(self, name: str, command: list[str]) -> int:
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, env=self._env, stdout=log, stderr=log))
        return self._processes[-1].pid

    def _run(self, place: str, *words: str) -> str:
        command = self.network.command(place, *COMMAND, *words)
        return subprocess.run(command, env=self._env, capture_output=True, text=True, check=True, timeout=60).stdout

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()

    # Use

    def client(self, place: str, principal: str = "ops", token: str = "ops-token") -> OmnyShellClient:
        access = HubAccess(
            address=HubAddress(self.network.address(WATCH, place), PORT),
            credentials=TokenCredentialProvider(PrincipalId(principal), token),
            ca=self._made.ca_pem_path,
        )
        return OmnyShellClient(ClientConfig(access=access))

    def ask(self, place: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the client's, as the admin, at a hub."""
        env = self._env | {
            "OMNYSHELL_HUB": f"wss://{self.network.address(WATCH, place)}:{PORT}",
            "OMNYSHELL_PRINCIPAL": "ops",
            "OMNYSHELL_TOKEN": "ops-token",
        }
        command = [*COMMAND, *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    def links_of(self, place: str) -> set[str]:
        return set(read_links(ClusterFiles(self.state(place)).directory))

    async def until_whole(self) -> None:
        async with asyncio.timeout(120):
            for place in PLACES:
                async with self.client(place) as client:
                    while len(await client.list_nodes()) < len(PLACES) or len(self.links_of(place)) < len(PLACES) - 1:
                        await asyncio.sleep(0.2)


@dataclass
class Watched:
    """What comes of commands, by the hub that was asked and the node, and of users that are added."""

    processes: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """The node's processes that answered, one after another, without repetition."""

    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)


async def keep_running(cluster: Cluster, way: tuple[str, str], watched: Watched) -> None:
    while True:
        with contextlib.suppress(OmnyShellException):
            async with cluster.client(way[0]) as client:
                while True:
                    await one_command(client, way, watched)
                    await asyncio.sleep(0.2)
        watched.failed[way] += 1
        await asyncio.sleep(0.2)


async def one_command(client: OmnyShellClient, way: tuple[str, str], watched: Watched) -> None:
    try:
        said = (await client.execute(way[1], "echo $PPID", timeout=10)).stdout
    except OmnyShellException:
        watched.failed[way] += 1
        return
    watched.done[way] += 1
    process, answered = int(said), watched.processes.setdefault(way, [])
    if not answered or answered[-1] != process:
        answered.append(process)


async def keep_adding(cluster: Cluster, place: str, names: Iterator[str], watched: Watched) -> None:
    while True:
        name = next(names)
        done = await asyncio.to_thread(cluster.ask, place, "users", "add", name, "--role", "dev")
        if done.returncode == 0:
            watched.acknowledged.add(name)
        await asyncio.sleep(0.5)


async def revoked_after(cluster: Cluster, name: str, at: str, live_at: str) -> float:
    """Revoke a user at one hub who is connected at another; return how long that lasted from then on, in seconds."""
    made = await asyncio.to_thread(cluster.ask, at, "users", "revoke", name)
    began = time.monotonic()
    assert made.returncode == 0, made.stderr
    client = VICTIMS[name, live_at]
    await until(lambda: not client.is_connected, HEALED_WITHIN)
    return time.monotonic() - began


VICTIMS: dict[tuple[str, str], OmnyShellClient] = {}


async def add_victim(cluster: Cluster, stack: contextlib.AsyncExitStack, name: str, live_at: str) -> None:
    """Have a user be connected at a hub."""
    cluster.ask("c", "users", "add", name, "--role", "dev")
    token = re.search(r"\S{20,}", cluster.ask("c", "tokens", "add", name).stdout)
    assert token is not None
    deadline = time.monotonic() + HEALED_WITHIN
    while name not in cluster.ask(live_at, "users", "list").stdout:
        assert time.monotonic() < deadline
    client = cluster.client(live_at, name, token[0])
    VICTIMS[name, live_at] = await stack.enter_async_context(client)


async def cut_off(cluster: Cluster, networks: tuple[str, ...], names: Iterator[str]) -> tuple[Watched, float, float]:
    """Cut hub a off, and join it again.

    Returns what was watched, how long a user that is revoked at a stayed at b, and after how long all was whole again.
    """
    watched, victim = Watched(), next(names)
    async with contextlib.AsyncExitStack() as stack:
        await add_victim(cluster, stack, victim, "b")
        ways = list(itertools.product(PLACES, (f"n-{place}" for place in PLACES)))
        tasks = [asyncio.create_task(keep_running(cluster, way, watched)) for way in ways]
        tasks += [asyncio.create_task(keep_adding(cluster, place, names, watched)) for place in PLACES]
        try:
            await asyncio.sleep(3)
            cluster.network.cut("a", *networks)
            began = time.monotonic()
            await asyncio.sleep(6)
            revoked = float("nan")
            if len(networks) == 1:
                revoked = await revoked_after(cluster, victim, "a", "b")
            await asyncio.sleep(max(0.0, CUT - (time.monotonic() - began)))
            cluster.network.join("a", *networks)
            healed = time.monotonic()
            await cluster.until_whole()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return watched, revoked, time.monotonic() - healed


def lost(cluster: Cluster, watched: Watched) -> dict[str, set[str]]:
    """Return which changes that were acknowledged a hub does not have, in the end."""
    missing: dict[str, set[str]] = {}
    for place in PLACES:
        end = time.monotonic() + HEALED_WITHIN
        while (gone := watched.acknowledged - set(cluster.ask(place, "users", "list").stdout.split())) and (
            time.monotonic() < end
        ):
            time.sleep(0.5)
        if gone:
            missing[place] = gone
    return missing


async def from_one(
    cluster: Cluster, network: str, what: str, unharmed: set[tuple[str, str]], names: Iterator[str]
) -> Figure:
    watched, revoked, healed = await cut_off(cluster, (network,), names)
    failed = sum(watched.failed[way] for way in unharmed)
    missing = lost(cluster, watched)
    return Figure(
        f"one of three hubs cut off from {what} for {CUT:.0f} s",
        f"commands go on, no acknowledged change lost, who is revoked there is out within {REVOKED_WITHIN:.0f} s",
        f"{sum(watched.done[way] for way in unharmed)} commands, {failed} failed; {len(watched.acknowledged)} changes, "
        f"{sum(map(len, missing.values()))} lost; revoked after {revoked:.1f} s; whole after {healed:.1f} s",
        not failed and not missing and revoked <= REVOKED_WITHIN,
    )


async def from_both(cluster: Cluster, names: Iterator[str]) -> Figure:
    """Meanwhile another process takes the id of the node at the hub that is cut off."""
    second: list[int] = []

    async def come() -> None:
        await asyncio.sleep(5)
        second.append(cluster.start_node("n-a", "b", "second"))

    coming = asyncio.create_task(come())
    watched, _, healed = await cut_off(cluster, (ENGINE, HUBS), names)
    await coming
    missing = lost(cluster, watched)
    first = watched.processes["a", "n-a"][0]
    rights = ([first], [first, second[0]], [second[0]])
    back = [place for place in PLACES if watched.processes.get((place, "n-a"), [first]) not in rights]
    is_one = await all_reach(cluster, "n-a", second[0])
    return Figure(
        f"one of three hubs cut off from all for {CUT:.0f} s, another process takes its node's id",
        "no process served by two hubs, no acknowledged change lost; in the end all reach the one that came last",
        f"its own node: {watched.done['a', 'n-a']} commands, {watched.failed['a', 'n-a']} failed; hubs at which the "
        f"older process came behind the newer: {len(back)}; {len(watched.acknowledged)} changes, "
        f"{sum(map(len, missing.values()))} lost; whole after {healed:.1f} s; all reach the newer: {is_one}",
        not back and not missing and is_one,
    )


async def all_reach(cluster: Cluster, node: str, process: int) -> bool:
    """Tell whether all hubs come to have that process of a node."""
    end = time.monotonic() + HEALED_WITHIN
    reached: set[int] = set()
    while reached != {process} and time.monotonic() < end:
        reached = set()
        for place in PLACES:
            with contextlib.suppress(OmnyShellException):
                async with cluster.client(place) as client:
                    reached.add(int((await client.execute(node, "echo $PPID", timeout=10)).stdout))
    return reached == {process}


async def soak(cluster: Cluster) -> list[Figure]:
    await asyncio.to_thread(cluster.start)
    await cluster.until_whole()
    names = (f"u{number}" for number in itertools.count())
    everywhere = set(itertools.product(PLACES, (f"n-{place}" for place in PLACES)))
    within = {way for way in everywhere if ("a" in (way[0], way[1][-1])) is (way == ("a", "n-a"))}
    return [
        await from_one(cluster, ENGINE, "the engine", everywhere, names),
        await from_one(cluster, HUBS, "the other hubs", within, names),
        await from_both(cluster, names),
    ]


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as name,
        divided_network(*PLACES, own_numbers=SERVERS) as network,
    ):
        cluster = Cluster(Path(name), network)
        try:
            figures = asyncio.run(asyncio.wait_for(soak(cluster), 500))
        finally:
            cluster.stop()
    report("cluster_partitions", *figures)


if __name__ == "__main__":
    main()
