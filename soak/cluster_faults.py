"""Three hubs and three servers of their engine, as `omnyshell cluster demo` runs them, while parts of that die.

What is open goes on, nothing that was acknowledged is lost, and what is refused says why.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omnyshell import NodeConfig, OmnyShellException, OmnyShellNode
from soak.demo_hubs import DemoHubs, demo_hubs
from soak.fleet import quieten
from soak.machines import workplace
from soak.report import Figure, report

STOPPED = 20.0
"""Seconds that a hub is stopped: longer than its lease."""


REGISTERS = "n1"
"""A node of the demo, whose token those have that come meanwhile."""


class Openings:
    """From each hub a command after another at the nodes of all hubs in turns, over connections that are there."""

    def __init__(self, hubs: DemoHubs) -> None:
        self._hubs = hubs
        self.done = self.failed = 0
        self.longest = 0.0

    async def run(self) -> None:
        await asyncio.gather(*(self._at(hub) for hub in self._hubs.pids))

    async def _at(self, hub: str) -> None:
        async with self._hubs.client(hub) as client:
            for node in itertools.cycle(self._hubs.node_of.values()):
                began = time.monotonic()
                try:
                    result = await client.execute(node, "echo there", timeout=30)
                    good = result.stdout == b"there\n"
                except OmnyShellException:
                    good = False
                self.done += good
                self.failed += not good
                self.longest = max(self.longest, time.monotonic() - began)
                await asyncio.sleep(0.1)


class Registrations:
    """At each hub one new node after another."""

    def __init__(self, hubs: DemoHubs) -> None:
        self._hubs = hubs
        self._numbers = itertools.count()
        self.done = 0
        self.longest = 0.0
        quieten()

    async def run(self) -> None:
        await asyncio.gather(*(self._at(hub) for hub in self._hubs.pids))

    async def _at(self, hub: str) -> None:
        while True:
            name = f"new-{next(self._numbers)}"
            state = self._hubs.directory / "new" / name
            access = self._hubs.access(hub, REGISTERS)
            node = OmnyShellNode(NodeConfig(node_id=name, access=access, state_dir=state, run_as_node_user=True))
            began, running = time.monotonic(), asyncio.create_task(node.run())
            try:
                await node.registered.wait()
                self.done += 1
                self.longest = max(self.longest, time.monotonic() - began)
            finally:
                node.stop()
                await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(0.2)


@asynccontextmanager
async def meanwhile(hubs: DemoHubs) -> AsyncIterator[tuple[Openings, Registrations]]:
    opened, registered = Openings(hubs), Registrations(hubs)
    tasks = [asyncio.create_task(each.run()) for each in (opened, registered)]
    try:
        yield opened, registered
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_changed(hubs: DemoHubs, hub: str, *words: str) -> float:
    """Return how long it took until a change was taken."""
    began = time.monotonic()
    while (await asyncio.to_thread(hubs.omnyshell, hub, *words)).returncode:
        assert time.monotonic() - began < 120, words
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def one_server_after_another(hubs: DemoHubs) -> Figure:
    """Each server of the engine is killed once, the leader among them, and started again."""
    slowest = 0.0
    async with meanwhile(hubs) as (counted, registered):
        for number in range(len(hubs.servers)):
            command = hubs.kill_server(number)
            for hub in hubs.pids:
                slowest = max(
                    slowest, await until_changed(hubs, hub, "users", "add", f"u{number}{hub}", "--role", "dev")
                )
            hubs.start_server(number, command)
            await asyncio.sleep(5)
    return Figure(
        "`kill -9` of each of three servers of the hubs' engine in turn",
        "openings uninterrupted, changes and registrations within 10 s",
        f"{counted.done} commands, {counted.failed} failed, longest {counted.longest:.1f} s; a change {slowest:.1f} s; "
        f"{registered.done} registrations, longest {registered.longest:.1f} s; load {os.getloadavg()[0]:.0f}",
        counted.failed == 0 and slowest < 10 and registered.longest < 10,
    )


async def all_servers(hubs: DemoHubs, away: float) -> Figure:
    """All servers are killed, and come back: nothing that was acknowledged is lost, a lock holds meanwhile."""
    before = await asyncio.to_thread(hubs.omnyshell, "a", "users", "list", "--json")
    async with meanwhile(hubs) as (counted, registered):
        commands = [hubs.kill_server(number) for number in range(len(hubs.servers))]
        await asyncio.sleep(10)
        refused = await asyncio.to_thread(hubs.omnyshell, "a", "users", "add", "late", "--role", "dev")
        locked = await asyncio.to_thread(hubs.omnyshell, "a", "locks", "add", "principal", "u0a")
        await asyncio.sleep(away - 10)
        back_at, done_before = time.monotonic(), registered.done
        for number, command in enumerate(commands):
            hubs.start_server(number, command)
        back = await until_changed(hubs, "b", "users", "add", "again", "--role", "dev")
        while registered.done < done_before + len(hubs.pids):
            assert time.monotonic() - back_at < 60
            await asyncio.sleep(0.1)
        registered_after = time.monotonic() - back_at
    held = ""
    end = time.monotonic() + 30
    while "u0a" not in held and time.monotonic() < end:
        held = (await asyncio.to_thread(hubs.omnyshell, "c", "locks", "list")).stdout
    after = [(await asyncio.to_thread(hubs.omnyshell, hub, "users", "list", "--json")).stdout for hub in hubs.pids]
    kept = all(each["principal"] in after[0] for each in json.loads(before.stdout))
    is_right = bool(refused.returncode) and not locked.returncode and "u0a" in held and kept and len(set(after)) == 1
    return Figure(
        f"`kill -9` of all three servers of the hubs' engine, back after {away:.0f} s",
        "openings go on, changes are refused but for a lock, which is everywhere in the end; none is lost; "
        "registrations within 10 s of the return",
        f"{counted.done} commands, {counted.failed} failed; changes again after {back:.1f} s, registrations after "
        f"{registered_after:.1f} s; all is right: {is_right}; load {os.getloadavg()[0]:.0f}",
        counted.failed == 0 and is_right and registered_after < 10,
    )


async def a_stopped_hub(hubs: DemoHubs) -> Figure:
    """A hub is stopped for longer than its lease: nothing before it has read what happened, and then all again."""
    async with hubs.client("b") as client:
        os.kill(hubs.pids["b"], signal.SIGSTOP)
        await asyncio.sleep(STOPPED)
        os.kill(hubs.pids["b"], signal.SIGCONT)
        began = time.monotonic()
        while True:
            with contextlib.suppress(OmnyShellException):
                if (await client.execute(hubs.node_of["b"], "echo there", timeout=30)).stdout == b"there\n":
                    break
            assert time.monotonic() - began < 60
            await asyncio.sleep(0.05)
    said = "its lease has ended" in hubs.log("b")
    took = time.monotonic() - began
    return Figure(
        f"a hub is stopped for {STOPPED:.0f} s and continued",
        "it opens nothing before it has read what happened meanwhile; within 10 s it serves again",
        f"it said that its lease had ended: {said}; it served after {took:.2f} s",
        said and took < 10,
    )


async def run(hubs: DemoHubs, away: float) -> list[Figure]:
    await hubs.restart("--node-ids", "10000")
    return [await one_server_after_another(hubs), await all_servers(hubs, away), await a_stopped_hub(hubs)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--away", type=float, default=30.0, help="seconds that all servers are away")
    options = parser.parse_args()
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        figures = asyncio.run(run(hubs, options.away))
    report("cluster_faults", *figures)


if __name__ == "__main__":
    main()
