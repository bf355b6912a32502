"""What a second hub on the way costs: `python -m bench.over_hubs [FIGURE...]`. Needs `sshd` and `nats-server`.

The hubs are those of `omnyshell cluster demo`. Over two hubs is a client of hub a at a node of hub b, over one the same
client's program at hub b. They take turns with `ssh -J` over two hosts, each a hop like a hub, so that a busy moment of
the machine hits all of them: ratios are what counts.
"""

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.compare_ssh import ECHO, best, echo_ms, flooding, report
from bench.idle_peers import processor_seconds
from bench.peers import OMNYSHELL, OpenSsh, open_ssh
from soak.demo_hubs import DemoHubs, demo_hubs

ONE, TWO, SSH = "one hub", "two hubs", "ssh -J a,b"
NODE_HUB, OTHER_HUB = "b", "a"
CLIENT_HUB = {ONE: NODE_HUB, TWO: OTHER_HUB}


class Bench:
    """The demo, and sshd beside it."""

    def __init__(self, hubs: DemoHubs, ssh: OpenSsh, megabytes: int) -> None:
        self._hubs, self._ssh, self._megabytes = hubs, ssh, megabytes
        self.node = hubs.node_of[NODE_HUB]

    def output(self) -> None:
        """Throughput of a command's output, and what processor time all processes on the way take."""
        runs: dict[str, list[tuple[float, float]]] = {ONE: [], TWO: [], SSH: []}
        for _ in range(ROUNDS):
            for way, taken in runs.items():
                taken.append(self._flood(way))
        rates = {way: self._megabytes / min(time for time, _ in taken) for way, taken in runs.items()}
        report("output of a command, MB/s", rates, TWO, {ONE: ">= 0.6", SSH: ">= 1.8"})
        costs = {way: statistics.median(cost for _, cost in runs[way]) * 1000 / self._megabytes for way in CLIENT_HUB}
        report("processor time of hubs, node and client, s a GB", costs, TWO, {ONE: "<= 1.6"})

    def echo(self) -> None:
        """A keystroke's way through a PTY and back."""
        figures = best({way: lambda way=way: self._echo(way) for way in CLIENT_HUB}, ROUNDS)
        report("keystroke echo p50, ms", figures, TWO, {ONE: "<= 1.45"})

    def echo_beside_bulk(self) -> None:
        """The same beside another session's flood: over the same link, and over the same hub."""

        def beside(way: str) -> float:
            with flooding(self._exec("yes"), self._hubs.env(CLIENT_HUB[way])):
                return self._echo(way)

        figures = best({way: lambda way=way: beside(way) for way in CLIENT_HUB}, ROUNDS)
        report("keystroke echo p50 beside a flood on the same way, ms", figures, TWO, {ONE: "<= 1.45"})

    def execute(self) -> None:
        """A command on an open connection."""
        figures = best({way: lambda way=way: asyncio.run(self._execute(way)) for way in CLIENT_HUB}, ROUNDS)
        report("a command on an open connection, ms", figures, TWO, {ONE: "<= 1.5"})

    def _exec(self, command: str) -> list[str]:
        return [OMNYSHELL, "exec", self.node, command]

    def _echo(self, way: str) -> float:
        return echo_ms([OMNYSHELL, "connect", self.node, "--", ECHO], self._hubs.env(CLIENT_HUB[way]))

    def _flood(self, way: str) -> tuple[float, float]:
        """Return seconds, and seconds of processor time."""
        flood = f"head -c {self._megabytes}000000 /dev/zero"
        if way == SSH:
            command, env, pids = self._ssh.over_two(flood), None, []
        else:
            command, env = self._exec(flood), self._hubs.env(CLIENT_HUB[way])
            pids = [*(self._hubs.pids[hub] for hub in (NODE_HUB, OTHER_HUB)), self._hubs.nodes[self.node]]
        before, began = sum(map(processor_seconds, pids)) + _of_children(), time.perf_counter()
        subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        taken = time.perf_counter() - began
        return taken, sum(map(processor_seconds, pids)) + _of_children() - before

    async def _execute(self, way: str) -> float:
        async with self._hubs.client(CLIENT_HUB[way]) as client:
            taken = []
            for _ in range(50):
                began = time.perf_counter()
                await client.execute(self.node, "true")
                taken.append(time.perf_counter() - began)
        return statistics.median(taken) * 1000


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


ROUNDS = 5
FIGURES: dict[str, Callable[[Bench], None]] = {
    "output": Bench.output,
    "echo": Bench.echo,
    "echo_beside_bulk": Bench.echo_beside_bulk,
    "execute": Bench.execute,
}


def main() -> None:
    """Run what was asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*FIGURES, []], help="figures to measure; all if none is given")
    parser.add_argument("--megabytes", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)
        with open_ssh(directory) as ssh, demo_hubs(directory) as hubs:
            bench = Bench(hubs, ssh, options.megabytes)
            for name in options.only or FIGURES:
                FIGURES[name](bench)
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
