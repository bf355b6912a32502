"""Servers of the hubs' engine are killed again and again: after how long elections are over, and what waits is done.

Who leads the log, who leads the places, who leads the servers and one that leads nothing are killed in turn. At each
kill every hub is asked for a change, for a new node and for one that it has had before; what comes behind the elections
that each has to wait for is the hubs' own.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime

from omnyshell import NodeConfig, OmnyShellException, OmnyShellNode
from omnyshell.protocol.messages.admin import PrincipalAdd
from omnyshell.services.client.admin import AdminClient
from soak.demo_hubs import DemoHubs, demo_hubs
from soak.fleet import quieten
from soak.machines import workplace
from soak.report import Figure, report

LOG, PLACES, SERVERS = "log", "places", "servers"
"""What is led: the changes, who is where, and the servers' own list of streams and readers."""

CHANGE, NEW, KNOWN = "change", "new", "known"
WAITS_FOR = {CHANGE: (LOG,), NEW: (LOG, PLACES), KNOWN: (PLACES,)}

GOAL, OWN_GOAL = 10.0, 2.0
"""Seconds after a kill, and behind the elections that something waits for."""

GIVEN_UP = 60.0
SETTLED = 8.0
"""Seconds after which a server that was started again has what the others have."""

PAUSE = 0.2
NODE = "n1"
"""A node of the demo, whose token those have that come meanwhile."""

_STREAM = re.compile(r"^\[\d+\] (\S+ \S+) .*new stream leader for '[^']*omnyshell-(truth|places)-", re.MULTILINE)
_SERVERS = re.compile(r"^\[\d+\] (\S+ \S+) .*Self is new JetStream cluster metadata leader", re.MULTILINE)


@dataclass(frozen=True)
class Led:
    """A server has begun to lead something."""

    at: float
    what: str
    server: int


class Leaders:
    """Who leads what, as the servers say in their logs."""

    def __init__(self, hubs: DemoHubs) -> None:
        self._logs = [hubs.directory / "logs" / f"engine-{number}.log" for number in range(len(hubs.servers))]

    def now(self) -> dict[str, int]:
        return {led.what: led.server for led in self._all()}

    def since(self, at: float) -> dict[str, float]:
        """Return after how many seconds from a time on each was led for the first time."""
        return {led.what: led.at - at for led in reversed(self._all()) if led.at > at}

    def _all(self) -> list[Led]:
        return sorted((led for number in range(len(self._logs)) for led in self._of(number)), key=lambda led: led.at)

    def _of(self, server: int) -> list[Led]:
        log = self._logs[server].read_text()
        found = [Led(_seconds(at), LOG if what == "truth" else PLACES, server) for at, what in _STREAM.findall(log)]
        return found + [Led(_seconds(at), SERVERS, server) for at in _SERVERS.findall(log)]


def _seconds(logged: str) -> float:
    return datetime.strptime(logged, "%Y/%m/%d %H:%M:%S.%f").astimezone().timestamp()


class Asking:
    """Asks each hub for a change, a new node and a known one, and says how long each took."""

    def __init__(self, hubs: DemoHubs, admins: dict[str, AdminClient]) -> None:
        self._hubs, self._admins = hubs, admins
        self._number = 0

    async def all(self) -> dict[str, float]:
        """Ask for all at once; return how many seconds each kind took where it took longest."""
        self._number += 1
        kinds = {CHANGE: self._change, NEW: self._new_node, KNOWN: self._known_node}
        asked = {
            kind: [asyncio.create_task(_timed(ask, hub)) for hub in self._hubs.pids] for kind, ask in kinds.items()
        }
        return {kind: max(await asyncio.gather(*tasks)) for kind, tasks in asked.items()}

    async def _change(self, hub: str) -> None:
        await self._admins[hub].do(PrincipalAdd(request_id="", principal=f"u{self._number}-{hub}", roles=("dev",)))

    async def _new_node(self, hub: str) -> None:
        await self._register(hub, f"new-{hub}-{self._number}")

    async def _known_node(self, hub: str) -> None:
        await self._register(hub, f"known-{hub}")

    async def _register(self, hub: str, name: str) -> None:
        state = self._hubs.directory / "asked" / name
        access = self._hubs.access(hub, NODE)
        node = OmnyShellNode(NodeConfig(node_id=name, access=access, state_dir=state, run_as_node_user=True))
        running = asyncio.create_task(node.run())
        try:
            await node.registered.wait()
        finally:
            node.stop()
            await asyncio.gather(running, return_exceptions=True)


