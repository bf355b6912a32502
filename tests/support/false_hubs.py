"""Who stands between a peer and its hub: a hub that is none, and a relay that hands on what it is shown."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.ports import free_port
from support.quiet_websockets import QUIET
from support.stack import Certificates
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

NONCE = "N" * 43


def server_tls(certificates: Certificates) -> ssl.SSLContext:
    """TLS with the hub's own certificate and key."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates.cert, certificates.key)
    return tls


@dataclass
class FalseHub:
    """What it announces, and what it was told."""

    port: int = 0
    features: tuple[str, ...] = ()
    nonce: str = NONCE
    heard: list[dict[str, Any]] = field(default_factory=list)
    behind_login: dict[str, Any] | None = None
    """A message that is sent at once behind the answer to a login."""

    connections: int = 0
    """How many there were."""

    open: set[ServerConnection] = field(default_factory=set)

    def drop_all(self) -> None:
        """End the connections that there are."""
        for ws in self.open:
            ws.transport.abort()

    def signatures(self) -> list[str]:
        """Everything that it could show elsewhere."""
        return [value for said in self.heard for name, value in said["d"].items() if name in ("signature", "binding")]


@asynccontextmanager
async def false_hub(
    certificates: Certificates, features: Iterable[str] = (), nonce: str = NONCE, port: int = 0
) -> AsyncIterator[FalseHub]:
    """A hub whose certificate is right, and which takes every login; it announces what its fields say by then."""
    hub = FalseHub(features=tuple(features), nonce=nonce)

    async def handle(ws: ServerConnection) -> None:
        info = {"features": list(hub.features)}
        hello = {"role": "hub", "protocolVersion": 1, "minVersion": 1, "nonce": hub.nonce, "info": info}
        hub.open.add(ws)
        with suppress(ConnectionClosed):
            await ws.send(json.dumps({"t": "hello", "d": hello}))
            hub.connections += 1
            async for raw in ws:
                said = json.loads(raw)
                hub.heard.append(said)
                if said["t"] == "auth.request":
                    welcome = {"principal": said["d"]["principal"], "sessionToken": "s"}
                    await ws.send(json.dumps({"t": "auth.ok", "d": welcome}))
                    if hub.behind_login is not None:
                        await ws.send(json.dumps(hub.behind_login))
                elif said["t"] == "node.list.request":
                    await ws.send(json.dumps({"t": "node.list.response", "d": {"nodes": []}}))
                elif said["t"] == "node.register":
                    registered = {"nodeId": said["d"]["nodeId"], "assignedAt": "2026-01-02T03:04:05.678Z"}
                    await ws.send(json.dumps({"t": "node.registered", "d": registered}))
        hub.open.discard(ws)

    tls = server_tls(certificates)
    async with serve(handle, "127.0.0.1", port or free_port(), ssl=tls, close_timeout=1, **QUIET) as server:
        hub.port = server.sockets[0].getsockname()[1]
        yield hub


@asynccontextmanager
async def tls_relay(
    certificates: Certificates, hub_port: int, port: int = 0, trusted: Path | None = None
) -> AsyncIterator[int]:
    """Ends TLS with a certificate, the hub's own or another, and hands on every byte to the hub.

    `trusted` is the authority of the hub behind it, where that is another one. Yields the port where it listens.
    """
    inner = ssl.create_default_context(cafile=str(trusted or certificates.ca))
    inner.check_hostname = False

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", hub_port, ssl=inner)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        for end in (writer, far_writer):
            with suppress(OSError, ssl.SSLError):
                await end.wait_closed()

    server = await asyncio.start_server(serve_one, "127.0.0.1", port or free_port(), ssl=server_tls(certificates))
    async with server:
        yield server.sockets[0].getsockname()[1]
