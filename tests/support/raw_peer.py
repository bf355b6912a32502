"""A peer written from the wire specification alone: JSON, struct and the websockets library."""

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.deadline import DEADLINE
from support.quiet_websockets import QUIET
from support.stack import Certificates
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

STDIN, STDOUT, STDERR = 1, 2, 3


class RawPeer:
    """One connection to a hub."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.hub_hello: dict[str, Any] = {}

    async def say(self, message_type: str, data: Any = None, channel: Any = None) -> None:
        envelope = {"t": message_type, "d": {} if data is None else data}
        await self.ws.send(json.dumps(envelope if channel is None else envelope | {"c": channel}))

    async def send_data(self, opcode: int, channel: int, payload: bytes) -> None:
        await self.ws.send(struct.pack(">BBII", 1, opcode, channel, len(payload)) + payload)

    async def hear(self, expected: str | None = None) -> Any:
        """The next message: a dict for a control message, bytes for data."""
        raw = await asyncio.wait_for(self.ws.recv(), DEADLINE)
        if isinstance(raw, bytes):
            assert expected is None, raw[:40]
            return raw
        message = json.loads(raw)
        assert expected in (None, message["t"]), message
        return message

    async def granted(self) -> int:
        """The credit of the window that comes next."""
        return int((await self.hear("channel.window"))["d"]["credit"])

    async def hear_whenever(self) -> Any:
        """The next control message, however long it takes."""
        while isinstance(raw := await self.ws.recv(), bytes):
            pass
        return json.loads(raw)

    async def hear_close(self) -> tuple[int, str]:
        """Read to the end; the close code and reason."""
        try:
            while True:
                await asyncio.wait_for(self.ws.recv(), DEADLINE)
        except ConnectionClosed as exc:
            return (exc.rcvd.code, exc.rcvd.reason) if exc.rcvd is not None else (1006, "")

    async def still_there(self) -> None:
        """Prove that the connection works; what came before the pong is dropped."""
        await self.say("ping", {"id": "probe", "ts": "2026-01-02T03:04:05.678Z"})
        while True:
            message = await self.hear()
            if isinstance(message, dict) and message["t"] == "pong":
                assert (message["d"]["id"], message["d"]["ts"]) == ("probe", "2026-01-02T03:04:05.678Z")
                return

    async def greet(self, role: str, **info: Any) -> None:
        await self.say("hello", {"role": role, "protocolVersion": 1, "minVersion": 1, "info": {"agent": "raw", **info}})


@asynccontextmanager
async def stranger(certificates: Certificates, port: int, path: str = "/any/path") -> AsyncIterator[RawPeer]:
    """A connection that has heard the hub's hello and said nothing."""
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    url = f"wss://127.0.0.1:{port}{path}"
    async with connect(url, ssl=tls, max_size=None, proxy=None, close_timeout=2, **QUIET) as ws:
        peer = RawPeer(ws)
        peer.hub_hello = await peer.hear("hello")
        yield peer


@asynccontextmanager
async def logged_in(
    certificates: Certificates, port: int, role: str, principal: str, features: tuple[str, ...] = ()
) -> AsyncIterator[RawPeer]:
    """A connection that has logged in with the principal's token."""
    async with stranger(certificates, port) as peer:
        await peer.greet(role, features=list(features))
        await peer.say("auth.request", {"method": "token", "principal": principal, "token": f"{principal}-token"})
        await peer.hear("auth.ok")
        yield peer


@asynccontextmanager
async def registered(
    certificates: Certificates,
    port: int,
    node_id: str = "n1",
    *,
    principal: str = "box",
    features: tuple[str, ...] = (),
    **extra: Any,
) -> AsyncIterator[RawPeer]:
    """A node on the hub's list."""
    async with logged_in(certificates, port, "node", principal, features) as node:
        await node.say("node.register", {"nodeId": node_id, "platform": {"os": "linux", "arch": "x64"}, **extra})
        assert (await node.hear("node.registered"))["d"]["nodeId"] == node_id.strip()
        yield node


async def open_session(client: RawPeer, node: RawPeer, channel: int = 1, **request: Any) -> int:
    """Open a session between the two; returns the node's channel."""
    await client.say("session.open", {"nodeId": "n1", **request}, channel)
    asked = await node.hear("node.session.open")
    await node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
    opened = await client.hear("session.opened")
    assert (opened["c"], opened["d"]["sessionId"]) == (channel, asked["d"]["sessionId"])
    return int(asked["c"])
