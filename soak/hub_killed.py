"""`kill -9` of the hub under shells and commands that write numbered lines: no line is lost or doubled."""

import argparse
import asyncio
import os
import time
from collections import Counter
from pathlib import Path

from support.hub_process import HubProcess
from support.stack import connected_client

from omnyshell import OmnyShellClient, PtySpec, RemoteSession, SessionMode
from omnyshell.services.client.states import LinkState
from soak.machines import machines, running, until
from soak.report import Figure, report

STOP = f"/tmp/omnyshell-soak-stop-{os.getpid()}"
MARK = f"omnyshell-soak-writer-{os.getpid()}"
PAUSES = (0.01, 0.05, 0.2)
"""Seconds between two lines of a session."""

WRITER = (
    "exec perl -e '# " + MARK + "\n"
    '$|=1; $i=0; while (!-e "STOP") { print "line $i\\n"; $i++; select(undef,undef,undef,PAUSE); } '
    'print "end $i\\n"; exit 3\''
)


class Reader:
    """Reads one session, and checks its lines as they come."""

    def __init__(self, session: RemoteSession) -> None:
        self.session = session
        self.faults: list[str] = []
        self.lines = 0
        self.total = -1
        self.states: Counter[LinkState] = Counter()
        self._rest = b""
        session.on_state = self._changed

    async def run(self) -> None:
        try:
            async for chunk in self.session:
                *lines, self._rest = (self._rest + chunk.data).split(b"\n")
                for line in lines:
                    self._check(line.rstrip(b"\r"))
            code = (await self.session.wait()).code
            if code != 3 or self.total != self.lines or self._rest:
                self.faults.append(f"ended with {code} after {self.lines} of {self.total} lines")
        except Exception as exc:
            self.faults.append(f"{type(exc).__name__}: {exc}")

    def _check(self, line: bytes) -> None:
        kind, _, number = line.partition(b" ")
        if kind == b"end":
            self.total = int(number)
        elif line == b"line %d" % self.lines:
            self.lines += 1
        else:
            self.faults.append(f"{line[:40]!r} where line {self.lines} was due")
            self.lines = int(number) + 1 if number.isdigit() else self.lines

    def _changed(self, state: LinkState) -> None:
        self.states[state] += 1
        if state is LinkState.RESET:
            self.faults.append("was reset")


async def one_round(
    hub: HubProcess, client: OmnyShellClient, readers: list[Reader], outage: float
) -> tuple[float, float]:
    """Kill the hub and bring it back; returns when the node was listed again, and when every session went on."""
    await asyncio.sleep(1.0)
    hub.kill()
    await asyncio.sleep(outage)
    await hub.start()
    back = time.monotonic()
    node_after = float("inf")
    while time.monotonic() < back + 35:
        if client.is_connected and await client.list_nodes():
            node_after = time.monotonic() - back
            break
        await asyncio.sleep(0.05)
    await until(lambda: not any(each.session.is_suspended for each in readers), 35)
    return node_after, time.monotonic() - back


async def soak(
    rounds: int, shells: int, execs: int, outage: float, clients: int
) -> tuple[list[Reader], list[float], list[float]]:
    stop = STOP
    readers: list[Reader] = []
    node_times: list[float] = []
    session_times: list[float] = []
    async with machines(node_options=("--max-sessions", "500")) as (certificates, hub, _):
        opened = [connected_client(certificates, hub.port, reconnect_timeout=120.0) for _ in range(clients)]
        connected = [await each.__aenter__() for each in opened]
        while not await connected[0].list_nodes():
            await asyncio.sleep(0.1)
        for number in range(shells + execs):
            mode = SessionMode.SHELL if number < shells else SessionMode.EXEC
            command = WRITER.replace("STOP", stop).replace("PAUSE", str(PAUSES[number % 3]))
            pty = PtySpec() if number < shells else None
            session = await connected[number % clients].open_session("n1", mode=mode, command=command, pty=pty)
            readers.append(Reader(session))
        tasks = [asyncio.create_task(reader.run()) for reader in readers]
        try:
            for number in range(rounds):
                node_after, all_after = await one_round(hub, connected[0], readers, outage)
                node_times.append(node_after)
                session_times.append(all_after)
                faults = [fault for reader in readers for fault in reader.faults]
                print(
                    f"round {number + 1}: node {node_after:.1f} s, sessions {all_after:.1f} s, faults {faults[:3]}",
                    flush=True,
                )
        finally:
            Path(stop).touch()
            await asyncio.wait(tasks, timeout=30)
            Path(stop).unlink()
        for reader, task in zip(readers, tasks, strict=True):
            if not task.done():
                reader.faults.append("never ended")
                task.cancel()
        for each in opened:
            await each.__aexit__(None, None, None)
    return readers, node_times, session_times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--outage", type=float, default=5.0)
    options = parser.parse_args()
    readers, node_times, session_times = asyncio.run(soak(options.rounds, 50, 20, options.outage, 5))
    faults = [fault for reader in readers for fault in reader.faults]
    for fault in faults[:20]:
        print("fault:", fault)
    orphans = running(MARK)
    lines = sum(reader.lines for reader in readers)
    report(
        "hub_killed",
        Figure(
            "hub killed 20 times under 50 shells and 20 execs",
            "no line lost or doubled, 0 orphans",
            f"{options.rounds} times, {lines} lines, {len(faults)} faults, {orphans} orphans",
            not faults and not orphans,
        ),
        Figure(
            "node back after the hub's return, 5 s of outage",
            "within 10 s",
            f"worst {max(node_times):.1f} s; every session within {max(session_times):.1f} s",
            max(node_times) <= 10,
        ),
    )


if __name__ == "__main__":
    main()
