"""What would end with this machine's hub and node, as the hub says it, and ctrl+c that says so first."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

from omnyshell.cli.ground.output import complain
from omnyshell.errors import OmnyShellException, OmnyShellTimeoutException
from omnyshell.services.local.setup import LocalSetup, Running

LOOK_TIMEOUT = 5.0
"""Seconds for the hub to say what goes through it."""

AGAIN = 5.0
"""Seconds after ctrl+c in which another one ends what would end."""


async def what_ends(setup: LocalSetup, running: Running) -> list[str]:
    """Return a line about each thing that somebody would lose, or one that says that the hub does not answer."""
    from omnyshell.cli.live.feed import first_time, live_state
    from omnyshell.model.live import Part
    from omnyshell.services.local.what_ends import WhatEnds

    parts = (Part.NODES, Part.SESSIONS, Part.TUNNELS)
    try:
        async with asyncio.timeout(LOOK_TIMEOUT), live_state(setup.admin_access(running), parts) as (state, feed):
            await first_time(state, feed)
            ends = WhatEnds.with_hub(state, running.node_id, and_node=True)
    except TimeoutError:
        return _unknown(OmnyShellTimeoutException("it did not answer in time"))
    except OmnyShellException as exc:
        return _unknown(exc)
    return [] if ends.is_nothing else ends.lines()


def _unknown(why: OmnyShellException) -> list[str]:
    return [f"what goes through the hub, which does not say ({why})"]


def say_what_ends(lines: Sequence[str]) -> None:
    """Say it on stderr."""
    complain("this ends:")
    for line in lines:
        complain(f"  {line}")


class Interrupts:
    """ctrl+c: ends at once where nobody loses anything; else the first one says what would end."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Sequence[str]]],
        end: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ask` returns a line about each thing that would end, `end` ends it."""
        self._ask = ask
        self._end = end
        self._monotonic = monotonic
        self._asking: asyncio.Task[None] | None = None
        self._until = 0.0

    def interrupted(self) -> None:
        """Handle ctrl+c."""
        is_asking = self._asking is not None and not self._asking.done()
        if is_asking or self._monotonic() < self._until:
            self._end()
        else:
            self._asking = asyncio.get_running_loop().create_task(self._say())

    async def _say(self) -> None:
        try:
            lines = await self._ask()
        except Exception as exc:
            # Whatever went wrong, the next ctrl+c ends it.
            lines = [f"what cannot be found out ({exc!r})"]
        if not lines:
            self._end()
            return
        say_what_ends(lines)
        complain(f"ctrl+c again within {AGAIN:.0f} s ends it")
        self._until = self._monotonic() + AGAIN

    async def aclose(self) -> None:
        """Ask no more: the end has begun."""
        self._until = math.inf
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
