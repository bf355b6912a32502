"""Peers cut off from their hub, in network namespaces: packets vanish, and nothing is refused. Root only.

Nodes and clients of hub a are back at another one, and what they have open goes on: a client that is cut off from hub
a by itself, and nodes and clients of a hub that is cut off from all. What a first command costs then, and the next.
"""

import asyncio
import contextlib
import dataclasses
import time
from pathlib import Path

from omnyshell import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.known_hubs import KnownHubs
from soak.cluster_partitions import PLACES, PORT, Cluster
from soak.demo_hubs import COMMAND
from soak.divided_network import ENGINE, HUBS, WATCH, divided_network
from soak.hub_killed import STOP, WRITER, Reader
from soak.hub_of_several_killed import gone_on_after
from soak.machines import workplace
from soak.report import Figure, report

GOAL = 35.0
COLD_GOAL = 2.0
"""Seconds for a first command: 0.7 of waiting for the hub that does not answer, and the command."""

SESSIONS = 6


class Reached(Cluster):
    """A cluster whose hubs say where peers reach them: on the network from which the test watches."""

    def _configure(self, place: str, servers: list[str]) -> None:
        super()._configure(place, servers)
        config = Path(self._config(place))
        url = f"wss://{self.network.address(WATCH, place)}:{PORT}"
        config.write_text(f'public-url = ["{url}"]\n{config.read_text()}')

    def start_node(self, node: str, place: str, state: str = "") -> int:
        """Start a node that is on the way to a hub, not on its machine; return its process id."""
        words = ["node", "start", "--id", node, "--hub", f"wss://{self.network.address(WATCH, place)}:{PORT}"]
        words += ["--principal", "box", "--token", "box-token", "--no-keeper", "--run-as-node-user"]
        words += ["--state-dir", str(self.directory / (state or node))]
        return self._start(f"{node}{state}", [*COMMAND, *words])

    def client(self, place: str, principal: str = "ops", token: str = "ops-token") -> OmnyShellClient:
        made = super().client(place, principal, token)
        return OmnyShellClient(dataclasses.replace(made._config, reconnect_timeout=120.0, node_timeout=120.0))


async def cut_under_sessions(cluster: Reached, networks: tuple[str, ...]) -> tuple[float, list[str]]:
    """Cut hub a off under sessions of its clients; return after how many seconds all went on, and what was wrong."""
    readers: list[Reader] = []
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(cluster.client("a"))
        for number in range(SESSIONS):
            command = WRITER.replace("STOP", STOP).replace("PAUSE", "0.05")
            readers.append(Reader(await client.open_session(f"n-{PLACES[number % 3]}", command=command)))
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        await asyncio.sleep(2)
        cluster.network.cut("a", *networks)
        took = await gone_on_after(time.monotonic(), readers)
        cluster.network.join("a", *networks)
        Path(STOP).touch()
        await asyncio.wait(tasks, timeout=60)
        Path(STOP).unlink()
        faults = [fault for reader in readers for fault in reader.faults]
        faults += ["never ended" for task in tasks if not task.done()]
        for task in tasks:
            task.cancel()
    return took, faults


async def cold_commands(cluster: Reached, known: Path) -> list[float]:
    """Have a client that knows all hubs begin while hub a says nothing; return what each of three commands took."""
    access = dataclasses.replace(cluster.client("a")._config.access, known=KnownHubs(known))
    async with OmnyShellClient(ClientConfig(access=access)):
        pass
    cluster.network.cut("a", WATCH)
    took = []
    for _ in range(3):
        access = dataclasses.replace(access, known=KnownHubs(known))
        began = time.monotonic()
        async with OmnyShellClient(ClientConfig(access=access)) as client:
            await client.execute("n-b", "true")
        took.append(time.monotonic() - began)
    cluster.network.join("a", WATCH)
    return took


async def soak(cluster: Reached, known: Path) -> list[Figure]:
    await asyncio.to_thread(cluster.start)
    await cluster.until_whole()
    cold = await cold_commands(cluster, known)
    await cluster.until_whole()
    figures = [
        Figure(
            "a hub whose packets vanish, and commands of a client that knows the others",
            f"the first within {COLD_GOAL:.0f} s, the next without waiting for it",
            ", ".join(f"{seconds:.1f} s" for seconds in cold),
            cold[0] <= COLD_GOAL and max(cold[1:]) < cold[0] / 2,
        )
    ]
    for what, networks in (("its peers", (WATCH,)), ("all", (ENGINE, HUBS, WATCH))):
        took, faults = await cut_under_sessions(cluster, networks)
        await cluster.until_whole()
        figures.append(
            Figure(
                f"one of three hubs cut off from {what} under {SESSIONS} commands of its clients",
                f"all go on within {GOAL:.0f} s, no line lost or doubled",
                f"after {took:.1f} s, {len(faults)} faults",
                took <= GOAL and not faults,
            )
        )
    return figures


def main() -> None:
    with workplace() as (directory, _), divided_network(*PLACES, own_numbers=(11, 12, 13)) as network:
        (directory / "cluster").mkdir()
        cluster = Reached(directory / "cluster", network)
        try:
            figures = asyncio.run(asyncio.wait_for(soak(cluster, directory / "known"), 500))
        finally:
            cluster.stop()
    report("peers_cut_off", *figures)


if __name__ == "__main__":
    main()
