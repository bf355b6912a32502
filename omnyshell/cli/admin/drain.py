"""`omnyshell hub drain`: has a hub hand its nodes and clients over to the other hubs."""

import argparse
import asyncio

from omnyshell.cli.admin.question import seconds
from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.output import say
from omnyshell.durations import parse_duration
from omnyshell.protocol.messages.admin import HubDrain
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.draining import WHY_LEFT, drain as drain_by
from omnyshell.services.dial import HubAccess

SOME_ARE_LEFT = 1


def drain(options: argparse.Namespace) -> int:
    """Hand all over, or take peers again; returns 1 where some are left when the time is over."""
    within = parse_duration(options.within, "--within")
    if options.end:
        asyncio.run(_end(access_from(options)))
        say("the hub takes nodes and clients again")
        return 0
    left = asyncio.run(_drain(access_from(options), int(within), seconds(options.wait, "--wait")))
    if not left:
        say("nobody is left: the hub can be stopped; `hub drain --end` has it take nodes and clients again")
        return 0
    say(f"{left} are left, {WHY_LEFT}")
    return SOME_ARE_LEFT


async def _end(access: HubAccess) -> None:
    async with AdminClient(access, stays=True) as admin:
        await admin.do(HubDrain(request_id="", ends=True))


async def _drain(access: HubAccess, within: int, wait: float) -> str:
    async with AdminClient(access, stays=True) as admin:
        return await drain_by(admin, within, wait, lambda left: say(f"{left} are left"))
