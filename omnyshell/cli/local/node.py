"""The process that runs this machine's node for the console, and outlives the console."""

import asyncio
import os
import sys
import time
from contextlib import suppress
from typing import Any

from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.output import describe, fail
from omnyshell.cli.ground.service import set_up_logging, tune_memory, until_stopped
from omnyshell.errors import OmnyShellException
from omnyshell.services.local.node_process import END_IF_IDLE, LOOK_FOR_HUB
from omnyshell.services.local.parts import node_config
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import DEFAULT_PORT, LocalSetup
from omnyshell.services.node.node import OmnyShellNode

FORGOTTEN_AFTER = 60.0
"""Seconds without a hub and without sessions after which the node ends."""

LOOK_PERIOD = 10.0


async def _serve(setup: LocalSetup) -> int:
    lock = PidFile(setup.node_pid_file).claim()
    try:
        await _serve_claimed(setup, lock)
    finally:
        os.close(lock)
    return 0


async def _serve_claimed(setup: LocalSetup, lock: int) -> None:
    node = OmnyShellNode(node_config(setup, DEFAULT_PORT))
    found, unwanted = asyncio.Event(), asyncio.Event()
    said: dict[str, Any] = {"pid": os.getpid(), "is_alone": True, "stays": 0}

    def look_for_hub() -> None:
        running = setup.running()
        if running is not None:
            node.dial_now(setup.node_access(running.port))
            found.set()

    def end_if_idle() -> None:
        if not node.session_count:
            unwanted.set()
        else:
            # The process that sent the signal waits for this answer.
            said["stays"] += 1
            PidFile.write(lock, said)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(LOOK_FOR_HUB, look_for_hub)
    loop.add_signal_handler(END_IF_IDLE, end_if_idle)
    # Written only now: a process that reads the file may send the signals. A hub that already serves may not have found
    # it, so look for one.
    PidFile.write(lock, said)
    look_for_hub()
    serving = asyncio.create_task(_run(node, found))
    ends = {
        asyncio.create_task(until_stopped()),
        asyncio.create_task(unwanted.wait()),
        asyncio.create_task(_forgotten(node)),
    }
    await asyncio.wait({serving, *ends}, return_when=asyncio.FIRST_COMPLETED)
    # Like `node.stop`, but this also works before the node runs.
    serving.cancel()
    for task in ends:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    with suppress(asyncio.CancelledError):
        await serving


async def _run(node: OmnyShellNode, found: asyncio.Event) -> None:
    await found.wait()
    await node.run()


async def _forgotten(node: OmnyShellNode) -> None:
    """Return once the node had neither hub nor sessions for `FORGOTTEN_AFTER` seconds."""
    last_use = time.monotonic()
    while time.monotonic() - last_use < FORGOTTEN_AFTER:
        await asyncio.sleep(LOOK_PERIOD)
        if node.registered.is_set() or node.session_count:
            last_use = time.monotonic()


def main() -> int:
    """Serve in the background."""
    tune_memory()
    set_up_logging("warning")
    try:
        return run(_serve(LocalSetup.default()))
    except OmnyShellException as exc:
        return fail(describe(exc))


if __name__ == "__main__":
    sys.exit(main())
