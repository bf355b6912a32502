"""1,000 nodes with their real backoff, and a hub that is killed and comes back."""

import argparse
import asyncio
import time

import uvloop
from support.hub_process import HubProcess
from support.stack import connected_client

from bench.idle_peers import processor_seconds
from omnyshell import OmnyShellNode
from omnyshell.transport.backoff import STABLE_AFTER
from soak.fleet import fleet
from soak.machines import workplace
from soak.report import Figure, report


async def all_registered(nodes: list[OmnyShellNode], seconds: float) -> float:
    """Wait until every node is on the hub's list; returns how long that took, or infinity."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if all(node.registered.is_set() for node in nodes):
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    return float("inf")


async def soak(count: int, outages: list[float]) -> list[Figure]:
    figures = []
    with workplace() as (directory, certificates):
        hub = HubProcess(certificates, directory / "hub", "--node-ids", str(count))
        await hub.start()
        try:
            async with fleet(certificates, hub.port, directory, count) as nodes:
                first = await all_registered(nodes, 60)
                print(f"{count} nodes registered at first after {first:.1f} s", flush=True)
                # For the backoff to begin anew.
                await asyncio.sleep(STABLE_AFTER + 1)
                for outage in outages:
                    hub.kill()
                    await asyncio.sleep(outage)
                    await hub.start()
                    took = await all_registered(nodes, 60)
                    work = processor_seconds(hub.pid)
                    async with connected_client(certificates, hub.port) as client:
                        listed = len(await client.list_nodes())
                    figures.append(
                        Figure(
                            f"{count} nodes, hub killed and back after {outage:g} s",
                            "all registered within 35 s, at most 5 s of it hub work",
                            f"{listed} listed after {took:.1f} s, {work:.1f} s of hub work",
                            took <= 35 and work <= 5 and listed == count,
                        )
                    )
        finally:
            hub.kill()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1000)
    options = parser.parse_args()
    report("many_nodes", *uvloop.run(asyncio.wait_for(soak(options.nodes, [5.0, 60.0]), 300)))


if __name__ == "__main__":
    main()
