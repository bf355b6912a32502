"""Which nodes a user may have meant who named none that is connected."""

import argparse
import asyncio
from collections.abc import Sequence
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
    alike = similar(node, known[:LONGEST_LIST])
    return f"did you mean {' or '.join(alike)}?" if alike else ""


def similar(node: str, known: Sequence[str]) -> list[str]:
    """The ids that are most like the name, in whichever case, and without what only ssh has beside it."""
    by_name: dict[str, list[str]] = {}
    for name in known:
        by_name.setdefault(name.casefold(), []).append(name)
    alike = get_close_matches(_host_of(node).casefold(), by_name, MOST, SIMILAR)
    return [name for folded in alike for name in by_name[folded]][:MOST]


def is_said_as_to_ssh(node: str) -> bool:
    """Whether it has a user before it, or a port behind it, which no id has."""
    return _host_of(node) != node


def _host_of(node: str) -> str:
    return node.rpartition("@")[2].partition(":")[0]


async def _node_ids(options: argparse.Namespace) -> list[str]:
    async with OmnyShellClient(ClientConfig(access=access_from(options), reconnect_timeout=0)) as client:
        return [node.node_id for node in await client.list_nodes()]
