"""The process that runs this machine's node for the console, and goes on when the console has ended."""

import argparse
import asyncio
import os
import sys
import time
from contextlib import suppress

from omnyshell.cli.loop import run
from omnyshell.cli.output import describe, fail
from omnyshell.cli.service import set_up_logging, tune_memory, until_stopped
from omnyshell.errors import OmnyShellException
from omnyshell.services.local.node_process import END_IF_IDLE, LOOK_FOR_HUB
from omnyshell.services.local.parts import node_config
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import LocalSetup
from omnyshell.services.node.node import OmnyShellNode

FORGOTTEN_AFTER = 60.0
"""Seconds without a hub and without sessions after which the node ends: nobody will miss it."""

LOOK_PERIOD = 10.0


async def _serve(setup: LocalSetup, port: int) -> int:
    lock = PidFile(setup.node_pid_file).claim()
    try:
        await _serve_claimed(setup, port, lock)
    finally:
        os.close(lock)
    return 0


async def _serve_claimed(setup: LocalSetup, port: int, lock: int) -> None:
    node = OmnyShellNode(node_config(setup, port))

    def look_for_hub() -> None:
        running = setup.running()
        node.dial_now(setup.node_access(running.port) if running is not None else None)

    def end_if_idle() -> None:
        if not node.session_count:
            node.stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(LOOK_FOR_HUB, look_for_hub)
    loop.add_signal_handler(END_IF_IDLE, end_if_idle)
    # Only now: whoever reads this may send the signals.
    PidFile.write(lock, {"pid": os.getpid(), "is_alone": True})
    serving = asyncio.create_task(node.run())
    ends = {asyncio.create_task(until_stopped()), asyncio.create_task(_forgotten(node))}
    await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
    node.stop()
    for task in ends:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await serving


async def _forgotten(node: OmnyShellNode) -> None:
    """Return once the node has been without hub and sessions for long enough."""
    last_use = time.monotonic()
    while time.monotonic() - last_use < FORGOTTEN_AFTER:
        await asyncio.sleep(LOOK_PERIOD)
        if node.registered.is_set() or node.session_count:
            last_use = time.monotonic()


def main() -> int:
    """Serve in the background."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    tune_memory()
    set_up_logging("warning")
    try:
        return run(_serve(LocalSetup.default(), options.port))
    except OmnyShellException as exc:
        return fail(describe(exc))


if __name__ == "__main__":
    sys.exit(main())
