"""A principal that takes all it can get of a hub, and what others notice: commands, logins, the audit, memory."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from support.hub_process import HubProcess
from support.stack import Certificates, connected_client
from support.starving import ATTACKS, FLOODS, Attacked, ask_for_much, pour, pouring_node
from websockets.exceptions import ConnectionClosed

from omnyshell import OmnyShellClient
from omnyshell.protocol.limits import INITIAL_CREDIT
from omnyshell.services.hub.ground.limits import Resource
from soak.machines import machines, memory_of
from soak.report import Figure, report

SECONDS = 10.0
CONNECTIONS = 8
PAUSE = 0.05
AT_ONCE = 2_000
UNREAD_SESSIONS = 40
MEGABYTE = 1e6
GRANTS = ("mallory:mallory-token:developer", "ann:ann-token:developer", "rogue:rogue-token:node")
HOLDS = (
    Resource.CONNECTIONS,
    Resource.SESSIONS_AT_NODE,
    Resource.TUNNELS,
    Resource.SUBSCRIPTIONS,
    Resource.NODE_IDS,
    Resource.UNFINISHED,
    Resource.QUEUED,
)
MOST = 2_000
"""Tries of an attacker to take one more."""


async def flood(kind: str, world: Attacked) -> None:
    """Say one thing for ever, over several connections, and read no answer."""
    attack = FLOODS[kind]
    peers = [await attack.begin(world, attack.who or "mallory") for _ in range(CONNECTIONS)]
    print("ready", flush=True)
    many, credit = attack.data * AT_ONCE, dict.fromkeys(range(CONNECTIONS), INITIAL_CREDIT)
    while True:
        for number, peer in enumerate(peers):
            transport = peer.ws.transport
            if transport.is_closing() or transport.get_write_buffer_size() >= len(many) or credit[number] < AT_ONCE:
                continue
            transport.write(many)
            credit[number] -= AT_ONCE * attack.is_data
        await asyncio.sleep(0.001)


async def hold(resource: Resource, world: Attacked) -> None:
    """Take one after another until it is refused, and keep them; then try on."""
    attack = ATTACKS[resource]
    got, is_full = 0, False
    while not is_full and got < MOST:
        with suppress(ConnectionClosed):
            is_full = await attack.take(world, attack.attacker) != ""
        got += not is_full
    print(f"ready {got}", flush=True)
    while True:
        # Its connections may be too many by now, too.
        with suppress(ConnectionClosed, AssertionError):
            await attack.take(world, attack.attacker)
        await asyncio.sleep(0.01)


async def leave_unread(world: Attacked) -> None:
    """Have a node send all that may be sent on many sessions, and read nothing of it."""
    pouring = asyncio.create_task(pour(await pouring_node(world, "r1", "developer")))
    client = await world.new_client("mallory")
    await ask_for_much(client, "r1", UNREAD_SESSIONS)
    client.ws.transport.pause_reading()
    print(f"ready {UNREAD_SESSIONS} sessions", flush=True)
    await pouring


@asynccontextmanager
async def attacker(kind: str, certificates: Certificates, port: int) -> AsyncIterator[str]:
    """One in a process of its own; says what it has got."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "soak.attacks.starving", "--attacker", kind, str(certificates.ca), str(port),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().removeprefix("ready").strip()
    finally:
        process.kill()
        await process.wait()


async def works(client: OmnyShellClient, certificates: Certificates, port: int) -> tuple[float, float]:
    """How long a command takes on a connection that is there, and how long an admin's login takes, in seconds."""
    began = time.monotonic()
    assert (await client.execute("n1", "true")).status.code == 0
    command = time.monotonic() - began
    began = time.monotonic()
    async with connected_client(certificates, port, "admin"):
        return command, time.monotonic() - began


async def measure(client: OmnyShellClient, certificates: Certificates, port: int, seconds: float) -> list[list[float]]:
    """Commands and logins, one after another; the times of each, sorted."""
    times = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        times.append(await asyncio.wait_for(works(client, certificates, port), 60))
        await asyncio.sleep(PAUSE)
    return [sorted(each) for each in zip(*times, strict=True)]


def audit_bytes(hub: HubProcess) -> int:
    return sum(path.stat().st_size for path in hub.state.rglob("audit*") if path.is_file())


async def attack(kind: str, seconds: float) -> Figure:
    ports = ("--tunnel-port-range", "23400-23419", "--open-local-tunnels", "--max-connections", "60")
    async with machines(*ports, node_options=("--label", "allow-roles=developer")) as (certificates, hub, _):
        hub.kill()
        hub.grants += GRANTS
        await hub.start()
        await asyncio.sleep(3)
        async with connected_client(certificates, hub.port, "ann") as ann:
            before = await measure(ann, certificates, hub.port, 2)
            memory, audit = memory_of(hub.pid), audit_bytes(hub)
            async with attacker(kind, certificates, hub.port) as got:
                during = await measure(ann, certificates, hub.port, seconds)
                grown, written = memory_of(hub.pid) - memory, audit_bytes(hub) - audit
    name = f"{CONNECTIONS} connections flood the hub with {kind}" if kind in FLOODS else f"one principal takes {kind}"
    has = f"{got} taken; " if got else ""
    return Figure(
        f"{name}; a command of another, a login of an admin",
        "both work, at most 0.5 s",
        f"{has}commands {told(during[0])} (before {told(before[0])}), logins {told(during[1])}; "
        f"the hub grew by {grown / MEGABYTE:.0f} MB, the audit by {written / MEGABYTE:.1f} MB",
        during[0][-1] < 0.5 and during[1][-1] < 0.5,
    )


def told(times: list[float]) -> str:
    return f"{times[len(times) // 2] * 1000:.0f} ms, worst {times[-1] * 1000:.0f} ms"


async def be_attacker(kind: str, certificates: Certificates, port: int) -> None:
    world = Attacked(certificates, cast("Any", SimpleNamespace(port=port)))
    if kind == Resource.QUEUED:
        await leave_unread(world)
    await (flood(kind, world) if kind in FLOODS else hold(Resource(kind), world))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--kind", choices=(*FLOODS, *HOLDS), action="append")
    parser.add_argument("--attacker", nargs=3)
    options = parser.parse_args()
    if options.attacker is not None:
        kind, ca, port = options.attacker
        asyncio.run(be_attacker(kind, Certificates(Path(ca), Path(ca), Path(ca)), int(port)))
        return
    figures = []
    for kind in options.kind or (*FLOODS, *HOLDS):
        figures.append(asyncio.run(attack(kind, options.seconds)))
        print(figures[-1], flush=True)
    report("attacks.starving", *figures)


if __name__ == "__main__":
    main()
