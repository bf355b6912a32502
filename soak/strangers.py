"""500 connections that never log in, each stuck at another step: all are closed in time, and a login is quick."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable

from support.hub_process import HubProcess
from support.stack import Certificates

from soak.machines import machines
from soak.probe import honest_logins
from soak.report import Figure, report

COUNT = 125
HALF_UPGRADE = b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upg"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def client_hello() -> bytes:
    """What a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def until_closed(port: int, tls: ssl.SSLContext | None, first: bytes) -> float:
    """Say something, and no more; returns after how many seconds the hub closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    began = time.monotonic()
    writer.write(first)
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while await reader.read(65_536):
            pass
    took = time.monotonic() - began
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return took


async def attack(certificates: Certificates, hub: HubProcess) -> tuple[dict[str, float], float]:
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    hello = client_hello()
    kinds: dict[str, Callable[[], Awaitable[float]]] = {
        "nothing": lambda: until_closed(hub.port, None, b""),
        "half a TLS hello": lambda: until_closed(hub.port, None, hello[: len(hello) // 2]),
        "half an upgrade": lambda: until_closed(hub.port, tls, HALF_UPGRADE),
        "no login": lambda: until_closed(hub.port, tls, UPGRADE),
    }
    names = [name for name in kinds for _ in range(COUNT)]
    async with honest_logins(certificates, hub.port) as slowest, asyncio.timeout(60):
        times = await asyncio.gather(*(kinds[name]() for name in names))
    worst = {name: max(took for known, took in zip(names, times, strict=True) if known == name) for name in kinds}
    return worst, slowest()


async def run() -> tuple[dict[str, float], float]:
    async with machines() as (certificates, hub, _):
        return await attack(certificates, hub)


def main() -> None:
    worst, login = asyncio.run(run())
    goals = {"nothing": 10, "half a TLS hello": 10, "half an upgrade": 10, "no login": 20}
    # What a busy machine adds on both sides.
    late = 1.0
    report(
        "strangers",
        Figure(
            "500 connections stuck before login",
            "closed within 10 / 10 / 10 / 20 s",
            ", ".join(f"{name} {took:.1f} s" for name, took in worst.items()),
            all(worst[name] <= goal + late for name, goal in goals.items()),
        ),
        Figure("a valid login meanwhile", "under 1 s", f"worst {login * 1000:.0f} ms", login < 1),
    )


if __name__ == "__main__":
    main()
