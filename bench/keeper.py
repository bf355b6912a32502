"""What a keeper costs: commands one after the other, on a node with one and a node without, taken in turns.

Hub and client are in this process, each node is one of its own.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from omnyshell import OmnyShellClient, OmnyShellHub
from tests.support.stack import Certificates, connected_client, hub_config

ROUNDS = 300
NODES = {"without": "--no-keeper", "with": "--keeper=true"}


def start_node(place: Path, certificates: Certificates, port: int, node: str, option: str) -> subprocess.Popen:
    words = ["--hub", f"wss://127.0.0.1:{port}", "--ca", str(certificates.ca), "--principal", "box", "--id", node]
    command = [str(Path(sys.executable).with_name("omnyshell")), "node", "start", "--run-as-node-user", *words, option]
    env = dict(os.environ, OMNYSHELL_TOKEN="box-token")
    return subprocess.Popen([*command, "--state-dir", str(place / node), "--log-level", "error"], env=env)


async def there(client: OmnyShellClient) -> None:
    while len(await client.list_nodes()) < len(NODES):
        await asyncio.sleep(0.05)


async def measure(client: OmnyShellClient, rounds: int) -> dict[str, list[float]]:
    took = {node: [] for node in NODES}
    for _ in range(rounds):
        for node, times in took.items():
            began = time.perf_counter()
            await client.execute(node, args=["/bin/true"])
            times.append(1000 * (time.perf_counter() - began))
    return took


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        certificates = Certificates.made(place / "certs", "127.0.0.1")
        async with OmnyShellHub(hub_config(certificates)) as hub, connected_client(certificates, hub.port) as client:
            nodes = [start_node(place, certificates, hub.port, *each) for each in NODES.items()]
            try:
                await there(client)
                took = await measure(client, rounds)
            finally:
                for node in nodes:
                    node.terminate()
                    node.wait()
    for node, times in took.items():
        low, median, high = statistics.quantiles(times, n=4)
        print(f"{node:8} least {min(times):.2f}, quartiles {low:.2f} {median:.2f} {high:.2f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
