"""`kill -9` of one of three hubs under shells and commands that write numbered lines, within hubs and over two.

Nodes and clients go on at the other two. No line is lost or doubled. The hub is started again after that, and the next
one is killed when all of them reach all nodes. Then one is stopped for a while, and goes on.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

from omnyshell import OmnyShellClient, PtySpec, SessionMode
from soak.demo_hubs import DemoHubs, demo_hubs
from soak.hub_killed import MARK, PAUSES, STOP, WRITER, Reader
from soak.machines import running, until, workplace
from soak.report import Figure, report

GOAL, GOAL_OF_STOPPED = 10.0, 35.0
STOPPED = 20.0
"""Seconds that a hub is stopped: longer than its lease."""

GRACE = 60.0
"""Seconds after which a round is given up."""

LATER = 1.0
"""Seconds behind the kill in which what was under way comes out: what comes after that was resumed."""


async def open_writers(hubs: DemoHubs, clients: dict[str, OmnyShellClient], shells: int, execs: int) -> list[Reader]:
    """Open sessions from each hub at the nodes of each, in turns."""
    ways = itertools.cycle(itertools.product(clients, hubs.nodes))
    readers = []
    for number, (hub, node) in zip(range(shells + execs), ways, strict=False):
        mode = SessionMode.SHELL if number < shells else SessionMode.EXEC
        command = WRITER.replace("STOP", STOP).replace("PAUSE", str(PAUSES[number % 3]))
        pty = PtySpec() if number < shells else None
        readers.append(Reader(await clients[hub].open_session(node, mode=mode, command=command, pty=pty)))
    return readers


async def one_round(hubs: DemoHubs, hub: str, readers: list[Reader]) -> float:
    """Kill a hub; return when every session had gone on, in seconds after that, and start it again."""
    began = time.monotonic()
    command = hubs.kill_hub(hub)
    took = await gone_on_after(began, readers)
    hubs.start_hub(hub, command)
    return took


async def one_stop(hubs: DemoHubs, hub: str, readers: list[Reader]) -> float:
    """Stop a hub for a while; return when every session had gone on, in seconds after the stop."""
    began = time.monotonic()
    os.kill(hubs.pids[hub], signal.SIGSTOP)
    asyncio.get_running_loop().call_later(STOPPED, os.kill, hubs.pids[hub], signal.SIGCONT)
    return await gone_on_after(began, readers)


async def gone_on_after(began: float, readers: list[Reader]) -> float:
    await asyncio.sleep(LATER)
    lines = [reader.lines for reader in readers]

    def have_gone_on() -> bool:
        return all(
            reader.lines > before and not reader.session.is_suspended
            for reader, before in zip(readers, lines, strict=True)
        )

    return time.monotonic() - began if await until(have_gone_on, GRACE) else float("inf")


async def soak(hubs: DemoHubs, rounds: int, shells: int, execs: int) -> tuple[list[Reader], list[float], float]:
    """Return who read, and after how long all went on: behind each kill, and behind the stop."""
    times = []
    async with contextlib.AsyncExitStack() as stack:
        clients = {hub: await stack.enter_async_context(hubs.client(hub, reconnect_timeout=120.0)) for hub in hubs.pids}
        readers = await open_writers(hubs, clients, shells, execs)
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        try:
            for number, hub in zip(range(rounds), itertools.cycle(hubs.pids), strict=False):
                times.append(await one_round(hubs, hub, readers))
                faults = [fault for reader in readers for fault in reader.faults]
                print(
                    f"round {number + 1}, hub {hub}: all went on after {times[-1]:.1f} s, faults {faults[:3]}",
                    flush=True,
                )
                await hubs.until_whole()
            stopped = await one_stop(hubs, next(iter(hubs.pids)), readers)
            print(f"stopped: all went on after {stopped:.1f} s", flush=True)
            await asyncio.sleep(STOPPED)
        finally:
            Path(STOP).touch()
            await asyncio.wait(tasks, timeout=30)
            Path(STOP).unlink()
        for reader, task in zip(readers, tasks, strict=True):
            if not task.done():
                reader.faults.append("never ended")
                task.cancel()
    return readers, times, stopped


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    shells, execs = 50, 20
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        readers, times, stopped = asyncio.run(soak(hubs, options.rounds, shells, execs))
    faults = [fault for reader in readers for fault in reader.faults]
    for fault in faults[:20]:
        print("fault:", fault)
    lines = sum(reader.lines for reader in readers)
    orphans = running(MARK)
    report(
        "hub_of_several_killed",
        Figure(
            f"one of three hubs killed {options.rounds} times under {shells} shells and {execs} execs",
            f"all go on within {GOAL:.0f} s, no line lost or doubled, 0 orphans",
            f"worst {max(times):.1f} s, {lines} lines, {len(faults)} faults, {orphans} orphans; "
            f"load {os.getloadavg()[0]:.0f}",
            max(times) <= GOAL and not faults and not orphans,
        ),
        Figure(
            f"one of three hubs stopped for {STOPPED:.0f} s under the same",
            f"all go on within {GOAL_OF_STOPPED:.0f} s, no line lost or doubled",
            f"after {stopped:.1f} s, {len(faults)} faults; load {os.getloadavg()[0]:.0f}",
            stopped <= GOAL_OF_STOPPED and not faults,
        ),
    )


if __name__ == "__main__":
    main()
