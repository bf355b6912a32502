"""The hub inside the console: in a thread of its own, on an event loop of its own, reached over the wire like any."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import CONSOLE, LocalSetup, Running, machine_node_id

STOP_TIMEOUT = 10.0


class EmbeddedHub:
    """A hub on loopback that lives as long as the console; this machine's node is told when it serves."""

    def __init__(self, setup: LocalSetup, port: int | None = None) -> None:
        self._setup = setup
        self._port = port
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._is_unwanted = False
        self.started: Future[Running] = Future()
        """What serves, or why it could not start."""

    @property
    def has_failed(self) -> bool:
        """Whether it could not start."""
        return self.started.done() and self.started.exception() is not None

    def start(self) -> None:
        """Begin; see `started`."""
        self._thread.start()

    def stop(self) -> None:
        """End the hub; its node goes on, and waits for the next one. Idempotent."""
        self._is_unwanted = True
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            # It may have ended by itself.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException as exc:
            if not self.started.done():
                self.started.set_exception(exc)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        if self._is_unwanted:
            return
        # Loaded in this thread, while the other one loads the user interface.
        from omnyshell.services.local.parts import start_hub

        lock = self._setup.claim()
        try:
            hub = await start_hub(self._setup, self._port)
            try:
                running = Running(os.getpid(), hub.port, machine_node_id(), CONSOLE)
                self._setup.announce(lock, running)
                LocalNode(self._setup).look_for_hub()
                self.started.set_result(running)
                await self._stopping.wait()
            finally:
                await hub.stop()
        finally:
            os.close(lock)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop of commands; the stock one where uvloop is not there."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
