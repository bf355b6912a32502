"""`omnyshell down`: ends what `up` started, after saying what else would end with it."""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from omnyshell.cli.ground.output import complain, count_of, fail, say
from omnyshell.cli.ground.prompts import ask_line, is_asked
from omnyshell.cli.local.what_ends import say_what_ends, what_ends
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import CONSOLE, LocalSetup, Running
from omnyshell.services.node.keeper.asking import end_keeper, keeper_facts
from omnyshell.services.node.keeper.place import NoKeeperException, SilentKeeperException

STOP_TIMEOUT = 10.0
POLL = 0.02
NOT_MEANT = 1


def down(options: argparse.Namespace) -> int:
    """End the hub and node of `up`, and what the console left running with its sessions: a node, or its keeper.

    Raises `SilentKeeperException` where a keeper does not answer, whose sessions cannot be ended.
    """
    setup = LocalSetup.default()
    running, node = setup.running(), LocalNode(setup)
    kept = _kept(setup)
    if running is None and node.pid() is None and kept is None:
        say("nothing is up")
        return 0
    if running is not None and running.program == CONSOLE:
        return fail(f"the console has hub and node (process {running.pid}): quit it there")
    if not options.yes and is_asked() and not _is_meant(setup, running, node, kept or 0):
        complain("omnyshell: nothing was ended")
        return NOT_MEANT
    # First, so that their clients hear of it.
    end_keeper(setup.node_state)
    if running is not None:
        # The process may have ended already.
        with suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
        if not wait_until(lambda: setup.running() is None, STOP_TIMEOUT):
            return fail(f"process {running.pid} has not ended yet")
    if not node.end(STOP_TIMEOUT):
        return fail(f"the node (process {node.pid()}) has not ended yet")
    # The node may have had another one meanwhile.
    end_keeper(setup.node_state)
    say(f"down, and {count_of(kept, 'session')} with it" if kept else "down")
    return 0


def _kept(setup: LocalSetup) -> int | None:
    """How many sessions this machine's keeper holds; None where there is none."""
    try:
        return keeper_facts(setup.node_state).running
    except SilentKeeperException:
        raise
    except NoKeeperException:
        return None


def _is_meant(setup: LocalSetup, running: Running | None, node: LocalNode, kept: int) -> bool:
    """Ask whether what would end is to end, if anything would."""
    lines = _left(node, kept) if running is None else asyncio.run(what_ends(setup, running))
    if not lines:
        return True
    say_what_ends(lines)
    return ask_line("End it? [y/N] ").lower() in ("y", "yes")


def _left(node: LocalNode, kept: int) -> list[str]:
    """A node that goes on without a hub does so for its sessions; one without any may end at once."""
    if node.pid() is None:
        return [f"{count_of(kept, 'session')} of this machine's node, which has ended itself"] if kept else []
    return [] if node.end_if_idle(STOP_TIMEOUT) else [f"this machine's node and its sessions (process {node.pid()})"]


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    """Return whether the condition became true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True
