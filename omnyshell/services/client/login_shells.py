"""Login shells on nodes without the extension `interactive`."""

import asyncio

from omnyshell.errors import OmnyShellException
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.protocol.extensions import INTERACTIVE

START_LOGIN_SHELL = b'stty sane; exec "${SHELL:-/bin/sh}" -il\n'
"""First input to a node without `interactive` (docs/protocol.md#sessions): turns its quiet shell into a login shell."""


async def knows_interactive(node_id: str, listing: asyncio.Future[tuple[NodeDescriptor, ...]]) -> bool:
    """Tell whether the node has `interactive`; assume so if the listing does not tell."""
    try:
        nodes = await listing
    except OmnyShellException:
        return True
    return all(node.node_id != node_id for node in nodes) or any(
        node.node_id == node_id and node.capabilities is not None and INTERACTIVE in node.capabilities.features
        for node in nodes
    )
