"""Floods from one address, logins from others meanwhile, a fleet that comes back through them, a local owner."""

import argparse
import asyncio
import logging
import resource
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import uvloop
from support.hub_process import HubProcess
from support.raw_peer import RawPeer
from support.stack import Certificates
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.idle_peers import processor_seconds
from omnyshell import OmnyShellHub
from omnyshell.services.local.parts import hub_config
from omnyshell.services.local.setup import LocalSetup, user_name
from omnyshell.transport.backoff import STABLE_AFTER
from soak.fleet import fleet
from soak.machines import workplace
from soak.many_nodes import all_registered
from soak.report import Figure, report
from soak.strangers import client_hello

RATE = 1_000
"""Connections a second, as far as TLS lets the attacker."""

LOGINS = 45
PAUSE = 0.2
HELD = 8_000
"""Connections that the attacker keeps open."""

ATTACKER, KNOWN_ATTACKER = "127.9.0.1", "127.9.0.2"
SEVERAL = tuple(f"127.9.1.{number}" for number in range(1, 5))
"""As many as fill the places of all."""

OUTAGE = 5.0
FLOODS = ("nothing said", "closed at once", "half a TLS hello", "whole TLS", "wrong logins")
GONE = (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, asyncio.IncompleteReadError, EOFError)


async def say(port: int, source: str, data: bytes, tls: ssl.SSLContext | None = None) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), ssl=tls)
    writer.write(data)
    return writer


async def log_in(
    certificates: Certificates, port: int, source: str, token: str = "admin-token", principal: str = "admin"
) -> str:
    """One try to log in from an address; what came of it."""
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    url = f"wss://127.0.0.1:{port}"
    async with connect(url, ssl=tls, compression=None, proxy=None, close_timeout=1, local_addr=(source, 0)) as ws:
        peer = RawPeer(ws)
        await peer.hear("hello")
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": principal, "token": token})
        return str((await peer.hear())["t"])


