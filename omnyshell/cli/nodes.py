"""`omnyshell nodes list`."""

import argparse
import asyncio

from omnyshell.cli.access import access_from
from omnyshell.cli.output import say, say_json, say_table
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.options.values import parse_pairs
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess


def list_nodes(options: argparse.Namespace) -> int:
    """Print the nodes that are connected."""
    labels = parse_pairs(options.filter, "--filter")
    nodes = asyncio.run(_fetch(access_from(options), labels))
    if options.json:
        say_json([node.to_wire() for node in nodes])
    elif nodes:
        say_table(("NODE", "NAME", "PLATFORM", "HOST", "LABELS"), [_row(node) for node in nodes])
    else:
        say("no nodes are connected" + (" that match" if labels else ""))
    return 0


async def _fetch(access: HubAccess, labels: dict[str, str]) -> tuple[NodeDescriptor, ...]:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        return await client.list_nodes(labels)


def _row(node: NodeDescriptor) -> tuple[str, ...]:
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    platform = f"{node.platform.os}/{node.platform.arch}"
    return node.node_id, node.display_name, platform, node.platform.hostname, labels
