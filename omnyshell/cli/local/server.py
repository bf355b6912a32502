"""The process that runs this machine's own hub and node, for `omnyshell up`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from omnyshell.cli.ground.loop import run
from omnyshell.cli.ground.output import announce, describe, fail
from omnyshell.cli.ground.service import set_up_logging, tune_memory, watch_signals
from omnyshell.cli.local.listening import where_it_listens
from omnyshell.cli.local.what_ends import Interrupts, what_ends
from omnyshell.cli.terminal.streams import settle
from omnyshell.errors import OmnyShellException
from omnyshell.services.local.hub import LocalHub
from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.parts import node_config
from omnyshell.services.local.pid_file import PidFile
from omnyshell.services.local.setup import CONSOLE, UP, LocalSetup, Running
from omnyshell.services.node.keeper.asking import end_keeper
from omnyshell.services.node.node import OmnyShellNode

REGISTER_TIMEOUT = 60.0
HEADLESS = f"{CONSOLE} --headless"


def serve(
    setup: LocalSetup,
    port: int | None,
    on_ready: Callable[[Running], None],
    *,
    lifeline: bool = False,
    asks: bool = False,
) -> int:
    """Serve hub and node until a signal comes, or with `lifeline` until stdin ends.

    `asks` has ctrl+c say first what would end, if anything would.
    """
    tune_memory()
    set_up_logging("warning")
    return run(_serve(setup, port, on_ready, _Until(setup, lifeline=lifeline, asks=asks)))


def serve_hub(setup: LocalSetup, port: int | None) -> int:
    """Serve the hub alone until a signal ends it."""
    tune_memory()
    set_up_logging("warning")
    return run(_serve_hub(setup, port))


async def _serve_hub(setup: LocalSetup, port: int | None) -> int:
    hub = await LocalHub.start(setup, port, HEADLESS)
    try:
        stopped = watch_signals()
        hub.announce()
        LocalNode(setup).look_for_hub()
        announce(f"hub listens on {hub.running.url}")
        for line in where_it_listens(hub.running):
            announce(line)
        await stopped.wait()
    finally:
        await hub.stop()
    return 0


async def _serve(setup: LocalSetup, port: int | None, on_ready: Callable[[Running], None], until: "_Until") -> int:
    hub = await LocalHub.start(setup, port, UP)
    try:
        await _serve_node(setup, hub, on_ready, until)
    finally:
        await hub.stop()
    return 0


async def _serve_node(setup: LocalSetup, hub: LocalHub, on_ready: Callable[[Running], None], until: "_Until") -> None:
    if LocalNode(setup).pid() is not None:
        # The console left a node with sessions running: it connects to this hub.
        hub.announce()
        LocalNode(setup).look_for_hub()
        on_ready(hub.running)
        await until.told(hub.running)
        return
    node_lock = PidFile(setup.node_pid_file).claim()
    node = OmnyShellNode(node_config(setup, hub.running.port))
    serving = asyncio.create_task(node.run())
    try:
        await _registered(node, serving)
        hub.announce()
        on_ready(hub.running)
        await until.told(hub.running)
    finally:
        # What is ended by its user ends whole, and clients hear of it: a keeper is for what was not meant to end.
        try:
            await asyncio.to_thread(end_keeper, setup.node_state)
        finally:
            node.stop()
            await serving
            os.close(node_lock)


async def _registered(node: OmnyShellNode, serving: "asyncio.Task[None]") -> None:
    """Wait until the node is registered.

    Raises the error that ended it instead, or `OmnyShellException` after a timeout.
    """
    waiting = asyncio.create_task(node.registered.wait())
    await asyncio.wait({waiting, serving}, timeout=REGISTER_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        serving.result()
    if not node.registered.is_set():
        raise OmnyShellException("the node could not register with its hub")


class _Until:
    """What ends the server: a signal, and with `lifeline` the end of stdin; `asks` as for `serve`."""

    def __init__(self, setup: LocalSetup, *, lifeline: bool, asks: bool) -> None:
        self._setup = setup
        self._lifeline = lifeline
        self._asks = asks

    async def told(self, running: Running) -> None:
        """Wait for it."""
        loop, stopped = asyncio.get_running_loop(), watch_signals()
        interrupts = Interrupts(lambda: what_ends(self._setup, running), stopped.set)
        if self._asks:
            loop.add_signal_handler(signal.SIGINT, interrupts.interrupted)
        ended: asyncio.Future[None] = loop.create_future()
        ended.add_done_callback(lambda _: stopped.set())
        if self._lifeline:
            # The other end of this pipe is held only by the process that started this one.
            loop.add_reader(0, settle, ended)
        await stopped.wait()
        if self._lifeline:
            loop.remove_reader(0)
        await interrupts.aclose()


def main() -> int:
    """Serve in the background."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--lifeline", action="store_true")
    parser.add_argument("--hub-only", action="store_true")
    parser.add_argument("--cause-to", type=int, help="descriptor for the cause of a failed start")
    options = parser.parse_args()
    try:
        if options.hub_only:
            return serve_hub(LocalSetup.default(), options.port)
        return serve(LocalSetup.default(), options.port, lambda _running: None, lifeline=options.lifeline)
    except OmnyShellException as exc:
        _tell_starter(options.cause_to, describe(exc))
        return fail(describe(exc))
    except Exception as exc:
        _tell_starter(options.cause_to, f"{type(exc).__name__}: {exc}")
        raise


def _tell_starter(descriptor: int | None, cause: str) -> None:
    """Tell who waits for the start why it failed: the log may be on a disk that is full."""
    if descriptor is not None:
        with suppress(OSError):
            os.write(descriptor, cause.encode())


if __name__ == "__main__":
    sys.exit(main())
