"""Event loops for commands that wait in vain: what nothing can come before any more is there at once."""

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.still_loop import StillLoop

from omnyshell.clock import SystemClock


class ImpatientLoop(StillLoop):
    """Time passes where nothing else is left to do: whoever waits for an answer that never comes has waited already."""

    def __init__(self) -> None:
        super().__init__()
        self._until = math.inf


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return ImpatientLoop()


_REAL = time.monotonic


def _monotonic() -> float:
    """The time of the loop that asks, as who looks at a clock between waits would not get to the end of them."""
    loop = asyncio._get_running_loop()
    return loop.time() if isinstance(loop, ImpatientLoop) else _REAL()


@contextmanager
def impatient_loops() -> Iterator[None]:
    """Have whoever runs a loop of this thread run such a one; all that a command hears must come from within."""
    before = asyncio.get_event_loop_policy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", _monotonic)
        patch.setattr(SystemClock, "monotonic", staticmethod(_monotonic))
        asyncio.set_event_loop_policy(_Policy())
        try:
            yield
        finally:
            asyncio.set_event_loop_policy(before)
