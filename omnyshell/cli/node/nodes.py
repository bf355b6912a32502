"""`omnyshell nodes list`."""

import argparse
import asyncio

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, say, say_json, say_table
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.options.values import parse_pairs
from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess


def list_nodes(options: argparse.Namespace) -> int:
    """Print the nodes that are connected."""
    labels = parse_pairs(options.filter, "--filter")
    answered = asyncio.run(_fetch(access_from(options), labels))
    nodes = answered.nodes
    if options.json:
        say_json([node.to_wire() for node in nodes])
    elif nodes:
        say_table(("NODE", "NAME", "PLATFORM", "HOST", "LABELS"), [_row(node) for node in nodes])
    else:
        say("no nodes are connected" + (" that match" if labels else ""))
    if answered.shortened or answered.left_out:
        text = f"{answered.shortened} nodes are shown without labels, and {answered.left_out} left out"
        complain(f"nodes say more of themselves than fits an answer: {text}; --filter asks for fewer")
    return 0


async def _fetch(access: HubAccess, labels: dict[str, str]) -> NodeListResponse:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        return await client.ask_nodes(labels)


def _row(node: NodeDescriptor) -> tuple[str, ...]:
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    platform = f"{node.platform.os}/{node.platform.arch}"
    return node.node_id, node.display_name, platform, node.platform.hostname, labels
