"""`omnyshell cp`: files to and from nodes, and between them (docs/files.md)."""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from omnyshell.cli.files.view import View, view_of
from omnyshell.cli.ground.access import access_from
from omnyshell.cli.ground.loop import run_until_signal
from omnyshell.cli.ground.service import allow_many_descriptors
from omnyshell.errors import ConfigException
from omnyshell.extras import require
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.files.chosen import Choice
from omnyshell.services.client.files.copying import Manner, Update
from omnyshell.services.client.files.link import open_link
from omnyshell.services.client.files.local import LocalFiles
from omnyshell.services.client.files.ports import Files
from omnyshell.services.client.files.spots import Spot, landing, wanted
from omnyshell.services.client.files.transfer import Transfer, Wanted
from omnyshell.services.dial import HubAccess

INCOMPLETE = 1
"""Exit code where something was not copied, and the rest was."""

PATIENCE = 300.0
"""Seconds for which a lost hub is dialled again."""


def copy(options: argparse.Namespace) -> int:
    """Copy files; returns 0 if all are there, 1 if some are not."""
    spots = [Spot.parse(text) for text in options.paths]
    if len(spots) <= 1:
        raise ConfigException("say what is copied to where, as in `omnyshell cp FILE NODE:PATH`")
    if not any(spot.node for spot in spots):
        raise ConfigException("none of them is at a node, as NODE:PATH is; the plain `cp` copies within this machine")
    choice = Choice(options.include, options.exclude)
    require("files")
    allow_many_descriptors()
    return run_until_signal(_copy(access_from(options), options, spots, choice))


async def _copy(access: HubAccess, options: argparse.Namespace, spots: Sequence[Spot], choice: Choice) -> int:
    config = ClientConfig(access=access, reconnect_timeout=PATIENCE, node_timeout=PATIENCE)
    view = view_of(as_json=options.json)
    async with OmnyShellClient(config) as client, AsyncExitStack() as stack:
        machines: dict[tuple[str, str], Files] = {}
        for spot in spots:
            # What is said of a failure names the node that it was about.
            options.node = spot.node
            if (spot.node, spot.user) not in machines:
                machines[spot.node, spot.user] = await _opened(client, stack, spot, options.user or "", view)
        *sources, target = ((machines[spot.node, spot.user], spot.path) for spot in spots)
        found: list[Wanted] = []
        for files, path in sources:
            found += await wanted(files, path)
        into, named = await landing(*target, found)
        how, target_files = _manner(options), target[0]
        transfer = Transfer(named, target_files, into, manner=how, choice=choice, report=view.report, tell=view.tell)
        async with view.of(transfer.progress):
            try:
                done = await transfer.run()
            except asyncio.CancelledError:
                view.tell("stopped: the same command again goes on from here")
                raise
    return INCOMPLETE if done.failed or done.left_out else 0


async def _opened(client: OmnyShellClient, stack: AsyncExitStack, spot: Spot, user: str, view: View) -> Files:
    if not spot.node:
        # Nothing else waits for this loop.
        return LocalFiles(in_threads=False)
    opener = partial(open_link, client, spot.node, spot.user or user, view.tell)
    first = await opener()
    # Loaded once the session is there, as it takes longer to start than this.
    from omnyshell.services.client.files.remote import RemoteFiles

    return await stack.enter_async_context(RemoteFiles(spot.node, opener, view.tell, first))


def _manner(options: argparse.Namespace) -> Manner:
    unless_newer = Update.CHANGED if options.update else Update.ALL
    return Manner(preserve=options.p, update=Update.DIFFERENT if options.checksum else unless_newer)
