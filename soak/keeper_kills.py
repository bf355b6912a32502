"""`kill -9` of a node that has a keeper, under shells and commands that write numbered lines.

No line is lost or doubled, unless the client is told that it may be, and every session goes on soon.
"""

import argparse
import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path

from support.stack import connected_client

from omnyshell import OmnyShellClient, PtySpec, RemoteSession, SessionMode
from omnyshell.services.client.states import LinkState
from soak.hub_killed import MARK, PAUSES, STOP, WRITER, Reader
from soak.machines import NodeProcess, machines, running, until
from soak.report import Figure, report

GOAL = 3.0
"""Seconds from the kill until every session goes on."""

TOLD = b"omnyshell: a part of the output may be missing"
CLIENTS = 5


class ToldReader(Reader):
    """A fault beside the sentence that output may be missing is told."""

    told = 0
    has_ended = False
    _excused = 0
    _was_faulty = False

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            self.has_ended = True

    def _check(self, line: bytes) -> None:
        if line.startswith(TOLD):
            self.told += 1
            # The line before it may be cut, and its rest, or a later line, comes next.
            if self._was_faulty:
                self.faults.pop()
            self._excused = 3
            return
        before = len(self.faults)
        super()._check(line)
        self._was_faulty = len(self.faults) > before
        if self._was_faulty and self._excused:
            self.faults.pop()
            self._was_faulty = False
        self._excused = max(0, self._excused - 1)

    @property
    def resumed(self) -> int:
        """How often it was taken up."""
        return self.states[LinkState.RESUMED] + self.states[LinkState.RESET]


async def one_round(node: NodeProcess, readers: list[ToldReader]) -> float:
    """Kill the node and start it at once; return after how many seconds every session went on."""
    await asyncio.sleep(1.0)
    before = {reader: reader.resumed for reader in readers}
    began = time.monotonic()
    await asyncio.to_thread(node.kill)
    node.start()
    await until(lambda: all(each.resumed > before[each] or each.has_ended for each in readers), 35)
    return time.monotonic() - began


async def soak(rounds: int, shells: int, execs: int) -> tuple[list[ToldReader], list[float]]:
    readers: list[ToldReader] = []
    options = ("--max-sessions", "500")
    async with machines(node_options=options) as (certificates, hub, node), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected_client(certificates, hub.port)) for _ in range(CLIENTS)]
        while not await clients[0].list_nodes():
            await asyncio.sleep(0.1)
        numbers = range(shells + execs)
        sessions = [await opened(clients[each % CLIENTS], each, is_shell=each < shells) for each in numbers]
        readers += map(ToldReader, sessions)
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        try:
            times = [await one_round(node, readers) for _ in range(rounds)]
            print("seconds of each round:", " ".join(f"{each:.1f}" for each in times), flush=True)
        finally:
            Path(STOP).touch()
            await asyncio.wait(tasks, timeout=30)
            Path(STOP).unlink()
        for reader, task in zip(readers, tasks, strict=True):
            if not task.done():
                reader.faults.append("never ended")
                task.cancel()
    return readers, times


async def opened(client: OmnyShellClient, number: int, *, is_shell: bool) -> RemoteSession:
    """Open a session that writes until it is told to stop."""
    command = WRITER.replace("STOP", STOP).replace("PAUSE", str(PAUSES[number % len(PAUSES)]))
    mode, pty = (SessionMode.SHELL, PtySpec()) if is_shell else (SessionMode.EXEC, None)
    return await client.open_session("n1", mode=mode, command=command, pty=pty)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    readers, times = asyncio.run(soak(options.rounds, 50, 20))
    faults = [fault for reader in readers for fault in reader.faults]
    for fault in faults[:20]:
        print("fault:", fault)
    lines, told, orphans = sum(each.lines for each in readers), sum(each.told for each in readers), running(MARK)
    report(
        "keeper_kills",
        Figure(
            f"a node with a keeper killed {options.rounds} times under 50 shells and 20 execs",
            "no byte lost or doubled untold, 0 orphans",
            f"{lines} lines, {len(faults)} faults, {told} times told of what may be missing, {orphans} orphans",
            not faults and not orphans,
        ),
        Figure(
            "all sessions back, from the kill on, the node started at once",
            f"within {GOAL:.0f} s",
            f"median {statistics.median(times):.1f} s, worst {max(times):.1f} s",
            max(times) <= GOAL,
        ),
    )


if __name__ == "__main__":
    main()
