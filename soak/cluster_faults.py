"""Three hubs and three servers of their engine, as `omnyshell cluster demo` runs them, while parts of that die.

What is open goes on, nothing that was acknowledged is lost, and what is refused says why.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omnyshell import OmnyShellException
from soak.demo_hubs import DemoHubs, demo_hubs
from soak.machines import workplace
from soak.report import Figure, report

STOPPED = 20.0
"""Seconds that a hub is stopped: longer than its lease."""


class Openings:
    """A command a tenth of a second at each hub's node, over connections that are there."""

    def __init__(self, hubs: DemoHubs) -> None:
        self._hubs = hubs
        self.done = self.failed = 0
        self.longest = 0.0

    async def run(self) -> None:
        await asyncio.gather(*(self._at(hub) for hub in self._hubs.pids))

    async def _at(self, hub: str) -> None:
        async with self._hubs.client(hub) as client:
            while True:
                began = time.monotonic()
                try:
                    result = await client.execute(self._hubs.node_of[hub], "echo there", timeout=30)
                    good = result.stdout == b"there\n"
                except OmnyShellException:
                    good = False
                self.done += good
                self.failed += not good
                self.longest = max(self.longest, time.monotonic() - began)
                await asyncio.sleep(0.1)


@asynccontextmanager
async def openings(hubs: DemoHubs) -> AsyncIterator[Openings]:
    counted = Openings(hubs)
    task = asyncio.create_task(counted.run())
    try:
        yield counted
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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
    async with openings(hubs) as counted:
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
        "openings uninterrupted, changes within 10 s",
        f"{counted.done} commands, {counted.failed} failed, longest {counted.longest:.1f} s; a change {slowest:.1f} s",
        counted.failed == 0 and slowest < 10,
    )


async def all_servers(hubs: DemoHubs) -> Figure:
    """All servers are killed, and come back: nothing that was acknowledged is lost, a lock holds meanwhile."""
    before = await asyncio.to_thread(hubs.omnyshell, "a", "users", "list", "--json")
    async with openings(hubs) as counted:
        commands = [hubs.kill_server(number) for number in range(len(hubs.servers))]
        await asyncio.sleep(10)
        refused = await asyncio.to_thread(hubs.omnyshell, "a", "users", "add", "late", "--role", "dev")
        locked = await asyncio.to_thread(hubs.omnyshell, "a", "locks", "add", "principal", "u0a")
        await asyncio.sleep(20)
        for number, command in enumerate(commands):
            hubs.start_server(number, command)
        back = await until_changed(hubs, "b", "users", "add", "again", "--role", "dev")
    held = ""
    end = time.monotonic() + 30
    while "u0a" not in held and time.monotonic() < end:
        held = (await asyncio.to_thread(hubs.omnyshell, "c", "locks", "list")).stdout
    after = [(await asyncio.to_thread(hubs.omnyshell, hub, "users", "list", "--json")).stdout for hub in hubs.pids]
    kept = all(each["principal"] in after[0] for each in json.loads(before.stdout))
    is_right = bool(refused.returncode) and not locked.returncode and "u0a" in held and kept and len(set(after)) == 1
    return Figure(
        "`kill -9` of all three servers of the hubs' engine, back after 30 s",
        "openings go on, changes are refused but for a lock, which is everywhere in the end; none is lost",
        f"{counted.done} commands, {counted.failed} failed; changes again after {back:.1f} s; all is right: {is_right}",
        counted.failed == 0 and is_right,
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


async def run() -> list[Figure]:
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        return [await each(hubs) for each in (one_server_after_another, all_servers, a_stopped_hub)]


def main() -> None:
    report("cluster_faults", *asyncio.run(run()))


if __name__ == "__main__":
    main()
