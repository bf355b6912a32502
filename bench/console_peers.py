"""Nodes and sessions for the console to show, from peers that are nothing but JSON on a WebSocket.

    python -m bench.console_peers PORT CA NODES SESSIONS [busy]

Prints `ready`, and goes on until its stdin ends. With `busy`, each session prints once a second, and ten times a second
one session ends and another one opens.
"""

import asyncio
import itertools
import json
import ssl
import struct
import sys
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

HEARTBEAT = 10.0
AT_ONCE = 20
LINE = b"2026-03-14 15:09:26 INFO worker-7 served GET /api/v1/items in 12 ms (cache miss), 2048 bytes\r\n"
STDOUT = 2


class Peer:
    """A connection that has logged in."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.channels: list[int] = []

    async def say(self, kind: str, channel: int | None = None, **data: Any) -> None:
        await self.socket.send(json.dumps({"t": kind, "d": data} | ({} if channel is None else {"c": channel})))

    async def hear(self, kind: str) -> dict[str, Any]:
        while (message := json.loads(await self.socket.recv()))["t"] != kind:
            assert message["t"] != "error", message
        return message

    async def log_in(self, role: str, principal: str) -> None:
        await self.hear("hello")
        await self.say("hello", role=role, protocolVersion=1, minVersion=1, info={"agent": "raw"})
        await self.say("auth.request", method="token", principal=principal, token=f"{principal}-token")
        await self.hear("auth.ok")


class Crowd:
    """All peers, to be left by closing `stack`."""

    def __init__(self, port: int, ca: str, stack: AsyncExitStack) -> None:
        self._url = f"wss://127.0.0.1:{port}"
        self._tls = ssl.create_default_context(cafile=ca)
        self._stack = stack
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._channels = itertools.count(1)
        self.nodes: list[Peer] = []
        self.open_channels: list[int] = []

    async def peer(self, role: str, principal: str) -> Peer:
        socket = connect(self._url, ssl=self._tls, compression=None, proxy=None, ping_interval=None, open_timeout=60)
        peer = Peer(await self._stack.enter_async_context(socket))
        await peer.log_in(role, principal)
        return peer

    async def node(self, number: int) -> None:
        async with self._gate:
            peer = await self.peer("node", "box")
            await peer.say(
                "node.register",
                nodeId=f"web-{number}",
                platform={"os": "linux", "arch": "x64", "hostname": f"web-{number}.example"},
                labels={"env": "prod" if number % 3 else "dev", "role": "web"},
                capabilities={"shells": ["sh", "bash"], "features": ["exec", "shell"]},
            )
            await peer.hear("node.registered")
        self.nodes.append(peer)

    async def serve(self, peer: Peer) -> None:
        """Accept what the node is asked to open, and note what was closed."""
        async for raw in peer.socket:
            if isinstance(raw, bytes):
                continue
            message = json.loads(raw)
            if message["t"] == "node.session.open":
                await peer.say("node.session.opened", message["c"], sessionId=message["d"]["sessionId"])
                peer.channels.append(message["c"])
            elif message["t"] == "channel.close" and message.get("c") in peer.channels:
                peer.channels.remove(message["c"])

    async def beat(self, peer: Peer, number: int) -> None:
        await asyncio.sleep(HEARTBEAT * number / len(self.nodes))
        for sequence in itertools.count(1):
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            await peer.say("node.heartbeat", nodeId=f"web-{number}", seq=sequence, ts=now)
            await asyncio.sleep(HEARTBEAT)

    async def open(self, client: Peer) -> None:
        channel = next(self._channels)
        await client.say("session.open", channel, nodeId=f"web-{channel % len(self.nodes)}", mode="shell")
        self.open_channels.append(channel)

    async def print_lines(self, peer: Peer, number: int) -> None:
        await asyncio.sleep(number / len(self.nodes))
        while True:
            for channel in tuple(peer.channels):
                await peer.socket.send(struct.pack(">BBII", 1, STDOUT, channel, len(LINE)) + LINE)
            await asyncio.sleep(1)

    async def come_and_go(self, client: Peer) -> None:
        while True:
            await asyncio.sleep(0.1)
            await client.say("channel.close", self.open_channels.pop(0))
            await self.open(client)

    async def drink(self, client: Peer) -> None:
        """Read, and give credit back."""
        async for raw in client.socket:
            if isinstance(raw, bytes):
                _, _, channel, size = struct.unpack(">BBII", raw[:10])
                await client.say("channel.window", channel, stream="stdout", credit=size)


async def main() -> None:
    port, ca, nodes, sessions = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        crowd = Crowd(port, ca, stack)
        await asyncio.gather(*(crowd.node(number) for number in range(nodes)))
        running = []
        for number, peer in enumerate(crowd.nodes):
            running += [tasks.create_task(crowd.serve(peer)), tasks.create_task(crowd.beat(peer, number))]
        if sessions:
            client = await crowd.peer("client", "admin")
            for _ in range(sessions):
                await crowd.open(client)
                await client.hear("session.opened")
            running.append(tasks.create_task(crowd.drink(client)))
        if sys.argv[5:] == ["busy"]:
            running += [tasks.create_task(crowd.print_lines(peer, number)) for number, peer in enumerate(crowd.nodes)]
            running.append(tasks.create_task(crowd.come_and_go(client)))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in running:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