async def flood(kind: str, certificates: Certificates, port: int, sources: Sequence[str]) -> None:
    """Connect as often as can be, in one way, from each address in turn, until this process is ended."""
    tls = ssl.create_default_context(cafile=str(certificates.ca))
    half = client_hello()[:100]
    held: list[asyncio.StreamWriter] = []

    async def once(source: str) -> None:
        with suppress(*GONE):
            if kind == "wrong logins":
                await log_in(certificates, port, source, "wrong")
                return
            writer = await say(
                port, source, half if kind == "half a TLS hello" else b"", tls if kind == "whole TLS" else None
            )
            if kind == "closed at once":
                writer.transport.abort()
            else:
                held.append(writer)
                if len(held) > HELD:
                    held.pop(0).transport.abort()

    tasks = set[asyncio.Task[None]]()
    began, count = time.monotonic(), 0
    print("ready", flush=True)
    while True:
        while count < (time.monotonic() - began) * RATE and len(tasks) < RATE:
            task = asyncio.create_task(once(sources[count % len(sources)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            count += 1
        await asyncio.sleep(0.005)


@asynccontextmanager
async def flooder(kind: str, certificates: Certificates, port: int, *sources: str) -> AsyncIterator[None]:
    """A flood from a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "soak.attacks.addresses", "--flood", kind, str(certificates.ca), str(port), *sources,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()


async def logins(certificates: Certificates, port: int, sources: Callable[[int], str], count: int) -> list[float]:
    """Log in again and again; the seconds that each took, infinite for one that failed."""
    times = []
    for number in range(count):
        began = time.monotonic()
        try:
            answer = await asyncio.wait_for(log_in(certificates, port, sources(number)), 10)
            times.append(time.monotonic() - began if answer == "auth.ok" else float("inf"))
        except GONE:
            times.append(float("inf"))
        await asyncio.sleep(PAUSE)
    return sorted(times)


def never_seen(number: int) -> str:
    """An address for each login that the hub has not seen."""
    return f"127.1.{number // 200}.{number % 200 + 1}"


async def attack(kind: str, sources: Sequence[str], count: int) -> Figure:
    with workplace() as (directory, certificates):
        hub = HubProcess(certificates, directory / "hub", "--log-level", "error")
        await hub.start()
        try:
            if KNOWN_ATTACKER in sources:
                await log_in(certificates, hub.port, KNOWN_ATTACKER)
            async with flooder(kind, certificates, hub.port, *sources):
                await asyncio.sleep(2)
                worked, began = processor_seconds(hub.pid), time.monotonic()
                times = await logins(
                    certificates, hub.port, lambda number: f"127.1.{number // 200}.{number % 200 + 1}", count
                )
                share = (processor_seconds(hub.pid) - worked) / (time.monotonic() - began)
        finally:
            hub.kill()
    failed = sum(each == float("inf") for each in times)
    standing = (
        "a known address" if KNOWN_ATTACKER in sources else {1: "one address"}.get(len(sources), "four addresses")
    )
    return Figure(
        f"{RATE} connections a second from {standing}, {kind}; logins from others",
        "all within 1 s",
        f"{len(times) - failed} of {len(times)}, worst {times[-1] * 1000:.0f} ms, {share:.0%} of a core in the hub",
        times[-1] < 1,
    )


async def comes_back(flooded: str | None, count: int) -> Figure:
    """A fleet behind one address loses its hub, and comes back while somebody floods."""
    with workplace() as (directory, certificates):
        hub = HubProcess(certificates, directory / "hub", "--node-ids", str(count))
        await hub.start()
        try:
            async with fleet(certificates, hub.port, directory, count) as nodes, AsyncExitStack() as stack:
                await all_registered(nodes, 120)
                # For the hub to have written down where they come from, and for the backoff to begin anew.
                await asyncio.sleep(STABLE_AFTER + 1)
                if flooded is not None:
                    await stack.enter_async_context(flooder("nothing said", certificates, hub.port, flooded))
                hub.kill()
                await asyncio.sleep(OUTAGE)
                await hub.start()
                took = await all_registered(nodes, 60)
        finally:
            hub.kill()
    meanwhile = ", flooded from another address" if flooded is not None else ""
    return Figure(
        f"{count} nodes behind one address, hub killed and back after {OUTAGE:g} s{meanwhile}",
        "all registered within 35 s",
        f"after {took:.1f} s",
        took <= 35,
    )


async def locked_out(count: int) -> Figure:
    """An owner, whose address is that of all others of the machine, logs in while they fail to."""
    with workplace() as (directory, _):
        setup = LocalSetup(directory / "local")
        config = hub_config(setup, 0)
        certificates = Certificates(setup.ca_file, config.cert, config.key)
        async with OmnyShellHub(config) as hub:
            for number in range(20):
                with suppress(*GONE):
                    await log_in(certificates, hub.port, "127.0.0.1", f"wrong{number}", user_name())
            results = Counter[str]()
            for number in range(count):
                results[await log_in(certificates, hub.port, "127.0.0.1", setup.secret("admin"), user_name())] += 1
                with suppress(*GONE):
                    await log_in(certificates, hub.port, "127.0.0.1", f"wrong{number}", user_name())
    return Figure(
        "the owner of a local hub, while others of the machine fail to log in",
        f"{count} of {count} logins",
        f"{results['auth.ok']} of {count}",
        results["auth.ok"] == count,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--logins", type=int, default=LOGINS)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--kind", choices=FLOODS, action="append")
    parser.add_argument("--flood", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.disable(logging.ERROR)
    if options.flood is not None:
        kind, ca, port, *sources = options.flood
        asyncio.run(flood(kind, Certificates(Path(ca), Path(ca), Path(ca)), int(port), sources))
        return
    figures = [
        asyncio.run(attack(kind, sources, options.logins))
        for kind in options.kind or FLOODS
        for sources in ((ATTACKER,), SEVERAL, (KNOWN_ATTACKER,))
    ]
    figures.append(asyncio.run(locked_out(options.logins)))
    figures += [uvloop.run(asyncio.wait_for(comes_back(where, options.nodes), 250)) for where in (None, ATTACKER)]
    report("attacks.addresses", *figures)


if __name__ == "__main__":
    main()
