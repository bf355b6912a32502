"""Nodes that log in, register and beat, and do nothing else: thousands of them keep a hub busy from one process.

`python -m soak.plain_nodes URLS CA PRINCIPAL TOKEN_FILE FIRST COUNT AT_ONCE` prints how many are registered whenever
that changes. Who loses its hub goes to another one, within `FAILOVER` seconds as a real node does, or comes back.
"""

import asyncio
import random
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import uvloop

from omnyshell import (
    HubAccess,
    HubAddress,
    NodeHeartbeat,
    NodeRegister,
    OmnyShellConnection,
    OmnyShellException,
    PlatformInfo,
    PrincipalId,
    TokenCredentialProvider,
)
from omnyshell.protocol.extensions import OF_NODE, PLACE_PROOFS
from omnyshell.protocol.messages import ControlMessage, NodeCapabilitiesMessage, NodeRegistered
from omnyshell.services import dial
from omnyshell.transport.tls import client_context
from soak.fleet import tell_of_nodes

HEARTBEAT = 10.0
FAILOVER = 2.0
AGAIN = 1.0
"""Seconds after which one that was refused comes again, at most."""

FEATURES = OF_NODE - {PLACE_PROOFS}
"""As of a node that has logged in by a token: it has no key to prove its place with."""

CAPABILITIES = NodeCapabilitiesMessage(
    shells=("/bin/bash", "/bin/sh"), features=("exec", "shell", "resize", "signals", "resume-offset", "wide-window")
)


class PlainNode:
    """One node; `run` it for ever."""

    def __init__(self, homes: list[HubAccess], number: int, turns: asyncio.Semaphore) -> None:
        self._homes, self._node_id, self._turns = homes, f"f{number}", turns
        self._home = homes[number % len(homes)]
        self._lost = asyncio.Event()
        self._epoch = 0
        self.is_registered = False

    async def run(self) -> None:
        while True:
            self._lost.clear()
            try:
                async with self._turns:
                    connection = await self._connected()
                await self._beat(connection)
            except OmnyShellException:
                await asyncio.sleep(random.uniform(0, AGAIN))
            self.is_registered = False
            if others := [home for home in self._homes if home is not self._home]:
                self._home = random.choice(others)
                await asyncio.sleep(random.uniform(0, FAILOVER))

    async def _connected(self) -> OmnyShellConnection:
        connection = await dial.dial(
            self._home,
            role="node",
            features=FEATURES,
            incoming="stdin",
            on_message=self._received,
            on_lost=lambda _error: self._lost.set(),
        )
        platform = PlatformInfo(os="linux", arch="x64", agent_version="0.2.0", hostname=f"machine-{self._node_id}")
        connection.send(
            NodeRegister(
                node_id=self._node_id,
                platform=platform,
                labels={"env": "test"},
                instance=f"instance-of-{self._node_id}",
                epoch=self._epoch,
            )
        )
        connection.send(CAPABILITIES)
        return connection

    def _received(self, message: ControlMessage, _channel: int | None) -> None:
        if isinstance(message, NodeRegistered):
            self.is_registered, self._epoch = True, message.epoch or 0

    async def _beat(self, connection: OmnyShellConnection) -> None:
        seq, pause = 0, random.uniform(0, HEARTBEAT)
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(pause):
                    await self._lost.wait()
            except TimeoutError:
                seq, pause = seq + 1, HEARTBEAT
                connection.send(NodeHeartbeat(node_id=self._node_id, seq=seq, ts=datetime.now(UTC)))


async def run(homes: list[HubAccess], first: int, count: int, at_once: int) -> None:
    dial.client_context = cache(client_context)  # type: ignore[attr-defined]  # which it imports
    turns = asyncio.Semaphore(at_once)
    nodes = [PlainNode(homes, number, turns) for number in range(first, first + count)]
    running = [asyncio.create_task(node.run()) for node in nodes]
    await tell_of_nodes(lambda: sum(node.is_registered for node in nodes))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def main() -> None:
    urls, ca, principal, token, first, count, at_once = sys.argv[1:]
    credentials = TokenCredentialProvider(PrincipalId(principal), Path(token).read_text().strip())
    homes = [
        HubAccess(address=HubAddress.parse(url), credentials=credentials, ca=Path(ca), connect_timeout=60.0)
        for url in urls.split(",")
    ]
    uvloop.run(run(homes, int(first), int(count), int(at_once)))


if __name__ == "__main__":
    main()
