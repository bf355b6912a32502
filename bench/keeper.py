"""What a keeper costs: a node with one and a node without, taken in turns: `python -m bench.keeper [PART...]`.

Hub and nodes are processes of their own, the client is in this one. Of each part the table has the best and the median
of all rounds, of the time and of the node's own processor time, and how the nodes compare. With `--least` there is
a third one, whose keeper is the smallest that can be.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import least_keeper
from bench.full_screen import FRAMES
from bench.idle_peers import processor_seconds
from omnyshell import OmnyShellClient, PtySpec, SessionMode
from omnyshell.services.node.keeper.place import keeper_command, own_directory
from soak.machines import NodeProcess, workplace

from support.commands import start_installed  # isort: skip
from support.hub_process import HubProcess  # isort: skip
from support.stack import connected_client  # isort: skip

WITHOUT, WITH, LEAST = "without", "with", "least"
PATIENCE = 5.0
"""Seconds in which the smallest keeper ends, if a node was connected to it."""

Run = Callable[[OmnyShellClient, str], Awaitable[None]]


async def execute(client: OmnyShellClient, node: str) -> None:
    for _ in range(20):
        await client.execute(node, args=["/bin/true"])


async def output(client: OmnyShellClient, node: str) -> None:
    session = await client.open_session(node, command="head -c 200000000 /dev/zero")
    async for _ in session:
        pass


async def terminal(client: OmnyShellClient, node: str) -> None:
    line = "0123456789" * 6
    await read_shell(client, node, f"yes {line} | head -c 20000000")


async def full_screen(client: OmnyShellClient, node: str) -> None:
    frame = next(iter(FRAMES.values()))
    await read_shell(client, node, f"exec perl -e 'while ($i < 1000) {{ $i++; {frame} }}'")


async def read_shell(client: OmnyShellClient, node: str, command: str) -> None:
    size = PtySpec(cols=120, rows=40)
    session = await client.open_session(node, mode=SessionMode.SHELL, command=command, pty=size)
    async for _ in session:
        pass


PARTS: dict[str, Run] = {
    "execute": execute,
    "output": output,
    "terminal": terminal,
    "full-screen": full_screen,
}


async def measure(client: OmnyShellClient, run: Run, pids: dict[str, int], rounds: int) -> dict[str, list[list[float]]]:
    """Return for each node the times of all rounds, and its processor times, in milliseconds."""
    took: dict[str, list[list[float]]] = {node: [[], []] for node in pids}
    for _ in range(rounds):
        for node, (times, processor) in random.sample([*took.items()], len(took)):
            before, began = processor_seconds(pids[node]), time.perf_counter()
            await run(client, node)
            times.append(1000 * (time.perf_counter() - began))
            processor.append(1000 * (processor_seconds(pids[node]) - before))
    return took


def report(part: str, took: dict[str, list[list[float]]]) -> None:
    for what, index in (("time", 0), ("processor", 1)):
        without = took[WITHOUT][index]
        print(f"{part:12} {what:10} without {min(without):6.0f} {statistics.median(without):6.0f} ms", flush=True)
        for node in took.keys() - {WITHOUT}:
            kept = took[node][index]
            best, medians = min(without) / min(kept), statistics.median(without) / statistics.median(kept)
            pairs = statistics.median(a / b for a, b in zip(without, kept, strict=True))
            print(
                f"{node:>31} {min(kept):6.0f} {statistics.median(kept):6.0f} ms; "
                f"without / {node}: best {best:.2f}, medians {medians:.2f}, of pairs {pairs:.2f}",
                flush=True,
            )


@contextmanager
def smallest_keeper(state: Path) -> Iterator[None]:
    """A keeper that the node of a state directory finds."""
    directory = own_directory(state)
    directory.mkdir(mode=0o700, parents=True)
    interpreter, *options, _ = keeper_command(directory, user=os.geteuid())[:4]
    with subprocess.Popen([interpreter, *options, least_keeper.__file__, str(directory)]) as keeper:
        while not (directory / "socket").exists() and keeper.poll() is None:
            time.sleep(0.01)
        try:
            yield
            # It ends with the node's connection, and takes its group away.
            keeper.wait(PATIENCE)
        finally:
            keeper.kill()


async def main(parts: list[str], rounds: int, *, least: bool) -> None:
    options = {WITHOUT: "--no-keeper", WITH: "--keeper=true"} | ({LEAST: "--keeper=true"} if least else {})
    with workplace() as (place, certificates), ExitStack() as keepers:
        hub = HubProcess(certificates, place / "hub")
        hub.starter = start_installed
        await hub.start()
        if least:
            keepers.enter_context(smallest_keeper(place / LEAST))
        nodes = {node: NodeProcess(certificates, hub.port, place / node, node, how) for node, how in options.items()}
        try:
            for node in nodes.values():
                node.start()
            async with connected_client(certificates, hub.port) as client:
                while len(await client.list_nodes()) < len(nodes):
                    await asyncio.sleep(0.05)
                pids = {name: node.pid for name, node in nodes.items()}
                for part in parts:
                    report(part, await measure(client, PARTS[part], pids, rounds))
                print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        finally:
            for name, node in nodes.items():
                node.leave() if name == LEAST else node.stop()
            hub.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--least", action="store_true", help="beside the smallest keeper, too")
    options = parser.parse_args()
    asyncio.run(main(options.parts or list(PARTS), options.rounds, least=options.least))
