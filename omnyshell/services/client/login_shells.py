"""Login shells on nodes without the extension `interactive`."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from omnyshell.errors import OmnyShellException
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.services.client.session import RemoteSession

if TYPE_CHECKING:
    from omnyshell.services.client.client import OmnyShellClient

START_LOGIN_SHELL = b'stty sane; exec "${SHELL:-/bin/sh}" -il\n'
"""First input to a node without `interactive` (docs/protocol.md#sessions): turns its quiet shell into a login shell."""


async def open_login_shell(
    client: "OmnyShellClient",
    node_id: str,
    *,
    pty: PtySpec,
    env: Mapping[str, str] | None,
    cwd: str | None,
    user: str = "",
) -> RemoteSession:
    """See `OmnyShellClient.open_shell`."""
    # The listing is requested at the same time: it decides what has to be typed into the session.
    listing = asyncio.ensure_future(client.list_nodes())
    session = None
    try:
        session = await client.open_session(
            node_id, mode=SessionMode.SHELL, env=env, cwd=cwd, pty=pty, interactive=True, user=user
        )
        if INTERACTIVE not in client.hub_features or not await _knows_interactive(node_id, listing):
            await session.write(START_LOGIN_SHELL)
    except BaseException:
        listing.cancel()
        await asyncio.gather(listing, return_exceptions=True)
        if session is not None:
            session.close()
        raise
    return session


async def _knows_interactive(node_id: str, listing: asyncio.Future[tuple[NodeDescriptor, ...]]) -> bool:
    """Tell whether the node has `interactive`; assume so if the listing does not tell."""
    try:
        nodes = await listing
    except OmnyShellException:
        return True
    return all(node.node_id != node_id for node in nodes) or any(
        node.node_id == node_id and node.capabilities is not None and INTERACTIVE in node.capabilities.features
        for node in nodes
    )
