"""A hub as a service: stopped under load, its certificate renewed under handshakes, its clock set."""

import asyncio
import contextlib
import os
import signal
import ssl
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.raw_peer import logged_in
from support.stack import access, connected_client, hub_config

from omnyshell import CertGenerator, NodeConfig, OmnyShellHub, OmnyShellNode
from soak.machines import machines, workplace
from soak.report import Figure, report

RATE = 50
RENEWALS = 10


async def stop_under_load() -> Figure:
    """SIGTERM while 30 commands flood and 50 peers are there."""
    async with machines(node_options=("--max-sessions", "100")) as (certificates, hub, _), AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected_client(certificates, hub.port, reconnect_timeout=0.0))
        while not await client.list_nodes():
            await asyncio.sleep(0.05)
        sessions = [await client.open_session("n1", command="yes") for _ in range(30)]

        async def drain(number: int) -> None:
            async for _ in sessions[number]:
                pass

        draining = [asyncio.create_task(drain(number)) for number in range(len(sessions))]
        peers = [await stack.enter_async_context(logged_in(certificates, hub.port, "client", "dev")) for _ in range(50)]
        await asyncio.sleep(2)
        codes = [asyncio.create_task(peer.hear_close()) for peer in peers]
        began = time.monotonic()
        os.kill(hub.pid, signal.SIGTERM)
        status = await asyncio.to_thread(hub.wait)
        took = time.monotonic() - began
        told = [code for code, _ in await asyncio.gather(*codes)].count(4503)
        with contextlib.suppress(OSError):
            await asyncio.open_connection("127.0.0.1", hub.port)
            status = -1
        await asyncio.gather(*draining, return_exceptions=True)
    return Figure(
        "SIGTERM under 30 floods and 50 peers",
        "accepting ends, peers told, closed within 10 s, exit 0",
        f"exit {status} after {took:.2f} s, {told} of 50 heard 4503",
        status == 0 and took < 10 and told == 50,
    )


async def write_in_pieces(path: Path, data: bytes) -> None:
    """As an editor or a careless script does."""
    with path.open("wb") as file:
        for at in range(0, len(data), 200):
            file.write(data[at : at + 200])
            file.flush()
            await asyncio.sleep(0.02)


async def renewals() -> Figure:
    """Renew the certificate in place while clients shake hands; they trust the authority, which stays."""
    done = failed = 0
    seen: set[bytes] = set()
    async with machines() as (certificates, hub, _):
        tls = ssl.create_default_context(cafile=str(certificates.ca))

        async def shake_hands() -> None:
            nonlocal done, failed
            try:
                async with asyncio.timeout(5):
                    _, writer = await asyncio.open_connection("127.0.0.1", hub.port, ssl=tls)
                seen.add(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
                writer.close()
                done += 1
            except (OSError, TimeoutError):
                failed += 1

        async def load() -> None:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    tasks.create_task(shake_hands())
                    await asyncio.sleep(1 / RATE)

        loading = asyncio.create_task(load())
        for _ in range(RENEWALS):
            other = certificates.cert.parent.parent / "renewed"
            other.mkdir(exist_ok=True)
            for name in ("ca.pem", "ca.key"):
                (other / name).write_bytes((certificates.cert.parent / name).read_bytes())
                (other / name).chmod(0o600)
            made = CertGenerator().generate(other, ["127.0.0.1", "localhost"])
            await write_in_pieces(certificates.key, made.hub_key)
            await write_in_pieces(certificates.cert, made.hub_pem)
            await asyncio.sleep(3)
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
    return Figure(
        f"certificate renewed {RENEWALS} times under {RATE} handshakes a second, files written in pieces",
        "0 failed handshakes",
        f"{failed} of {done + failed} failed; {len(seen)} certificates seen",
        failed == 0 and len(seen) > RENEWALS // 2,
    )


class JumpingClock:
    """The system's clock, whose wall time is set an hour forth and back."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        return time.monotonic()


async def clock_jumps() -> Figure:
    """An hour either way, on hub and node, with a session open and heartbeats every half second."""
    clock = JumpingClock()
    with workplace() as (directory, certificates):
        async with OmnyShellHub(hub_config(certificates, clock=clock, heartbeat_timeout=3.0)) as hub:
            config = NodeConfig(
                node_id="n1",
                access=access(certificates, hub.port, "box"),
                state_dir=directory / "node",
                heartbeat_interval=0.5,
                run_as_node_user=True,
            )
            node = OmnyShellNode(config, clock)
            running = asyncio.create_task(node.run())
            await asyncio.wait_for(node.registered.wait(), 10)
            async with connected_client(certificates, hub.port) as client:
                session = await client.open_session("n1", command="cat")
                output = session.__aiter__()
                echoes = 0
                for offset in (1, 0, -1, 0, 1, -1, 0):
                    clock.offset = timedelta(hours=offset)
                    await asyncio.sleep(4)
                    await session.write(b"x")
                    echoes += (await asyncio.wait_for(anext(output), 5)).data == b"x"
                session.close()
            timeouts = hub.metrics.heartbeat_timeouts
            node.stop()
            await running
    return Figure(
        "the clocks of hub and node jump an hour either way, 7 times",
        "nothing times out",
        f"{timeouts} heartbeat timeouts, {echoes} of 7 echoes",
        timeouts == 0 and echoes == 7,
    )


async def run() -> list[Figure]:
    return [await stop_under_load(), await renewals(), await clock_jumps()]


def main() -> None:
    report("service", *asyncio.run(asyncio.wait_for(run(), 240)))


if __name__ == "__main__":
    main()
