"""One node id from two processes for minutes, and one process that comes back over half-open connections."""

import argparse
import asyncio
import itertools
import logging
import socket
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
PAUSE = 0.5
"""Seconds after which an attacker is there again."""

LEAST_SHARE = 0.9
MOST_AN_HOUR = 4
NODE = {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64", "hostname": socket.gethostname()}}


def displaced(hub: OmnyShellHub) -> int:
    return sum(record.action == "node.displaced" for record in hub.audit)


def held_off(hub: OmnyShellHub) -> int:
    """Return how many records tell of registrations that were held off."""
    return sum(record.action == "node.held-off" for record in hub.audit)


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
            stack.callback(peer.ws.transport.abort)
        await until(lambda: hub.connections == 1, 30)
        return at_once, displaced(hub)


async def insist(certificates: Certificates, port: int, *, answers: bool) -> None:
    """Take the id whenever it can be had; where that is so, beat as a node does, and answer no close."""
    number = 0
    while True:
        with suppress(ConnectionClosed, OSError):
            async with logged_in(certificates, port, "node", "box") as peer:
                number += 1
                await peer.say("node.register", NODE | {"instance": f"evil-{number}"})
                for beat in itertools.count(1):
                    await peer.say("node.heartbeat", {"nodeId": "n1", "seq": beat, "ts": "2026-01-02T03:04:05Z"})
                    try:
                        async with asyncio.timeout(PAUSE):
                            await peer.ws.wait_closed()
                        break
                    except TimeoutError:
                        if not answers:
                            peer.ws.transport.pause_reading()
                peer.ws.transport.abort()
        await asyncio.sleep(PAUSE)


async def attacked(
    certificates: Certificates, directory: Path, seconds: float, attackers: int
) -> tuple[float, int, int]:
    """Return for which part of the time a node of ours had its id, and what the audit has of it."""
    async with OmnyShellHub(hub_config(certificates)) as hub:
        node = NodeProcess(certificates, hub.port, directory / f"attacked-{attackers}")
        node.start()
        await until(lambda: bool(hub.nodes.online()), 30)
        [own] = [item.registration.instance for item in hub.nodes.connected()]
        tasks = [
            asyncio.create_task(insist(certificates, hub.port, answers=number % 2 == 0)) for number in range(attackers)
        ]
        had = looked = 0
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                await asyncio.sleep(0.1)
                holder = hub.nodes.find("n1")
                looked += 1
                had += holder is not None and holder.registration.instance == own
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(node.stop)
        return had / looked, displaced(hub), held_off(hub)


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
        attacks = {count: asyncio.run(attacked(certificates, directory, options.seconds, count)) for count in (1, 4)}
        taken = asyncio.run(ours(certificates, directory, options.seconds))
    report(
        "attacks.one_id",
        Figure(
            "a node that comes back over a half-open connection",
            f"{COMEBACKS} of {COMEBACKS} at once, none taken for another process",
            f"{at_once} at once, {mistaken} taken for another",
            (at_once, mistaken) == (COMEBACKS, 0),
        ),
        *(
            Figure(
                f"a node whose id {count} with its credential take every {PAUSE:g} s",
                f"has it {LEAST_SHARE:.0%} of the time, displacements at most {MOST_AN_HOUR}",
                f"{share:.1%} of {minutes:g} min, {times} displacements, {records} records of those held off",
                share >= LEAST_SHARE and 1 <= times <= MOST_AN_HOUR,
            )
            for count, (share, times, records) in attacks.items()
        ),
        Figure(
            "two nodes of this version with one id",
            f"at most {MOST_AN_HOUR} takeovers",
            f"{taken} in {minutes:g} min",
            1 <= taken <= MOST_AN_HOUR,
        ),
    )


if __name__ == "__main__":
    main()
