"""Has a hub hand its nodes and clients over, and waits until they have gone (docs/extensions.md#hubs)."""

import asyncio
import time
from collections.abc import Callable

from omnyshell.printable import count_of
from omnyshell.protocol.messages.admin import HubDrain, HubDrainingRequest, HubDrainingResponse
from omnyshell.services.client.admin import AdminClient

LOOK = 1.0
"""Seconds between two looks at who is left."""

WHY_LEFT = "too old to go to another hub, told no `ca` to trust it by, or with something that would end by it"


async def drain(
    admin: AdminClient, within: int, wait: float, on_left: Callable[[str], object] = lambda _text: None
) -> str:
    """Drain the hub of a connection that `stays`; return who is left when `wait` is over, "" if nobody is.

    The hub has `within` seconds for it, and `wait` begins behind those. `on_left` gets who is left whenever that has
    changed. Raises as `AdminClient.ask` does.
    """
    await admin.do(HubDrain(request_id="", within=within))
    end, told = time.monotonic() + within + wait, ""
    while True:
        remaining = await admin.ask(HubDrainingRequest(request_id=""), HubDrainingResponse)
        # One of the clients is this one.
        clients = max(0, remaining.clients - 1)
        if not remaining.nodes and not clients:
            return ""
        text = f"{count_of(remaining.nodes, 'node')} and {count_of(clients, 'client')}"
        if time.monotonic() >= end:
            return text
        if text != told:
            on_left(told := text)
        await asyncio.sleep(LOOK)
