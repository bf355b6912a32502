"""Half an hour of ordinary work: 100 nodes, 20 commands a second. What grows shows in the slope of the hub's memory."""

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from support.hub_process import HubProcess
from support.stack import connected_client

from omnyshell import OmnyShellClient
from soak.fleet import fleet
from soak.machines import memory_of, workplace
from soak.report import Figure, report

NODES = 100
RATE = 20
SAMPLE_EVERY = 5.0
WARM_UP = 1 / 5
"""Share of the run after which memory is expected to stay as it is."""


@dataclass
class Record:
    """What was seen: one sample of the hub each `SAMPLE_EVERY` seconds, and how the commands ended."""

    hours: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    done: int = 0
    failed: list[str] = field(default_factory=list)

    def sample(self, pid: int, elapsed: float) -> None:
        """Look at the hub."""
        self.hours.append(elapsed / 3600)
        self.megabytes.append(memory_of(pid) / 1e6)
        self.descriptors.append(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))

    def slope(self) -> float:
        """Megabytes an hour, of the straight line through the samples after the warm-up."""
        begin = int(len(self.hours) * WARM_UP)
        return statistics.linear_regression(self.hours[begin:], self.megabytes[begin:]).slope


async def soak(minutes: float) -> list[Figure]:
    with workplace() as (directory, certificates):
        hub = HubProcess(certificates, directory / "hub")
        await hub.start()
        try:
            async with fleet(certificates, hub.port, directory, NODES) as nodes:
                async with asyncio.timeout(60):
                    await asyncio.gather(*(node.registered.wait() for node in nodes))
                async with connected_client(certificates, hub.port) as client:
                    record = await _work(client, hub.pid, minutes * 60)
        finally:
            hub.kill()
    return _figures(record, minutes)


async def _work(client: OmnyShellClient, pid: int, seconds: float) -> Record:
    """Run commands at a steady rate, each on the next node."""
    record, began = Record(), time.monotonic()
    commands = set[asyncio.Task[None]]()
    number = 0
    while (elapsed := time.monotonic() - began) < seconds:
        if elapsed >= len(record.hours) * SAMPLE_EVERY:
            record.sample(pid, elapsed)
        command = asyncio.create_task(_run(client, number, record))
        commands.add(command)
        command.add_done_callback(commands.discard)
        number += 1
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
    await asyncio.gather(*commands)
    return record


async def _run(client: OmnyShellClient, number: int, record: Record) -> None:
    try:
        result = await client.execute(f"n{number % NODES}", f"echo {number}")
        if result.status.code or result.stdout != b"%d\n" % number:
            record.failed.append(f"{result.status}, output {result.stdout!r}")
    except Exception as exc:  # whatever goes wrong is what this looks for
        record.failed.append(repr(exc))
    record.done += 1


def _figures(record: Record, minutes: float) -> list[Figure]:
    for failure in record.failed[:10]:
        print(failure)
    test = f"soak of {minutes:g} min: {NODES} nodes, {RATE} commands a second"
    begin = int(len(record.descriptors) * WARM_UP)
    least, most = min(record.descriptors[begin:]), max(record.descriptors[begin:])
    slope = record.slope()
    return [
        Figure(test, "0 failed", f"{len(record.failed)} of {record.done} failed", not record.failed),
        Figure(
            f"what grows meanwhile, after {minutes * WARM_UP:g} min",
            "memory of the hub under 1 MB an hour, descriptors flat",
            f"{slope:+.2f} MB an hour at {record.megabytes[-1]:.0f} MB, {least} to {most} descriptors",
            slope < 1 and most - least <= RATE,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    report("long_run", *uvloop.run(soak(options.minutes)))


if __name__ == "__main__":
    main()
