"""`omnyshell hub drain`: has a hub hand its nodes and clients over to the other hubs."""

import argparse
import asyncio
import time

from omnyshell.cli.admin.question import seconds
from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import say
from omnyshell.durations import parse_duration
from omnyshell.protocol.messages.admin import HubDrain, HubDrainingRequest, HubDrainingResponse
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.dial import HubAccess

LOOK = 1.0
"""Seconds between two looks at who is left."""

SOME_ARE_LEFT = 1


def drain(options: argparse.Namespace) -> int:
    """Hand all over, or take peers again; returns 1 where some are left when the time is over."""
    within = parse_duration(options.within, "--within")
    if options.end:
        asyncio.run(_end(access_from(options)))
        say("the hub takes nodes and clients again")
        return 0
    remaining = asyncio.run(_drain(access_from(options), int(within), seconds(options.wait, "--wait")))
    if remaining is None:
        say("nobody is left: the hub can be stopped; `hub drain --end` has it take nodes and clients again")
        return 0
    why = "too old to go to another hub, told no `ca` to trust it by, or with something that would end by it"
    say(f"{_shown(remaining)} are left, {why}")
    return SOME_ARE_LEFT


async def _end(access: HubAccess) -> None:
    async with AdminClient(access, stays=True) as admin:
        await admin.do(HubDrain(request_id="", ends=True))


async def _drain(access: HubAccess, within: int, wait: float) -> HubDrainingResponse | None:
    """Return who is left when the time is over; None if nobody is."""
    async with AdminClient(access, stays=True) as admin:
        await admin.do(HubDrain(request_id="", within=within))
        end, told = time.monotonic() + within + wait, ""
        while True:
            remaining = await admin.ask(HubDrainingRequest(request_id=""), HubDrainingResponse)
            # One of the clients is this one.
            remaining.clients = max(0, remaining.clients - 1)
            if not remaining.nodes and not remaining.clients:
                return None
            if time.monotonic() >= end:
                return remaining
            if (text := _shown(remaining)) != told:
                say(f"{text} are left")
                told = text
            await asyncio.sleep(LOOK)


def _shown(remaining: HubDrainingResponse) -> str:
    return f"{remaining.nodes} nodes and {remaining.clients} clients"
