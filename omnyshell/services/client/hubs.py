"""The hub that a client is connected with, and when it leaves that for another one (docs/architecture.md#failover)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from omnyshell.services.client.requests import PendingRequests
from omnyshell.services.dial import HubAccess
from omnyshell.services.failover import HubDialler
from omnyshell.transport.connection import OmnyShellConnection

if TYPE_CHECKING:
    from omnyshell.services.client.tunnels import ClientTunnels

AGAIN = 1.0
"""Seconds after which a client that was asked to move looks again whether it can."""


class ClientHubs:
    """Dials, and leaves a hub where nothing of the client ends by that.

    A hub that hands its peers over is left later where something would.
    """

    def __init__(
        self, access: HubAccess, requests: PendingRequests, tunnels: "Callable[[], ClientTunnels | None]"
    ) -> None:
        """`requests` and `tunnels` are the client's; while any of them is there, no hub is left."""
        self._dialler = HubDialler(access, self._move)
        self._requests, self._tunnels = requests, tunnels
        self._connection: OmnyShellConnection | None = None
        self._again: asyncio.TimerHandle | None = None
        self.is_going = False
        """Whether it is on its way to another hub by itself, so that nobody else has to dial."""

    async def dial(self, **how: Any) -> OmnyShellConnection:
        """Dial as `HubDialler.dial` does."""
        self.close()
        self._connection = await self._dialler.dial(**how)
        return self._connection

    def close(self) -> None:
        """Leave nothing any more. Idempotent."""
        self._connection = None
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def has_untried(self) -> bool:
        """Whether a hub is left that was not tried since the last one was lost."""
        return not self._dialler.is_round_over

    @property
    def can_leave(self) -> bool:
        """Whether there is another hub, and nothing ends where the present one is left."""
        connection, tunnels = self._connection, self._tunnels()
        if connection is None or not self._dialler.has_others or self._requests:
            return False
        if tunnels is not None and tunnels.has_own:
            return False
        return all(getattr(handler, "can_go_on", False) for handler in connection.channels.handlers())

    async def elsewhere(self, dial: Callable[[], Awaitable[object]]) -> bool:
        """Go to another hub, by `dial`; False where that cannot be. Raises as `dial` does, with no hub left."""
        connection = self._connection
        if connection is None or not self.can_leave:
            return False
        self.is_going = True
        try:
            self._dialler.leave()
            await connection.close()
            await dial()
        finally:
            self.is_going = False
        return True

    def leave(self) -> bool:
        """Leave the hub for another one, which is dialled as after any loss; False where that cannot be."""
        if not self.can_leave:
            return False
        self._dialler.leave()
        return True

    def _move(self) -> None:
        if self._connection is not None and self._connection.is_open and not self.leave():
            self._again = asyncio.get_running_loop().call_later(AGAIN, self._move)
