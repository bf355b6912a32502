"""Connects a node or a client to one of its hubs, and to another one when that ends (docs/architecture.md#failover)."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from msgspec import structs

from omnyshell.errors import (
    AuthException,
    ConfigException,
    OmnyShellException,
    OmnyShellTimeoutException,
    TransportException,
)
from omnyshell.model.hubs import OtherHub
from omnyshell.protocol.extensions import HUBS
from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.attempts import Attempts, Turn
from omnyshell.services.dial import HubAccess, dial
from omnyshell.services.hub_choice import HubChoice
from omnyshell.steps import step
from omnyshell.transport.connection import HubAddress, OmnyShellConnection

SHORT_TIMEOUT = 5.0
"""Seconds after which an attempt is given up while there are hubs that were not tried."""

SILENT = 0.7
"""Seconds after which the next hub is tried beside one that has said nothing yet."""

SLOW = 2.0
"""Seconds from which on an attempt that fails is worth remembering: its hub is tried behind others for a while."""

SPREAD = 1.0
"""Seconds over which the clients of a lost hub spread their first attempts at others."""

logger = logging.getLogger("omnyshell.link")


def counts_others(access: HubAccess) -> bool:
    """Whether what a hub says of others counts: what vouches for the first has to vouch for them.

    So it is named, and not everybody whom the system trusts; nor does a proxy end TLS before one.
    """
    return access.ca is not None and access.binding.certificate is None


def access_at(access: HubAccess, address: HubAddress) -> HubAccess:
    """Return how another hub is reached than the one of an access; no weaker proof was allowed for that one."""
    if address == access.address:
        return access
    binding = structs.replace(access.binding, allow_unbound=False, is_old_friend=False)
    return replace(access, address=address, binding=binding)


class HubDialler:
    """Dials the hub of an access, and others that it has named.

    Those count only where the access names the certificates to trust (`ca`), and are held against the same. They are
    remembered in `access.known`.
    """

    def __init__(
        self,
        access: HubAccess,
        on_move: Callable[[], None] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`on_move` is called when the present hub has its peers go; `leave` then. Without it that is not heard of."""
        self.access = access
        self._on_move = on_move
        self._draw = draw
        self._choice = HubChoice(access.address, self._remembered(), draw, lambda hub: access.known.is_silent(str(hub)))
        self._connection: OmnyShellConnection | None = None
        self._since: float | None = None
        self._was_lost = self._is_leaving = False

    @property
    def at(self) -> HubAddress:
        """The hub of the present connection, or of the last attempt."""
        return self._choice.at

    @property
    def is_at_home(self) -> bool:
        """Whether that is the hub of the access."""
        return self._choice.at == self._choice.home

    @property
    def is_round_over(self) -> bool:
        """Whether all hubs were tried since the last one was lost: wait longer each time."""
        return self._choice.is_round_over

    @property
    def has_others(self) -> bool:
        """Whether another hub than the present one is known."""
        return self._choice.has_others

    async def dial(self, **how: Any) -> OmnyShellConnection:
        """Return a connection with one of the hubs, each of which is tried once; `how` is that of `dial.dial`.

        Raises as `dial.dial` does for the hub of the access, or for the last one if that was lost just now.
        """
        if self._was_lost and not self.is_round_over:
            await asyncio.sleep(self._draw() * SPREAD)
        problem: OmnyShellException | None = None
        async with Attempts(partial(self._dial, how)) as attempts:
            attempts.begin(self._next())
            while attempts:
                for address, outcome in await attempts.ended(SILENT if self._may_try_more(attempts) else None):
                    try:
                        connection = outcome.result()
                    except OmnyShellException as exc:
                        if problem is None or address == self._choice.home:
                            problem = exc
                    else:
                        return self._come(address, connection, attempts.silent_for(SILENT))
                if self._may_try_more(attempts):
                    attempts.begin(self._next())
        assert problem is not None  # noqa: S101  # each attempt that ends has either come or failed
        raise problem from problem.__cause__

    async def dial_next(self, **how: Any) -> OmnyShellConnection:
        """Try one hub. Raises as `dial.dial` does; for one that was named by another, `TransportException` alone."""
        address = self._next()
        return self._come(address, await self._dial(how, address))

    def _may_try_more(self, attempts: Attempts) -> bool:
        return not (self.is_round_over or attempts.has_any_spoken)

    def _next(self) -> HubAddress:
        self._connection, self._was_lost, self._is_leaving = None, False, False
        return self._choice.next()

    async def _dial(self, how: Mapping[str, Any], address: HubAddress, turn: Turn | None = None) -> OmnyShellConnection:
        on_lost, on_message = how["on_lost"], how["on_message"]

        def lost(error: OmnyShellException) -> None:
            self._lost()
            on_lost(error)

        def received(message: ControlMessage, channel: int | None) -> None:
            if message.EXTENSION != HUBS or not self._take(message):
                on_message(message, channel)

        began = asyncio.get_running_loop().time()
        try:
            handled = {**how, "on_lost": lost, "on_message": received, "turn": turn}
            return await dial(self._access_at(address), **handled)
        except (AuthException, ConfigException) as exc:
            if address == self._choice.home:
                raise
            raise TransportException(f"the hub at {address}, of which another one told, is no use: {exc}") from exc
        except (TransportException, OmnyShellTimeoutException):
            if self.has_others and asyncio.get_running_loop().time() - began >= SLOW:
                self.access.known.note_silent(str(address))
            raise

    def _come(
        self, address: HubAddress, connection: OmnyShellConnection, silent: Iterable[HubAddress] = ()
    ) -> OmnyShellConnection:
        """Use a connection; while it was made, hubs that were tried before have been `silent`."""
        self._choice.came(address)
        for hub in silent:
            self.access.known.note_silent(str(hub))
        if self.has_others:
            self.access.known.note_answer(str(address))
        self._connection, self._since = connection, asyncio.get_running_loop().time()
        self._welcomed(connection)
        return connection

    def leave(self) -> None:
        """End the connection; the next attempt is made at once, at another hub if there is one."""
        self._is_leaving = True
        if self._connection is not None:
            self._connection.link.abort()

    def told(self, others: tuple[OtherHub, ...]) -> None:
        """Take what the present hub says of others."""
        if counts_others(self.access):
            self._choice.told(others)
            self.access.known.note(str(self._choice.home), self._choice.others)

    # The rest

    def _remembered(self) -> tuple[OtherHub, ...]:
        return self.access.known.beside(str(self.access.address)) if counts_others(self.access) else ()

    def _access_at(self, address: HubAddress) -> HubAccess:
        access = self.access
        if not self.is_round_over:
            access = replace(access, connect_timeout=min(access.connect_timeout, SHORT_TIMEOUT))
        return access_at(access, address)

    def _welcomed(self, connection: OmnyShellConnection) -> None:
        if HUBS not in connection.features or connection.handshake.welcome is None:
            return
        # Imported late: what dials a hub once and ends has no other use for it.
        from omnyshell.protocol.messages.hubs import MESSAGES

        # Also where it has none to tell of: others may join it while this connection lasts.
        connection.codec.learn(MESSAGES)
        self.told(connection.handshake.welcome.hubs)

    def _take(self, message: ControlMessage) -> bool:
        from omnyshell.protocol.messages.hubs import HubsChanged, HubsMove

        if isinstance(message, HubsChanged):
            self.told(message.hubs)
        elif isinstance(message, HubsMove) and self._on_move is not None and self.has_others:
            step(logger, "asked to go to another hub", address=str(self.at))
            self._on_move()
        return isinstance(message, HubsChanged | HubsMove)

    def _lost(self) -> None:
        self._was_lost = not self._is_leaving
        if self._since is not None:
            self._choice.lost(asyncio.get_running_loop().time() - self._since)
            self._since = None
