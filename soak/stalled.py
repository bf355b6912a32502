"""Receivers that stop reading: what they cost, and whether anybody else notices."""

import argparse
import asyncio
import json
import socket
import ssl
import struct
import time
from contextlib import AsyncExitStack

from support.ports import free_range
from support.raw_peer import RawPeer, logged_in
from support.stack import Certificates, connected_client
from websockets.asyncio.client import connect

from omnyshell import OmnyShellClient, RemoteSession
from soak.machines import machines, memory_of
from soak.report import Figure, report

MIB = 1 << 20
READERS = 200
WINDOW = 256 << 10


async def stall(certificates: Certificates, port: int, stack: AsyncExitStack) -> RawPeer:
    """Run `yes`, give it all the credit that there can be, and read no more."""
    peer = await stack.enter_async_context(logged_in(certificates, port, "client", "admin"))
    await peer.say("session.open", {"nodeId": "n1", "mode": "exec", "command": "yes"}, 1)
    await peer.hear("session.opened")
    await peer.say("channel.window", {"stream": "stdout", "credit": 4 * MIB - WINDOW}, 1)
    # From here on the socket itself is not read.
    peer.ws.transport.pause_reading()
    return peer


async def echo_times(session: RemoteSession, seconds: float) -> list[float]:
    """Send a byte and wait for it, again and again; returns how long that took."""
    output = session.__aiter__()
    times = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await session.write(b"x")
        await anext(output)
        times.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    return sorted(times)


def growth(before: tuple[int, ...], *pids: int) -> list[float]:
    """How much processes have grown, in MiB."""
    return [(memory_of(pid) - then) / MIB for pid, then in zip(pids, before, strict=True)]


def p99(times: list[float]) -> float:
    return times[int(len(times) * 0.99)]


async def stalled_client(seconds: float) -> Figure:
    async with machines() as (certificates, hub, node), AsyncExitStack() as stack:
        client = await ready(certificates, hub.port, stack)
        session = await client.open_session("n1", command="cat")
        await echo_times(session, 1)
        before = memory_of(hub.pid), memory_of(node.pid)
        await stall(certificates, hub.port, stack)
        times = await echo_times(session, seconds)
        grown = [
            (now - then) / MIB for now, then in zip((memory_of(hub.pid), memory_of(node.pid)), before, strict=True)
        ]
        session.close()
    return Figure(
        "a stalled client while its node runs `yes` for 60 s",
        "hub and node grow by at most 8 MiB, echo of another session p99 under 20 ms",
        f"{seconds:g} s: hub {grown[0]:.1f} MiB, node {grown[1]:.1f} MiB, "
        f"echo p99 {p99(times) * 1000:.1f} ms of {len(times)}",
        max(grown) <= 8 and p99(times) < 0.02,
    )


async def ready(certificates: Certificates, port: int, stack: AsyncExitStack) -> OmnyShellClient:
    client = await stack.enter_async_context(connected_client(certificates, port))
    while not await client.list_nodes():
        await asyncio.sleep(0.05)
    return client


async def stalled_tunnel_readers(seconds: float) -> Figure:
    ports = free_range()
    async with machines("--tunnel-port-range", str(ports)) as (certificates, hub, node), AsyncExitStack() as stack:
        client = await ready(certificates, hub.port, stack)

        async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    writer.write(bytes(1 << 16))
                    await writer.drain()
            except ConnectionError:
                writer.close()

        server = await stack.enter_async_context(await asyncio.start_server(pour, "127.0.0.1", 0))
        tunnel = await client.open_tunnel("n1", target_port=server.sockets[0].getsockname()[1])
        session = await client.open_session("n1", command="cat")
        await echo_times(session, 1)
        before = memory_of(hub.pid), memory_of(node.pid)
        readers = []
        for _ in range(READERS):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", tunnel.public_port))
            readers.append(sock)
        times = await echo_times(session, seconds)
        grown = [
            (now - then) / MIB for now, then in zip((memory_of(hub.pid), memory_of(node.pid)), before, strict=True)
        ]
        for sock in readers:
            sock.close()
        session.close()
        server.close()
    bound = READERS * 2 * WINDOW / MIB + 16
    return Figure(
        f"{READERS} stalled tunnel readers",
        f"the hub grows by at most {bound:.0f} MiB (200 x 2 windows + 16)",
        f"hub {grown[0]:.1f} MiB, node {grown[1]:.1f} MiB, echo p99 meanwhile {p99(times) * 1000:.1f} ms",
        grown[0] <= bound,
    )


async def deaf_peer() -> Figure:
    """Ask for listings, and never read one."""
    async with machines() as (certificates, hub, _), AsyncExitStack() as stack:
        client = await ready(certificates, hub.port, stack)
        before = memory_of(hub.pid)
        tls = ssl.create_default_context(cafile=str(certificates.ca))
        url = f"wss://127.0.0.1:{hub.port}/"
        began = time.monotonic()
        sent = 0
        async with connect(url, ssl=tls, compression=None, proxy=None, ping_interval=None, close_timeout=0.1) as ws:
            peer = RawPeer(ws)
            await peer.greet("client")
            await peer.say("auth.request", {"method": "token", "principal": "admin", "token": "admin-token"})
            ws.transport.pause_reading()
            request = json.dumps({"t": "node.list.request", "d": {}})
            try:
                async with asyncio.timeout(60):
                    while True:
                        await ws.send(request)
                        sent += 1
                        # Only so does the end of the connection come through.
                        await asyncio.sleep(0)
            except Exception as exc:
                how = type(exc).__name__
        took = time.monotonic() - began
        grown = (memory_of(hub.pid) - before) / MIB
        await client.ping()
    return Figure(
        "a peer that never reads its control messages",
        "cut off at the bound (1,000 messages or 1 MiB)",
        f"cut off after {sent} requests and {took:.1f} s ({how}), hub grew by {grown:.1f} MiB",
        how != "TimeoutError" and grown < 8,
    )


async def alternating_frames() -> Figure:
    """A hostile node that fills a stalled client's credit with frames of one byte on two streams."""
    async with machines() as (certificates, hub, _), AsyncExitStack() as stack:
        node = await stack.enter_async_context(logged_in(certificates, hub.port, "node", "box"))
        await node.say("node.register", {"nodeId": "bad", "platform": {"os": "linux", "arch": "x64"}})
        await node.hear("node.registered")
        client = await stack.enter_async_context(logged_in(certificates, hub.port, "client", "admin"))
        await client.say("session.open", {"nodeId": "bad"}, 1)
        asked = await node.hear("node.session.open")
        await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
        await client.hear("session.opened")
        client.ws.transport.pause_reading()
        before = memory_of(hub.pid)
        frames = [struct.pack(">BBII", 1, 2 + index % 2, asked["c"], 1) + b"x" for index in range(2)]
        for index in range(WINDOW):
            await node.ws.send(frames[index % 2])
        await node.still_there()
        grown = (memory_of(hub.pid) - before) / MIB
    return Figure(
        "a hostile node's 262,144 frames of one byte, alternately stdout and stderr, to a stalled client",
        "the hub grows by at most 8 MiB",
        f"{grown:.1f} MiB",
        grown <= 8,
    )


async def run(seconds: float) -> list[Figure]:
    figures = []
    for measure in (
        lambda: stalled_client(seconds),
        lambda: stalled_tunnel_readers(10.0),
        deaf_peer,
        alternating_frames,
    ):
        async with asyncio.timeout(seconds + 90):
            figures.append(await measure())
            print(figures[-1], flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    report("stalled", *asyncio.run(run(parser.parse_args().seconds)))


if __name__ == "__main__":
    main()
