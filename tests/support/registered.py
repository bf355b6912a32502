"""Waits for nodes of a hub that is a process of its own, by one connection instead of a command at each look."""

import asyncio
from collections.abc import Callable

from support.deadline import DEADLINE
from support.stack import Certificates, connected_client

PAUSE = 0.05
"""Seconds between looks."""


def until_registered(
    certificates: Certificates,
    port: int,
    *node_ids: str,
    principal: str = "admin",
    lives: Callable[[], bool] | None = None,
) -> None:
    """Return once the hub lists them all to a principal of `GRANTS`; fails where what is waited for lives no more."""
    asyncio.run(_until_registered(certificates, port, set(node_ids), principal, lives or (lambda: True)))


async def _until_registered(
    certificates: Certificates, port: int, node_ids: set[str], principal: str, lives: Callable[[], bool]
) -> None:
    async with asyncio.timeout(DEADLINE), connected_client(certificates, port, principal) as client:
        while not node_ids <= {node.node_id for node in await client.list_nodes()}:
            assert lives()
            await asyncio.sleep(PAUSE)
