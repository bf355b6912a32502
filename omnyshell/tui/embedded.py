"""The hub inside the console: it runs in its own thread and event loop, and is reached over the wire like any hub."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from omnyshell.services.local.node_process import LocalNode
from omnyshell.services.local.setup import CONSOLE, LocalSetup, Running

STOP_TIMEOUT = 10.0


class EmbeddedHub:
    """A hub on the loopback that lives as long as the console. This machine's node is told when it serves."""

    def __init__(self, setup: LocalSetup, port: int | None = None) -> None:
        self._setup = setup
        self._port = port
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._is_unwanted = False
        self.started: Future[Running] = Future()
        """The running hub, or the error that kept it from starting."""

    @property
    def has_failed(self) -> bool:
        """Whether it could not start."""
        return self.started.done() and self.started.exception() is not None

    def start(self) -> None:
        """Start the thread; see `started`."""
        self._thread.start()

    def stop(self) -> None:
        """End the hub; the node goes on, and waits for the next hub. Idempotent."""
        self._is_unwanted = True
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            # The loop may have ended already.
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
        # Imported in this thread, while the main thread imports the user interface.
        from omnyshell.services.local.hub import LocalHub

        hub = await LocalHub.start(self._setup, self._port, CONSOLE)
        try:
            hub.announce()
            LocalNode(self._setup).look_for_hub()
            self.started.set_result(hub.running)
            await self._stopping.wait()
        finally:
            await hub.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of uvloop's event loop; None without uvloop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
