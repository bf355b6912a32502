"""The console's link to a hub: its live state, a client for sessions, and connections for administration."""

import asyncio
import math
from contextlib import suppress

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import AuthException, ConfigException, OmnyShellException, TransportException
from omnyshell.services.client.admin import AdminClient
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState
from omnyshell.services.dial import HubAccess
from omnyshell.services.failover import access_at, counts_others
from omnyshell.transport.backoff import Backoff, BackoffTimes
from omnyshell.transport.connection import HubAddress

FIRST_TRIES = BackoffTimes(shortest=0.1, first_ceiling=0.5, last_ceiling=10.0)


class HubLink:
    """The link to one hub, which is dialed again automatically while the console runs."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.state = HubState(clock or SystemClock())
        self.connected = asyncio.Event()
        """Set once the client has been connected a first time."""

        self._access: HubAccess | None = None
        self._client: OmnyShellClient | None = None
        self._feed: LiveFeed | None = None
        self._looks = False

    @property
    def access(self) -> HubAccess:
        """How the hub is reached. Raises `TransportException` before `use`."""
        if self._access is None:
            raise TransportException("no hub has been chosen yet")
        return self._access

    @property
    def url(self) -> str:
        """The hub's URL; "" before `use`."""
        return str(self._access.address) if self._access is not None else ""

    @property
    def client(self) -> OmnyShellClient:
        """The client that sessions, tunnels and listings go through. Raises `TransportException` before `use`."""
        if self._client is None:
            raise TransportException("no hub has been chosen yet")
        return self._client

    @property
    def principal(self) -> str:
        """The logged-in principal, as the hub confirmed it; "" while unknown."""
        with suppress(OmnyShellException):
            return self.client.identity.principal
        return ""

    def use(self, access: HubAccess) -> None:
        """Choose the hub; `run` connects to it."""
        self._access = access
        self._client = OmnyShellClient(ClientConfig(access=access, reconnect_timeout=math.inf, node_timeout=math.inf))

    def admin(self) -> AdminClient:
        """A connection for administration: `async with link.admin() as admin`."""
        return AdminClient(self.access)

    def admin_at(self, url: str) -> AdminClient:
        """A connection for the administration of another of the hubs, and of no third one.

        Raises `ConfigException` where it has no address, or the console does not name the authority that vouches for
        hubs.
        """
        if not url:
            raise ConfigException("that hub does not say where it is reached: set `public-url` there")
        if not counts_others(self.access):
            raise ConfigException("only where `ca` is set may another hub be dialled: run `omnyshell hub drain` there")
        return AdminClient(access_at(self.access, HubAddress.parse(url)), stays=True)

    async def run(self) -> None:
        """Keep client and state connected until cancelled, or until the hub refuses the login: see `state.link`.

        The connection is closed when this returns or raises.
        """
        feed = self._feed = LiveFeed(self.access, self.state)
        feed.look(looks=self._looks)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed.run())
                tasks.create_task(self._connect())
        finally:
            await self.close()

    def look(self, *, looks: bool) -> None:
        """Have nodes' vitals told while they are shown. Idempotent."""
        self._looks = looks
        if self._feed is not None:
            self._feed.look(looks=looks)

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        if self._client is not None:
            await self._client.close()

    async def _connect(self) -> None:
        """Connect the client for the first time; after that it reconnects by itself."""
        backoff = Backoff(times=FIRST_TRIES)
        while True:
            try:
                await self.client.connect()
            except (AuthException, ConfigException):
                return
            except OmnyShellException:
                await asyncio.sleep(backoff.next_delay())
            else:
                self.connected.set()
                return
