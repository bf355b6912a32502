"""Which nodes a user may have meant who named none that is connected."""

import argparse
import asyncio
from difflib import get_close_matches

from omnyshell.cli.ground.access import access_from
from omnyshell.errors import OmnyShellException
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig

SIMILAR = 0.6
"""Similarity, of 1, from which a node is suggested."""

MOST = 3
LONGEST_LIST = 2_000
"""Nodes that are compared: one takes about 20 µs."""


def did_you_mean(options: argparse.Namespace, node: str) -> str:
    """Return a question with the ids of similar nodes, or "". The hub is asked again, which must not fail twice."""
    try:
        known = asyncio.run(_node_ids(options))
    except OmnyShellException:
        return ""
    alike = get_close_matches(node, known[:LONGEST_LIST], MOST, SIMILAR)
    return f"did you mean {' or '.join(alike)}?" if alike else ""


async def _node_ids(options: argparse.Namespace) -> list[str]:
    async with OmnyShellClient(ClientConfig(access=access_from(options), reconnect_timeout=0)) as client:
        return [node.node_id for node in await client.list_nodes()]
