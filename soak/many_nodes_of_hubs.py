"""6,000 nodes over three hubs, of which one is killed and stays away: its nodes go to the other two.

The nodes are real ones, with their backoff, in three processes. How late the event loops of the two hubs are
`soak.watched_loop` says, by a timer of 2 ms: p99 is how long who asks at any moment waits, from the kill on until all
are back. By their metrics, which have a look each half a second, hubs say so too. Beside them, with the same priority,
run a timer alone and a process that does nothing but short steps (`soak.yardstick`): what these wait is the machine's.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import uvloop

from bench.idle_peers import processor_seconds
from omnyshell import HubAccess, HubAddress, NodeConfig, OmnyShellNode, PrincipalId, TokenCredentialProvider
from omnyshell.services import dial
from omnyshell.transport.backoff import STABLE_AFTER
from omnyshell.transport.tls import client_context
from soak.demo_hubs import DemoHubs, demo_hubs
from soak.fleet import quieten, tell_of_nodes
from soak.machines import memory_of, workplace
from soak.report import Figure, report
from soak.watched_loop import TIMES_ONLY, told
from soak.yardstick import yardsticks

PRINCIPAL = "n1"
"""A node of the demo, whose token all of them have."""

BACK_WITHIN, LATE = 35.0, 0.1
SHARE = 0.3
"""Of a core, that a hub takes while nodes come back, and so does what it is held against."""

GRACE = 180.0
AFTERWARDS = 8.0
"""Seconds for which hubs are watched once all are back."""

PLAIN_AT_ONCE = 1000
AT_ONCE = 50
"""Nodes of a process that come at the same time at first; what is measured is how they come back."""

_BUCKET = re.compile(r'omnyshell_(?:hub_)?loop_lag_seconds_bucket\{le="([^"]+)"\} (\d+)')


async def fleet(
    urls: list[str], ca: Path, principal: str, token: Path, directory: Path, first: int, count: int
) -> None:
    """Run nodes until the input ends, and print how many are registered whenever that changes, ten times a second."""
    quieten()
    # Nodes are on machines of their own, and each makes one once.
    dial.client_context = cache(client_context)  # type: ignore[attr-defined]  # which it imports
    credentials = TokenCredentialProvider(PrincipalId(principal), token.read_text().strip())
    homes = [
        HubAccess(address=HubAddress.parse(url), credentials=credentials, ca=ca, connect_timeout=60.0) for url in urls
    ]
    nodes = [
        OmnyShellNode(
            NodeConfig(
                node_id=f"f{number}",
                access=homes[number % len(homes)],
                state_dir=directory / f"f{number}",
                run_as_node_user=True,
            )
        )
        for number in range(first, first + count)
    ]
    running: list[asyncio.Task[None]] = []
    turns = asyncio.Semaphore(AT_ONCE)

    async def start(node: OmnyShellNode) -> None:
        async with turns:
            running.append(asyncio.create_task(node.run()))
            await node.registered.wait()

    starting = [asyncio.create_task(start(node)) for node in nodes]
    await tell_of_nodes(lambda: sum(node.registered.is_set() for node in nodes))
    for task in starting:
        task.cancel()
    await asyncio.gather(*starting, return_exceptions=True)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


class Fleet:
    """A process full of nodes, of which a third dials each hub at first."""

    def __init__(self, words: list[str], home: Path, count: int) -> None:
        """`words` are the module that runs it and what that is given, and `home` is where the process has its state."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMNYSHELL_HOME": str(home)},
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._said = b""
        self.wanted = count

    @property
    def registered(self) -> int:
        assert self._process.stdout is not None
        self._said += self._process.stdout.read() or b""
        lines = self._said.split(b"\n")
        return int(lines[-2]) if len(lines) > 1 else 0

    def begin_to_stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def stop(self) -> None:
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def lags(hubs: DemoHubs, hub: str) -> dict[float, int]:
    """Return how often the loop was late by at most so many seconds."""
    context = ssl.create_default_context(cafile=hubs.ca)
    page = hubs.urls[hub].replace("wss:", "https:") + "/metrics"
    with urllib.request.urlopen(page, context=context, timeout=30) as answer:
        text = answer.read().decode()
    return {float(bound.replace("+Inf", "inf")): int(count) for bound, count in _BUCKET.findall(text)}


def p99(before: dict[float, int], after: dict[float, int]) -> float:
    """Return the bound below which 99 of 100 were."""
    counts = {bound: after[bound] - before.get(bound, 0) for bound in after}
    return min(bound for bound, count in counts.items() if count >= 0.99 * counts[float("inf")])


