"""`omnyshell down`: ends what `up` started, after saying what else would end with it."""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from omnyshell.cli.ground.output import complain, fail, say
from omnyshell.cli.ground.prompts import ask_line, is_asked
from omnyshell.cli.local.what_ends import say_what_ends, what_ends
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import CONSOLE, LocalSetup, Running

STOP_TIMEOUT = 10.0
POLL = 0.02
NOT_MEANT = 1


def down(options: argparse.Namespace) -> int:
    """End the hub and node of `up`, and a node that the console left running with its sessions."""
    setup = LocalSetup.default()
    running, node = setup.running(), LocalNode(setup)
    if running is None and node.pid() is None:
        say("nothing is up")
        return 0
    if running is not None and running.program == CONSOLE:
        return fail(f"the console has hub and node (process {running.pid}): quit it there")
    if not options.yes and is_asked() and not _is_meant(setup, running, node):
        complain("omnyshell: nothing was ended")
        return NOT_MEANT
    if running is not None:
        # The process may have ended already.
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
        if not wait_until(lambda: setup.running() is None, STOP_TIMEOUT):
            return fail(f"process {running.pid} has not ended yet")
    if not node.end(STOP_TIMEOUT):
        return fail(f"the node (process {node.pid()}) has not ended yet")
    say("down")
    return 0


def _is_meant(setup: LocalSetup, running: Running | None, node: LocalNode) -> bool:
    """Ask whether what would end is to end, if anything would."""
    lines = _left_node(node) if running is None else asyncio.run(what_ends(setup, running))
    if not lines:
        return True
    say_what_ends(lines)
    return ask_line("End it? [y/N] ").lower() in ("y", "yes")


def _left_node(node: LocalNode) -> list[str]:
    """A node that goes on without a hub does so for its sessions; one without any may end at once."""
    return [] if node.end_if_idle(STOP_TIMEOUT) else [f"this machine's node and its sessions (process {node.pid()})"]


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Return whether the condition became true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True
