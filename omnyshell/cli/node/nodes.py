"""`omnyshell nodes list`."""

import argparse
import asyncio
from typing import Any

from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import complain, say, say_json, say_table
from omnyshell.cli.node.host_keys import HostKeys, as_json, ask_host_keys, say_host_keys, tell_of_changes
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.options.values import parse_pairs
from omnyshell.protocol.messages import NodeListResponse
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess


def list_nodes(options: argparse.Namespace) -> int:
    """Print the nodes that are connected."""
    labels = parse_pairs(options.filter, "--filter")
    answered, keys = asyncio.run(_fetch(access_from(options), labels, with_keys=options.keys))
    nodes = answered.nodes
    if options.json:
        say_json([_json(node, keys) for node in nodes])
    elif nodes and options.keys:
        say_host_keys(keys)
    elif nodes:
        hub = ("HUB",) if any(node.hub for node in nodes) else ()
        rows = [(node.node_id, *([node.hub or "-"] if hub else ()), *_row(node)) for node in nodes]
        say_table(("NODE", *hub, "NAME", "PLATFORM", "HOST", "LABELS"), rows)
    else:
        say(f"no nodes are connected that {'match' if labels else 'you may use'}")
    if answered.shortened or answered.left_out:
        text = f"{answered.shortened} nodes are shown without labels, and {answered.left_out} left out"
        complain(f"nodes say more of themselves than fits an answer: {text}; --filter asks for fewer")
    tell_of_changes(keys)
    return 0


async def _fetch(access: HubAccess, labels: dict[str, str], *, with_keys: bool) -> tuple[NodeListResponse, HostKeys]:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        answered = await client.ask_nodes(labels)
        if not with_keys:
            return answered, {}
        return answered, await ask_host_keys(client, access, [node.node_id for node in answered.nodes])


def _json(node: NodeDescriptor, keys: HostKeys) -> dict[str, Any]:
    said = node.to_wire()
    return said | {"ssh": as_json(keys[node.node_id])} if node.node_id in keys else said


def _row(node: NodeDescriptor) -> tuple[str, ...]:
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    platform = f"{node.platform.os}/{node.platform.arch}"
    return node.display_name, platform, node.platform.hostname, labels
