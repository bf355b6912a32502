"""A hub written from the wire specification alone, for one peer: JSON, struct and the websockets library."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.quiet_websockets import QUIET
from support.raw_peer import RawPeer
from support.stack import Certificates, running_node, within
from websockets.asyncio.server import ServerConnection, serve


@asynccontextmanager
async def raw_hub(
    certificates: Certificates, features: tuple[str, ...] = ()
) -> "AsyncIterator[tuple[int, asyncio.Future[RawPeer]]]":
    """The port, and the connection of the first peer that has logged in."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.cert, certificates.key)
    logged_in: asyncio.Future[RawPeer] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handle(ws: ServerConnection) -> None:
        peer = RawPeer(ws)  # type: ignore[arg-type]
        info = {"features": list(features)}
        await peer.say("hello", {"role": "hub", "protocolVersion": 1, "minVersion": 1, "nonce": "n", "info": info})
        await peer.hear("hello")
        asked = await peer.hear("auth.request")
        await peer.say("auth.ok", {"principal": asked["d"]["principal"], "sessionToken": "s"})
        if not logged_in.done():
            logged_in.set_result(peer)
        await done.wait()

    async with serve(handle, "127.0.0.1", 0, ssl=tls, max_size=None, close_timeout=1, **QUIET) as server:
        try:
            yield server.sockets[0].getsockname()[1], logged_in
        finally:
            done.set()


async def register(peer: RawPeer, *, has_tunnels: bool = True) -> None:
    """Take a node's registration."""
    asked = await within(peer.hear("node.register"))
    await peer.say("node.registered", {"nodeId": asked["d"]["nodeId"], "assignedAt": "2026-01-02T03:04:05.678Z"})
    named = await within(peer.hear("node.capabilities"))
    assert ("tunnel" in named["d"]["features"]) is has_tunnels


@asynccontextmanager
async def node_at_raw_hub(
    certificates: Certificates,
    state: Path,
    features: tuple[str, ...] = ("tunnel-eof",),
    *,
    has_tunnels: bool = True,
    **changes: Any,
) -> "AsyncIterator[RawPeer]":
    """A registered node, as its hub sees it."""
    async with raw_hub(certificates, features) as (port, logged_in):

        async def accept() -> RawPeer:
            peer = await within(logged_in)
            await register(peer, has_tunnels=has_tunnels)
            return peer

        accepting = asyncio.create_task(accept())
        async with running_node(certificates, port, state, **changes):
            yield await accepting


async def hear_past_heartbeats(peer: RawPeer, expected: str | None = None) -> object:
    """The next message that is no heartbeat."""
    while True:
        raw = await within(peer.ws.recv())
        if isinstance(raw, bytes):
            assert expected is None, raw[:40]
            return raw
        message = json.loads(raw)
        if message["t"] != "node.heartbeat":
            assert expected in (None, message["t"]), message
            return message
