"""Many nodes of one hub, which is killed and comes back: how late its event loop is while all log in at once.

The nodes are plain ones, in another process. The hub runs under `soak.watched_loop`: what counts is processor time, so
that other processes that want the machine's cores do not count.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support.hub_process import HubProcess
from support.stack import Certificates

from bench.idle_peers import processor_seconds
from soak.machines import memory_of, workplace
from soak.many_nodes_of_hubs import Fleet, all_registered
from soak.report import Figure, report
from soak.watched_loop import told

LATE = 0.1
GRACE = 120.0
AT_ONCE = 1000
AFTERWARDS = 12.0
"""Seconds for which the hub is watched once all are back: what goes on then is periodic work."""


def start_watched(file: Path, priority: bool) -> Any:
    """Return what starts a hub that is watched."""
    ahead = ["chrt", "-r", "1"] if priority else []

    def start(*words: str, **options: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*ahead, sys.executable, "-m", "soak.watched_loop", str(file), *words], **options)

    return start


async def storm(directory: Path, certificates: Certificates, count: int, outage: float, priority: bool) -> list[Figure]:
    file = directory / "loop.json"
    token = directory / "token"
    token.write_text("box-token")
    hub = HubProcess(certificates, directory / "hub", "--node-ids", str(2 * count))
    hub.starter = start_watched(file, priority)
    await hub.start()
    fleets: list[Fleet] = []
    try:
        url = f"wss://127.0.0.1:{hub.port}"
        words = ["soak.plain_nodes", url, str(certificates.ca), "box", str(token), "0", str(count), str(AT_ONCE)]
        fleets.append(Fleet(words, directory / "home", count))
        took = await all_registered(fleets, GRACE)
        # What is behind a registration, as its records, is among what took long, and what told of that is read late.
        await asyncio.sleep(2)
        print(f"at first after {took:.1f} s, {told(file)}", flush=True)
        # The loop is watched from a quiet hub on.
        await asyncio.sleep(3)
        hub.kill()
        await asyncio.sleep(outage)
        began = time.monotonic()
        await hub.start()
        await all_registered(fleets, GRACE)
        took = time.monotonic() - began
        worked, memory = processor_seconds(hub.pid), memory_of(hub.pid)
        await asyncio.sleep(AFTERWARDS)
        text, seen = told(file), json.loads(file.read_text())
    finally:
        for each in fleets:
            each.begin_to_stop()
        for each in fleets:
            each.stop()
        hub.kill()
    print(text, flush=True)
    return [
        Figure(
            f"{count} nodes of one hub come back at once",
            f"no step of its loop takes over {1000 * LATE:.0f} ms of processor time at p99",
            f"after {took:.1f} s, {1000 * worked / count:.1f} ms of the hub's processor time each; "
            f"steps {seen['steps']}; {memory / 2**20:.0f} MiB; load {os.getloadavg()[0]:.0f}",
            seen["steps"]["p99"] <= LATE,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--outage", type=float, default=1.0)
    parser.add_argument("--priority", action="store_true", help="give the hub priority over all else, by chrt")
    options = parser.parse_args()
    with workplace() as (directory, certificates):
        figures = asyncio.run(
            asyncio.wait_for(
                storm(directory, certificates, options.nodes, options.outage, options.priority), 2.5 * GRACE
            )
        )
    report("logins_at_once", *figures)


if __name__ == "__main__":
    main()
