"""Many nodes in this process, each with a state directory of its own."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.stack import Certificates, access

from omnyshell import NodeConfig, OmnyShellNode


@asynccontextmanager
async def fleet(
    certificates: Certificates, port: int, directory: Path, count: int
) -> AsyncIterator[list[OmnyShellNode]]:
    """Nodes `n0`, `n1`, ... that dial the hub at this port, and stop at the end."""
    quieten()
    nodes = [
        OmnyShellNode(
            NodeConfig(
                node_id=f"n{number}",
                access=access(certificates, port, "box"),
                state_dir=directory / f"node-{number}",
                run_as_node_user=True,
            )
        )
        for number in range(count)
    ]
    running = [asyncio.create_task(node.run()) for node in nodes]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.stop()
        await asyncio.gather(*running, return_exceptions=True)


def quieten() -> None:
    """Log nothing, and look for no shells: that starts processes, which is not what is measured."""
    import omnyshell.services.node.processes.local_backend as module

    async def no_shells() -> tuple[str, ...]:
        return ()

    logging.getLogger("omnyshell").setLevel(logging.CRITICAL)
    module.find_shells = no_shells  # type: ignore[assignment]


async def tell_of_nodes(count: Callable[[], int]) -> None:
    """Print how many nodes of this process are registered, whenever that changes, until its stdin ends."""
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    told = -1
    while not ended.done():
        registered = count()
        if registered != told:
            told = registered
            print(registered, flush=True)
        await asyncio.sleep(0.1)
