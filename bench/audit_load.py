"""What auditing costs the relay: throughput and round trips through a hub that records 10,000 audit records a second,
beside the same hub that records none. Run as `python -m bench.audit_load`; the two take turns."""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from omnyshell import (
    CertGenerator,
    ClientConfig,
    HubAccess,
    HubAddress,
    HubConfig,
    NodeConfig,
    OmnyShellClient,
    OmnyShellHub,
    OmnyShellNode,
    PrincipalId,
    TokenAuthenticator,
    TokenCredentialProvider,
    TokenGrant,
)

ROUNDS = 3
RATE = 10_000
SIZE = 64 * 1024 * 1024
TRIPS = 500


async def serve(directory: Path, rate: int) -> None:
    """A hub that records so many records a second, until stdin ends."""
    config = HubConfig(
        cert=directory / "hub.pem",
        key=directory / "hub.key",
        port=0,
        state_dir=directory / f"state-{time.monotonic_ns()}",
        authenticator=TokenAuthenticator([TokenGrant.parse("me:token:admin")]),
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    async with OmnyShellHub(config) as hub:
        print(hub.port, flush=True)
        due = time.monotonic()
        while not ended.is_set():
            for _ in range(rate // 100):
                hub.audit.record("bench.record", principal="me", address="127.0.0.1", node_id="n", session_id="s" * 36)
            due += 0.01
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if hub.audit.writer is not None:
            print(f"lost {hub.audit.writer.lost}", flush=True)


async def measure(directory: Path, rate: int) -> tuple[float, float, float]:
    """MiB a second of `head -c`, and the median and 99th percentile of a round trip in ms."""
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.audit_load", "serve", str(directory), str(rate),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert hub.stdout is not None
    assert hub.stdin is not None
    port = int(await hub.stdout.readline())
    access = HubAccess(
        address=HubAddress("127.0.0.1", port),
        credentials=TokenCredentialProvider(PrincipalId("me"), "token"),
        ca=directory / "ca.pem",
    )
    node = OmnyShellNode(NodeConfig(node_id="n", access=access, state_dir=directory / "node", run_as_node_user=True))
    running = asyncio.create_task(node.run())
    await node.registered.wait()
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        started = time.perf_counter()
        done = await client.execute("n", f"head -c {SIZE} /dev/zero")
        speed = len(done.stdout) / (time.perf_counter() - started) / 2**20
        trips = []
        for _ in range(TRIPS):
            trips.append(await client.ping() * 1000)
            await asyncio.sleep(0.002)
    node.stop()
    await running
    hub.stdin.close()
    await hub.wait()
    return speed, statistics.median(trips), sorted(trips)[int(len(trips) * 0.99)]


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        CertGenerator().generate(directory, ["127.0.0.1"])
        for _ in range(ROUNDS):
            for rate in (0, RATE):
                speed, median, worst = await measure(directory, rate)
                print(f"{rate:>6} records/s: {speed:6.0f} MiB/s, round trip p50 {median:.2f} ms, p99 {worst:.2f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run(main())
