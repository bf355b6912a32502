"""Finds the hub that the console is for, and runs the console."""

import argparse
import asyncio

from omnyshell.services.client.access import complete, given_access
from omnyshell.services.dial import HubAccess
from omnyshell.services.local.setup import LocalSetup
from omnyshell.tui.app import ConsoleApp
from omnyshell.tui.embedded import EmbeddedHub
from omnyshell.tui.settings import ConsoleSettings, settings_file


def start(options: argparse.Namespace) -> int:
    """Run the console until it is left; returns its exit code."""
    settings = ConsoleSettings.load(settings_file())
    given = given_access(options)
    if given.get("hub") and not options.local:
        access = complete(given)
        return _run(ConsoleApp(settings, lambda: _known(access)))
    setup = LocalSetup.default()
    running = setup.running()
    if running is not None:
        access = setup.admin_access(running)
        return _run(ConsoleApp(settings, lambda: _known(access)))
    embedded = EmbeddedHub(setup)
    embedded.start()

    async def embedded_access() -> HubAccess:
        return setup.admin_access(await asyncio.wrap_future(embedded.started))

    try:
        return _run(ConsoleApp(settings, embedded_access))
    finally:
        embedded.stop()


async def _known(access: HubAccess) -> HubAccess:
    return access


def _run(app: ConsoleApp) -> int:
    code = app.run()
    return code if code is not None else app.return_code or 0
