"""What idle peers cost the hub: memory of each, and processor time of a thousand with heartbeats."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.peers import Hub
from omnyshell import (
    HubAccess,
    NodeHeartbeat,
    NodeRegister,
    OmnyShellConnection,
    PlatformInfo,
    PrincipalId,
    TokenCredentialProvider,
)
from omnyshell.services.dial import dial

PEERS = 1000
HEARTBEAT = 10.0
WATCHED = 20.0


def idle_peers(hub: Hub, admin: HubAccess) -> None:
    """Connect a thousand nodes that only send heartbeats, and look at the hub meanwhile."""
    asyncio.run(_measure(hub, admin))


async def _measure(hub: Hub, admin: HubAccess) -> None:
    credentials = TokenCredentialProvider(PrincipalId("box"), "box-token")
    access = HubAccess(address=admin.address, credentials=credentials, ca=admin.ca, connect_timeout=60)
    before = _resident_kib(hub.pid)
    gate = asyncio.Semaphore(20)
    nodes = await asyncio.gather(*(connect_node(access, f"idle-{number}", gate) for number in range(PEERS)))
    print(f"an idle peer: {(_resident_kib(hub.pid) - before) / PEERS:.1f} KiB of the hub (goal <= 50)")
    beating = [asyncio.create_task(beat(node, number, PEERS)) for number, node in enumerate(nodes)]
    await asyncio.sleep(HEARTBEAT)
    used, started = processor_seconds(hub.pid), time.monotonic()
    await asyncio.sleep(WATCHED)
    share = (processor_seconds(hub.pid) - used) / (time.monotonic() - started)
    print(f"{PEERS} idle peers with heartbeats: {share:.1%} of a core (goal <= 2 %)", flush=True)
    for task in beating:
        task.cancel()
    await asyncio.gather(*(node.close() for node in nodes))


async def connect_node(access: HubAccess, node_id: str, gate: asyncio.Semaphore) -> OmnyShellConnection:
    """Log in and register, a few at a time."""
    async with gate:
        node = await dial(
            access,
            role="node",
            features=frozenset(),
            incoming="stdin",
            on_message=lambda _message, _channel: None,
            on_lost=lambda _error: None,
        )
    node.send(NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64")))
    return node


async def beat(node: OmnyShellConnection, number: int, count: int) -> None:
    """Beat for ever, evenly between the others."""
    await asyncio.sleep(HEARTBEAT * number / count)
    sequence = 0
    while True:
        sequence += 1
        node.send(NodeHeartbeat(node_id=f"idle-{number}", seq=sequence, ts=datetime.now(UTC)))
        await asyncio.sleep(HEARTBEAT)


def _resident_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
