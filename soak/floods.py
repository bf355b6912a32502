"""Snapshots in the middle of a flood; a session taken from a client that is black-holed; half-open relays."""

import asyncio
import time
from contextlib import AsyncExitStack

from support.raw_peer import logged_in, registered
from support.stack import connected_client

from omnyshell import OmnyShellClient, PtySpec, RemoteSession, SessionMode
from soak.machines import machines
from soak.report import Figure, report
from soak.wires import Wire

SIZE = PtySpec(cols=120, rows=40)
FULL_SCREEN = (
    'exec perl -e \'while (1) { $i++; my $s="\\e[H"; for my $r (1..40) { '
    '$s.="\\e[$r;1H\\e[38;5;".(($r+$i)%256)."m"; '
    '$s.=sprintf("%08d",$i+$r) for 1..15; } print $s; }\''
)
FLOODS = {"plain": "seq 1 1000000000", "full-screen": FULL_SCREEN}
SNAPSHOTS = 40
TAKEOVERS = 10
RELAYS = 50


async def drain(session: RemoteSession) -> None:
    async for _ in session:
        pass


async def snapshots(client: OmnyShellClient, other: OmnyShellClient, command: str) -> list[float]:
    """Ask for the screen again and again while the session floods its client."""
    session = await client.open_session("n1", mode=SessionMode.SHELL, command=command, pty=SIZE)
    reading = asyncio.create_task(drain(session))
    await asyncio.sleep(2)
    times = []
    for _ in range(SNAPSHOTS):
        began = time.monotonic()
        screen = await other.peek("n1", session.id)
        times.append(time.monotonic() - began)
        assert screen.data
        await asyncio.sleep(0.05)
    session.close()
    await asyncio.gather(reading, return_exceptions=True)
    return sorted(times)


async def takeovers() -> Figure:
    worst = 0.0
    async with machines() as (certificates, hub, _), AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected_client(certificates, hub.port))
        while not await client.list_nodes():
            await asyncio.sleep(0.05)
        for _ in range(TAKEOVERS):
            wire = await stack.enter_async_context(Wire(hub.port))
            victim = await stack.enter_async_context(connected_client(certificates, wire.port, reconnect_timeout=0.0))
            session = await victim.open_session("n1", mode=SessionMode.SHELL, command="yes", pty=SIZE)
            reading = asyncio.create_task(drain(session))
            await asyncio.sleep(0.3)
            wire.swallow()
            await asyncio.sleep(0.3)
            began = time.monotonic()
            taken = await client.resume("n1", session.id, pty=SIZE)
            await anext(taken.__aiter__())
            worst = max(worst, time.monotonic() - began)
            taken.close()
            wire.reset()
            await asyncio.gather(reading, return_exceptions=True)
    return Figure(
        "a session taken over whose client is black-holed, while it floods",
        "within 1 s",
        f"worst of {TAKEOVERS}: {worst * 1000:.0f} ms",
        worst < 1,
    )


async def half_open_relays() -> Figure:
    online = 0
    async with machines() as (certificates, hub, _), logged_in(certificates, hub.port, "client", "admin") as client:
        for number in range(RELAYS):
            node_id = f"half-{number}"
            async with Wire(hub.port) as wire, AsyncExitStack() as stack:
                await stack.enter_async_context(registered(certificates, wire.port, node_id))
                wire.swallow()
                again = await stack.enter_async_context(registered(certificates, hub.port, node_id))
                wire.reset()
                await again.still_there()
                await client.say("session.open", {"nodeId": node_id}, number + 1)
                asked = await again.hear("node.session.open")
                await again.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
                online += (await client.hear("session.opened"))["c"] == number + 1
                await again.say("channel.close", {}, asked["c"])
                await client.hear("channel.close")
    return Figure(
        "half-open relay: a node's first connection is black-holed, it reconnects, the old one is reset",
        "the node stays online, 50 of 50",
        f"{online} of {RELAYS}",
        online == RELAYS,
    )


async def run() -> list[Figure]:
    figures = []
    async with machines() as (certificates, hub, _), AsyncExitStack() as stack:
        client, other = [await stack.enter_async_context(connected_client(certificates, hub.port)) for _ in range(2)]
        while not await client.list_nodes():
            await asyncio.sleep(0.05)
        for name, command in FLOODS.items():
            times = await snapshots(client, other, command)
            figures.append(
                Figure(
                    f"a snapshot in the middle of a {name} flood",
                    "under 250 ms",
                    f"worst of {SNAPSHOTS}: {times[-1] * 1000:.0f} ms, median {times[len(times) // 2] * 1000:.0f} ms",
                    times[-1] < 0.25,
                )
            )
    return [*figures, await takeovers(), await half_open_relays()]


def main() -> None:
    report("floods", *asyncio.run(asyncio.wait_for(run(), 240)))


if __name__ == "__main__":
    main()
