"""What a hub says of its nodes to the others: published again where it has changed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from itertools import islice
from typing import Any

from omnyshell.errors import OmnyShellException
from omnyshell.services.hub.cluster.places.hub_places import Claim
from omnyshell.services.hub.ground.in_steps import a_few

SOON = 0.05
"""Seconds before others are told of a change of a node: most come in twos."""

MOST_AT_ONCE, A_TURN = 64, 8
"""Nodes of which the engine is told at once, and that are described in one turn of the loop."""

AGAIN = 0.5
"""Seconds before it is tried again where the engine did not take it."""

logger = logging.getLogger("omnyshell.cluster")


class Descriptions:
    """Publishes descriptions, each change once, as long as any wants it."""

    def __init__(
        self,
        plan: Callable[[str], Claim | None],
        publish: Callable[[Claim], Awaitable[int]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`plan` returns what is to be published of a node; None where it is not this hub's, or nothing has changed.

        `spawn` runs work until the hub stops.
        """
        self._plan, self._publish, self._spawn = plan, publish, spawn
        self._changed: dict[str, None] = {}
        self._is_running = False

    def changed(self, node_id: str) -> None:
        """Have a node described anew, in a moment."""
        self._changed[node_id] = None
        if not self._is_running:
            self._is_running = True
            self._spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._changed:
                await asyncio.sleep(0 if len(self._changed) > MOST_AT_ONCE else SOON)
                changed = tuple(islice(self._changed, MOST_AT_ONCE))
                for node_id in changed:
                    del self._changed[node_id]
                async with asyncio.TaskGroup() as telling:
                    for some in a_few(changed, A_TURN):
                        for node_id in some:
                            telling.create_task(self._describe(node_id))
                        await asyncio.sleep(0)
        finally:
            self._is_running = False

    async def _describe(self, node_id: str) -> None:
        plan = self._plan(node_id)
        if plan is None:
            return
        try:
            await self._publish(plan)
        except OmnyShellException as exc:
            logger.debug("node %s is described later: %s", node_id, exc)
            await asyncio.sleep(AGAIN)
            self._changed[node_id] = None
