"""One node id from two processes for minutes, and one process that comes back over half-open connections."""

import argparse
import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from support.raw_peer import logged_in, registered
from support.stack import Certificates, hub_config, until
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellHub
from soak.machines import NodeProcess, workplace
from soak.report import Figure, report

COMEBACKS = 50
AT_ONCE = 1.0
FIGHT_PAUSE = 1.0
"""Seconds after which a peer that knows nothing of backing off is there again."""

AT_FIRST, MOST_A_MINUTE = 3, 1


def displaced(hub: OmnyShellHub) -> int:
    return sum(record.action == "node.displaced" for record in hub.audit)


async def come_back(certificates: Certificates) -> tuple[int, int]:
    """Return how often one process had its id back at once, and how often that was taken for another's."""
    at_once = 0
    async with OmnyShellHub(hub_config(certificates)) as hub, AsyncExitStack() as stack:
        for _ in range(COMEBACKS):
            begun = time.monotonic()
            peer = await stack.enter_async_context(registered(certificates, hub.port, instance="one"))
            at_once += time.monotonic() - begun < AT_ONCE
            # From now on it hears nothing, as a machine that is unplugged.
            peer.ws.transport.pause_reading()
        await until(lambda: hub.connections == 1, 30)
        return at_once, displaced(hub)


async def fight(certificates: Certificates, seconds: float) -> int:
    """Return how often two peers that come back within a second took the id from each other."""

    async def insist(port: int) -> None:
        while True:
            with suppress(ConnectionClosed):
                async with logged_in(certificates, port, "node", "box") as peer:
                    await peer.say("node.register", {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64"}})
                    await peer.ws.wait_closed()
            await asyncio.sleep(FIGHT_PAUSE)

    async with OmnyShellHub(hub_config(certificates, heartbeat_timeout=seconds * 2)) as hub:
        tasks = [asyncio.create_task(insist(hub.port)) for _ in range(2)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return displaced(hub)


async def ours(certificates: Certificates, directory: Path, seconds: float) -> int:
    """Return how often two nodes of this version, each a process, took the id from each other."""
    async with OmnyShellHub(hub_config(certificates)) as hub:
        nodes = [NodeProcess(certificates, hub.port, directory / f"node-{number}") for number in range(2)]
        try:
            for node in nodes:
                node.start()
                await until(lambda: bool(hub.nodes.online()), 30)
            await asyncio.sleep(seconds)
        finally:
            for node in nodes:
                await asyncio.to_thread(node.stop)
        return displaced(hub)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    minutes = options.seconds / 60
    with workplace() as (directory, certificates):
        at_once, mistaken = asyncio.run(come_back(certificates))
        fought = asyncio.run(fight(certificates, options.seconds))
        taken = asyncio.run(ours(certificates, directory, options.seconds))
    report(
        "attacks.one_id",
        Figure(
            "a node that comes back over a half-open connection",
            f"{COMEBACKS} of {COMEBACKS} at once, none taken for another process",
            f"{at_once} at once, {mistaken} taken for another",
            (at_once, mistaken) == (COMEBACKS, 0),
        ),
        Figure(
            "two peers that insist on one node id every second",
            f"at most {AT_FIRST} takeovers, and then {MOST_A_MINUTE} a minute",
            f"{fought} in {minutes:g} min",
            fought <= AT_FIRST + MOST_A_MINUTE * minutes,
        ),
        Figure(
            "two nodes of this version with one id",
            "at most 1 takeover a minute",
            f"{taken} in {minutes:g} min",
            1 <= taken <= max(1.0, minutes),
        ),
    )


if __name__ == "__main__":
    main()
