"""An event loop whose time moves only when a test says so: what is timed happens at once, in its order."""

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

THREAD_DEADLINE = 10.0
"""Real seconds that work of threads may take, for which the loop's time stands still."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]  # its base is chosen at run time
    """Asks the loop what to do where nothing is ready."""

    idle: Callable[[float | None], float] = staticmethod(lambda _timeout: 0.0)

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        return ready if ready or timeout == 0 else super().select(self.idle(timeout))


class StillLoop(asyncio.SelectorEventLoop):
    """Begins at 1000 s. What runs in threads is waited for, without time passing meanwhile."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._until = self._now
        self._busy = 0
        selector = _Selector()
        super().__init__(selector)
        selector.idle = self._idle

    def time(self) -> float:
        return self._now

    def settle(self) -> None:
        """Run all that can run without time passing."""
        self.passes(0.0)

    def do(self, action: Callable[[], object]) -> None:
        """Call from within the loop, and run all that can run then. Raises what the call raises."""
        future = self.create_future()

        def act() -> None:
            try:
                future.set_result(action())
            except BaseException as exc:
                future.set_exception(exc)

        self.call_soon(act)
        self.settle()
        future.result()

    def passes(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._until = self._now + seconds
        self.run_forever()

    def leaps(self, seconds: float) -> None:
        """Go on so much later, with nothing done meanwhile, as a machine does that slept."""
        self._now += seconds
        self.passes(1.0)

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to the end of a coroutine, however much of the loop's time that takes."""
        self._until = math.inf
        return self.run_until_complete(coroutine)

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> Any:  # type: ignore[override]
        self._busy += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _future: "asyncio.Future[Any]") -> None:
        self._busy -= 1

    def _idle(self, timeout: float | None) -> float:
        """Have time pass, or the loop stop; returns for how many real seconds threads are waited for."""
        if self._busy:
            return THREAD_DEADLINE
        due = math.inf if timeout is None else self._now + timeout
        if due <= self._until < math.inf or (self._until == math.inf and due < math.inf):
            # A little later, as the loop rounds to its clock's resolution.
            self._now = due
        elif self._until == math.inf:
            raise AssertionError("what is waited for never comes")
        else:
            self._now = self._until
            self.stop()
        return 0.0