async def all_registered(fleets: list[Fleet], seconds: float) -> float:
    """Wait until every node is registered; returns how long that took, or infinity."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if all(fleet.registered >= fleet.wanted for fleet in fleets):
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    return float("inf")


async def some_are_missed(fleets: list[Fleet]) -> None:
    """Wait until nodes have noticed that their hub is gone; a busy machine takes them a while."""
    end = time.monotonic() + GRACE
    while all(fleet.registered >= fleet.wanted for fleet in fleets):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


def fleets_of(hubs: DemoHubs, count: int, *, plain: bool) -> list[Fleet]:
    """Start three processes with real nodes, or one with plain ones, which takes far less of the machine."""
    told = [",".join(hubs.urls.values()), str(hubs.ca), PRINCIPAL, str(hubs.directory / "tokens" / PRINCIPAL)]
    home = hubs.directory / "home"
    if plain:
        return [Fleet(["soak.plain_nodes", *told, "0", str(count), str(PLAIN_AT_ONCE)], home, count)]
    real = ["soak.many_nodes_of_hubs", "--fleet", *told, str(hubs.directory / "fleet")]
    each = count // 3
    return [Fleet([*real, str(number * each), str(each)], home, each) for number in range(3)]


async def soak(hubs: DemoHubs, count: int, *, plain: bool, watched: bool, priority: bool) -> list[Figure]:
    files = {hub: hubs.directory / f"loop-{hub}.json" for hub in hubs.pids}
    ahead = ["chrt", "-f", "20"] if priority else []
    only = [] if watched else [TIMES_ONLY]

    def watched_hub(hub: str) -> list[str]:
        return [*ahead, sys.executable, "-m", "soak.watched_loop", *only, str(files[hub])]

    options = ("--node-ids", str(2 * count), "--metrics-from", "loopback")
    await hubs.restart(*options, through=watched_hub)
    others = list(hubs.pids)[1:]
    fleets: list[Fleet] = []
    stack = ExitStack()
    began, at_first = time.monotonic(), [processor_seconds(pid) for pid in hubs.pids.values()]
    try:
        fleets.extend(fleets_of(hubs, count, plain=plain))
        if await all_registered(fleets, GRACE) == float("inf"):
            # As many as this machine starts in that time.
            for each in fleets:
                each.wanted = each.registered
            count = sum(each.wanted for each in fleets)
        first = time.monotonic() - began
        cost = sum(processor_seconds(pid) - before for pid, before in zip(hubs.pids.values(), at_first, strict=True))
        print(f"registered after {first:.1f} s: {[each.registered for each in fleets]}", flush=True)
        beside = stack.enter_context(yardsticks(hubs.directory, [0.0, SHARE], ahead))
        # For the backoff to begin anew.
        await asyncio.sleep(STABLE_AFTER + 1)
        before = {hub: lags(hubs, hub) for hub in others}
        worked = {hub: processor_seconds(hubs.pids[hub]) for hub in others}
        for hub in others:
            os.kill(hubs.pids[hub], signal.SIGUSR1)
        for yardstick in beside:
            yardstick.begin_anew()
        began = time.monotonic()
        hubs.kill_hub("a")
        await some_are_missed(fleets)
        took = time.monotonic() - began + await all_registered(fleets, GRACE)
        own = max(p99(before[hub], lags(hubs, hub)) for hub in others)
        # Each has written a second ago, at most.
        seen = [json.loads(files[hub].read_text()) for hub in others]
        late, step = (max(each[what]["p99"] for each in seen) for what in ("lags", "steps"))
        latest = max(each["lags"]["max"] for each in seen)
        alone, short = (yardstick.late() for yardstick in beside)
        work = sum(processor_seconds(hubs.pids[hub]) - worked[hub] for hub in others)
        memory = max(memory_of(hubs.pids[hub]) for hub in others)
        print([each.registered for each in fleets], flush=True)
        if watched:
            await asyncio.sleep(AFTERWARDS)
            for hub in others:
                print(hub, told(files[hub]), flush=True)
    finally:
        stack.close()
        for each in fleets:
            each.begin_to_stop()
        for each in fleets:
            each.stop()
    return [
        Figure(
            f"{count} {'plain ' if plain else ''}nodes over three hubs, one of which is killed and stays away",
            f"all back within {BACK_WITHIN:.0f} s; the others' loops at most {1000 * LATE:.0f} ms late (p99)",
            f"registered at first after {first:.0f} s, {1000 * cost / count:.1f} ms of the hubs' processor time each; "
            f"back after {took:.1f} s, {work:.1f} s of others' work; late by {1000 * late:.0f} ms at p99, "
            f"steps of {1000 * step:.0f} ms of processor time at p99, {1000 * latest:.0f} ms late at most, "
            f"{1000 * own:.0f} ms by their own looks; beside them a timer alone {1000 * alone:.0f} ms at p99, "
            f"short steps {1000 * short:.0f} ms; "
            f"{memory / 2**20:.0f} MiB at most; load {os.getloadavg()[0]:.0f}",
            took <= BACK_WITHIN and late <= LATE,
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=6000)
    parser.add_argument("--plain", action="store_true", help="nodes that only log in, register and beat")
    parser.add_argument("--watch", action="store_true", help="tell what the long steps of the loops consist of")
    parser.add_argument("--priority", action="store_true", help="let hubs go ahead of all else, by chrt")
    parser.add_argument("--fleet", nargs=7, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fleet:
        urls, ca, principal, token, directory, first, count = options.fleet
        uvloop.run(fleet(urls.split(","), Path(ca), principal, Path(token), Path(directory), int(first), int(count)))
        return
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        figures = asyncio.run(
            asyncio.wait_for(
                soak(hubs, options.nodes, plain=options.plain, watched=options.watch, priority=options.priority), 550
            )
        )
    report("many_nodes_of_hubs", *figures)


if __name__ == "__main__":
    main()
