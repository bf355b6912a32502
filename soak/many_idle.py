"""5,000 nodes that do nothing but beat, and what they cost the hub over ten minutes."""

import argparse
import asyncio
import time

import uvloop
from support.hub_process import HubProcess
from support.stack import access

from bench.idle_peers import beat, connect_node, processor_seconds
from omnyshell.errors import TransportException
from omnyshell.services.dial import HubAccess
from omnyshell.transport.connection import OmnyShellConnection
from soak.machines import memory_of, workplace
from soak.report import Figure, report

AT_ONCE = 20
COMES_AGAIN = 1.0
SAMPLE_EVERY = 5.0
MEGABYTE = 1e6


async def arrive(reach: HubAccess, node_id: str, gate: asyncio.Semaphore) -> OmnyShellConnection:
    """Connect, and come again as nodes do where too many come from one address at once."""
    while True:
        try:
            return await connect_node(reach, node_id, gate)
        except TransportException:
            await asyncio.sleep(COMES_AGAIN)


async def soak(count: int, minutes: float) -> list[Figure]:
    with workplace() as (directory, certificates):
        hub = HubProcess(certificates, directory / "hub", "--node-ids", str(count))
        await hub.start()
        try:
            gate = asyncio.Semaphore(AT_ONCE)
            reach = access(certificates, hub.port, "box")
            nodes = await asyncio.gather(*(arrive(reach, f"idle-{number}", gate) for number in range(count)))
            beating = [asyncio.create_task(beat(node, number, count)) for number, node in enumerate(nodes)]
            used, began, most = processor_seconds(hub.pid), time.monotonic(), 0.0
            while time.monotonic() - began < minutes * 60:
                await asyncio.sleep(SAMPLE_EVERY)
                most = max(most, memory_of(hub.pid) / MEGABYTE)
            share = (processor_seconds(hub.pid) - used) / (time.monotonic() - began)
            alive = sum(node.is_open for node in nodes)
            for task in beating:
                task.cancel()
            await asyncio.gather(*(node.close() for node in nodes))
        finally:
            hub.kill()
    return [
        Figure(
            f"{count} idle nodes for {minutes:g} min",
            "all stay; at most 300 MB, at most a quarter of a core",
            f"{alive} stay; {most:.0f} MB at most, {share:.1%} of a core",
            alive == count and most <= 300 and share <= 0.25,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    report("many_idle", *uvloop.run(soak(options.nodes, options.minutes)))


if __name__ == "__main__":
    main()