async def _timed(ask: Callable[[str], Awaitable[None]], hub: str) -> float:
    """Ask until it is done, or given up; return after how many seconds."""
    began = time.monotonic()
    while time.monotonic() - began < GIVEN_UP:
        try:
            async with asyncio.timeout(GIVEN_UP):
                await ask(hub)
                break
        except (OmnyShellException, TimeoutError) as exc:
            print(f"hub {hub} after {time.monotonic() - began:.1f} s: {str(exc) or type(exc).__name__}", flush=True)
            await asyncio.sleep(PAUSE)
    return time.monotonic() - began


@dataclass(frozen=True)
class Kill:
    """What came of one."""

    has_led: bool
    """Whether the server had led anything."""

    elections: dict[str, float]
    """After how many seconds that was led again, where it was before all was done."""

    took: dict[str, float]
    load: float

    @property
    def slowest(self) -> float:
        return max(self.took.values())

    @property
    def own(self) -> float:
        """For how many seconds something was done later than the elections that it had to wait for."""
        return max(
            took - max((self.elections.get(what, 0.0) for what in WAITS_FOR[kind]), default=0.0)
            for kind, took in self.took.items()
        )


def _victim(leaders: dict[str, int], number: int, count: int) -> int:
    """Return the server to kill now."""
    wanted = (LOG, PLACES, SERVERS, "")[number % 4]
    idle = [server for server in range(count) if server not in leaders.values()]
    return leaders[wanted] if wanted else (idle or [number % count])[0]


async def one_kill(hubs: DemoHubs, leaders: Leaders, asking: Asking, number: int) -> Kill:
    before = leaders.now()
    server = _victim(before, number, len(hubs.servers))
    at = time.time()
    command = hubs.kill_server(server)
    took = await asking.all()
    elected = leaders.since(at)
    hubs.start_server(server, command)
    led = [what for what, leader in before.items() if leader == server]
    kill = Kill(bool(led), {what: elected[what] for what in led if what in elected}, took, os.getloadavg()[0])
    print(json.dumps({**asdict(kill), "own": kill.own}), flush=True)
    await asyncio.sleep(SETTLED)
    return kill


async def kill_in_turn(hubs: DemoHubs, kills: int) -> list[Kill]:
    quieten()
    await hubs.restart("--node-ids", "10000")
    async with AsyncExitStack() as stack:
        admins = {}
        for hub in hubs.pids:
            admins[hub] = await stack.enter_async_context(AdminClient(hubs.access(hub, "ops"), stays=True))
        leaders, asking = Leaders(hubs), Asking(hubs, admins)
        await asking.all()
        return [await one_kill(hubs, leaders, asking, number) for number in range(kills)]


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never"
    return f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s"


def figure(kills: list[Kill]) -> Figure:
    led = [kill for kill in kills if kill.has_led]
    idle = [kill.slowest for kill in kills if not kill.has_led]
    own = [kill.own for kill in kills]
    return Figure(
        f"`kill -9` of leaders of the hubs' engine, and of servers that lead nothing, {len(kills)} times in turn",
        f"changes and registrations within {GOAL:.0f} s, and {OWN_GOAL:.0f} s of the elections that they wait for",
        f"elections {_spread([seconds for kill in led for seconds in kill.elections.values()])}; "
        f"all done after {_spread([kill.slowest for kill in led])}; where nothing was led {_spread(idle)}; "
        f"behind the elections {_spread(own)}; load {max(kill.load for kill in kills):.0f}",
        max(kill.slowest for kill in kills) <= GOAL and max(own) <= OWN_GOAL,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    with workplace() as (directory, _), demo_hubs(directory) as hubs:
        kills = asyncio.run(kill_in_turn(hubs, options.kills))
    report("elections", figure(kills))


if __name__ == "__main__":
    main()
