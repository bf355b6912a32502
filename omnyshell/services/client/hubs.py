"""The hub that a client is connected with, and when it leaves that for another one (docs/architecture.md#failover)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from omnyshell.errors import OmnyShellException, SessionRejectedException
from omnyshell.services.client.requests import PendingRequests
from omnyshell.services.dial import HubAccess
from omnyshell.services.failover import HubDialler
from omnyshell.transport.connection import OmnyShellConnection

if TYPE_CHECKING:
    from omnyshell.services.client.elsewhere import Elsewhere
    from omnyshell.services.client.openings import Ask
    from omnyshell.services.client.session import RemoteSession
    from omnyshell.services.client.tunnels import ClientTunnels

LOOKS, SOON = 100, 0.05
"""How often, and with how many seconds between, it is looked whether a hub has answered before it is left."""

AGAIN = 1.0
"""Seconds after which a client that was asked to move looks again whether it can."""


class ClientHubs:
    """Dials, and leaves a hub where nothing of the client ends by that.

    A hub that hands its peers over is left later where something would.
    """

    def __init__(
        self,
        access: HubAccess,
        requests: PendingRequests,
        tunnels: "Callable[[], ClientTunnels | None]",
        dial: Callable[[], Awaitable[object]],
        stranded: Callable[[], None],
    ) -> None:
        """`requests` and `tunnels` are the client's; while any of them is there, no hub is left.

        `dial` has the client dial, and `stranded` is called where a hub was left and no other one was reached.
        """
        self._dialler = HubDialler(access, self._move)
        self._requests, self._tunnels = requests, tunnels
        self._dial, self._stranded = dial, stranded
        self._dialling = asyncio.Lock()
        self._elsewhere: Elsewhere | None = None
        self._connection: OmnyShellConnection | None = None
        self._again: asyncio.TimerHandle | None = None
        self.is_going = False
        """Whether it is on its way to another hub by itself, so that nobody else has to dial."""

    async def dial(self, **how: Any) -> OmnyShellConnection:
        """Dial as `HubDialler.dial` does; return the connection that there is, if somebody else has dialled meanwhile.

        A session that is to be resumed asks for it, also while the client goes to another hub by itself.
        """
        async with self._dialling:
            if self._connection is None or not self._connection.is_open:
                self._forget()
                self._connection = await self._dialler.dial(**how)
        return self._connection

    async def close(self) -> None:
        """Leave nothing any more, and give up what waits for another hub. Idempotent."""
        self._forget()
        if self._elsewhere is not None:
            await self._elsewhere.close()

    def _forget(self) -> None:
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
        return self._can_leave_soon and not self._is_asking

    @property
    def _can_leave_soon(self) -> bool:
        """Whether that is so once what is asked of the hub is answered."""
        connection, tunnels = self._connection, self._tunnels()
        if connection is None or not self._dialler.has_others or (tunnels is not None and tunnels.has_own):
            return False
        handlers = connection.channels.handlers()
        return all(getattr(handler, "can_go_on", False) or _is_opening(handler) for handler in handlers)

    @property
    def _is_asking(self) -> bool:
        handlers = self._connection.channels.handlers() if self._connection is not None else []
        asked = (handler for handler in handlers if _is_opening(handler))
        return bool(self._requests) or any(not getattr(handler, "is_spare", False) for handler in asked)

    def ask_elsewhere(self, ask: "Ask", session: "RemoteSession", problem: SessionRejectedException) -> bool:
        """Have a session be asked for at another hub, by `ask`, as this one cannot reach that of its node.

        Returns False where that was done often enough. A session for which no hub can be had is given up with the
        first problem.
        """
        if self._elsewhere is None:
            # Imported where that is so: a cold `exec` does not need it.
            from omnyshell.services.client.elsewhere import Elsewhere

            self._elsewhere = Elsewhere(self._go_elsewhere)
        return self._elsewhere.take(ask, session, problem)

    async def _go_elsewhere(self) -> bool:
        """Go to another hub, once what was asked of this one is answered; False where that cannot be.

        Raises as dialling does, with no hub left.
        """
        if not await self._until_answered() or (connection := self._connection) is None:
            return False
        self.is_going = True
        try:
            self._dialler.leave()
            await connection.close()
            await self._dial()
        except OmnyShellException:
            self._stranded()
            raise
        finally:
            self.is_going = False
        return True

    async def _until_answered(self) -> bool:
        """Return whether the hub can be left, once nothing is asked of it; others may be asking all the time."""
        for _ in range(LOOKS):
            if not (self._is_asking and self._can_leave_soon):
                break
            await asyncio.sleep(SOON)
        return self.can_leave

    def leave(self) -> bool:
        """Leave the hub for another one, which is dialled as after any loss; False where that cannot be."""
        if not self.can_leave:
            return False
        self._dialler.leave()
        return True

    def _move(self) -> None:
        if self._connection is not None and self._connection.is_open and not self.leave():
            self._again = asyncio.get_running_loop().call_later(AGAIN, self._move)


def _is_opening(handler: object) -> bool:
    return getattr(handler, "is_opening", False)
