"""What the console knows a hub by: a client for its sessions, and the means to administer it."""

import asyncio
import math
from collections.abc import Callable

from omnyshell.errors import AuthException, ConfigException, OmnyShellException, TransportException
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess
from omnyshell.transport.backoff import Backoff, BackoffTimes

FIRST_TRIES = BackoffTimes(shortest=0.1, first_ceiling=0.5, last_ceiling=10.0)


class HubLink:
    """One hub, reached over the wire; it is dialed again by itself for as long as the console runs."""

    def __init__(self) -> None:
        self._access: HubAccess | None = None
        self._client: OmnyShellClient | None = None

    @property
    def access(self) -> HubAccess:
        """How the hub is reached. Raises `TransportException` before `use`."""
        if self._access is None:
            raise TransportException("no hub has been chosen yet")
        return self._access

    @property
    def client(self) -> OmnyShellClient:
        """The client that sessions, tunnels and listings go through. Raises `TransportException` before `use`."""
        if self._client is None:
            raise TransportException("no hub has been chosen yet")
        return self._client

    def use(self, access: HubAccess) -> None:
        """Choose the hub; `run` connects to it."""
        self._access = access
        self._client = OmnyShellClient(ClientConfig(access=access, reconnect_timeout=math.inf))

    def admin(self) -> AdminClient:
        """A connection for administration: `async with link.admin() as admin`."""
        return AdminClient(self.access)

    async def run(self, on_refused: Callable[[OmnyShellException], None]) -> None:
        """Keep the client connected until cancelled; `on_refused` is told where the hub refuses the login."""
        backoff = Backoff(times=FIRST_TRIES)
        while True:
            try:
                await self.client.connect()
                break
            except (AuthException, ConfigException) as exc:
                on_refused(exc)
                return
            except OmnyShellException:
                await asyncio.sleep(backoff.next_delay())

    async def close(self) -> None:
        """End the connection, and what goes through it. Idempotent."""
        if self._client is not None:
            await self._client.close()
