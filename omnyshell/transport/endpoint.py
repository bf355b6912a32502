"""The hub's listening port: accepts connections, does TLS, and limits connections that have not logged in."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from omnyshell.errors import TransportException
from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.transport.bound_sockets import BoundSockets, places_of
from omnyshell.transport.introductions import Introductions
from omnyshell.transport.link_handler import LinkHandler
from omnyshell.transport.listener import Listener, first_byte
from omnyshell.transport.listening import why_not
from omnyshell.transport.plain_http import HttpResponder
from omnyshell.transport.serve_tls import serve_tls
from omnyshell.transport.server_link import ServerLink
from omnyshell.transport.short_turns import ShortTurns
from omnyshell.transport.strangers import Stranger, StrangerLimit, Strangers
from omnyshell.transport.turnstile import Turnstile

OnConnection = Callable[[], "LinkOwner"]
"""Makes the handler of a new connection."""

BACKLOG = 4096
TLS_SHUTDOWN_TIMEOUT = 1.0

MAX_BEFORE_LOGIN = StrangerLimit(600, 30, 1_200)
MAX_BEFORE_LOGIN_BY_ADDRESS = StrangerLimit(200, 30, 400)
"""The limit of one address is reached long before the limit of all together."""


class LinkOwner(LinkHandler, Protocol):
    """A handler that gets its link before the link opens."""

    link: ServerLink


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Limits of connections, mostly before their login. Times in seconds."""

    tls_timeout: float = 10.0
    upgrade_timeout: float = 10.0
    max_connections: int = 10_000
    """The most connections that have logged in."""

    max_before_login: StrangerLimit = MAX_BEFORE_LOGIN
    max_before_login_by_address: StrangerLimit = MAX_BEFORE_LOGIN_BY_ADDRESS
    """The limit for addresses without a recent successful login."""

    def __post_init__(self) -> None:
        for name in ("max_before_login", "max_before_login_by_address"):
            value = getattr(self, name)
            if isinstance(value, int):
                # Plain numbers are accepted as in version 0.1.
                object.__setattr__(self, name, StrangerLimit.exactly(value))


class WsServerEndpoint:
    """Listens on a port of a host, and of those `also_on`.

    The owner calls `logged_in` and `closed` for its links, and closes `introductions`. `is_known` tells whether a
    network (`network_of`) had successful logins recently.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        on_connection: OnConnection,
        limits: EndpointLimits | None = None,
        *,
        responder: HttpResponder | None = None,
        is_known: Callable[[str], bool] = lambda _network: False,
        introductions: Introductions | None = None,
        also_on: Sequence[str] = (),
        on_refused: Callable[[str, ssl.SSLError], None] = lambda _address, _error: None,
    ) -> None:
        """`on_refused` is told of each address whose TLS handshake failed, and how; it may not raise."""
        self._host = host
        self._also_on = also_on
        self._port = port
        self._tls = tls
        self._on_connection = on_connection
        self.limits = limits or EndpointLimits()
        self._responder = responder
        self._on_refused = on_refused
        self._introductions = introductions or Introductions()
        self.strangers = Strangers(self.limits.max_before_login, self.limits.max_before_login_by_address, is_known)
        self._bound = BoundSockets(port, BACKLOG)
        self._listener: Listener | None = None
        self._handshakes: Turnstile | None = None
        self._turns: ShortTurns | None = None
        self._admitting: set[asyncio.Task[None]] = set()
        self._links: dict[ServerLink, Stranger] = {}
        """The links that have not logged in."""

        self._members: set[ServerLink] = set()

    @property
    def port(self) -> int:
        """The bound port; if port 0 was requested, the one that the system chose."""
        return self._bound.port

    @property
    def connections(self) -> int:
        """The number of connections, logged in or not."""
        return len(self.strangers) + len(self._members)

    def use_tls(self, tls: ssl.SSLContext) -> None:
        """Use another certificate for new connections; open ones are not affected."""
        self._tls = tls

    def use_limits(self, limits: EndpointLimits) -> None:
        """Use other limits for new connections; open ones are not affected."""
        self.limits = limits
        self.strangers.in_all, self.strangers.by_address = limits.max_before_login, limits.max_before_login_by_address

    async def start(self) -> None:
        """Bind and begin to accept. Raises `TransportException` if the address is not available."""
        self._handshakes, self._turns = Turnstile(), ShortTurns()
        await self._listen((self._host, *self._also_on), self._port)

    async def listen_also(self, hosts: Sequence[str]) -> None:
        """Listen on the host of the start and on these, from now on, and on no others; connections are not affected.

        Raises `TransportException`, and listens where it did before, if an address is not available.
        """
        await self._listen((self._host, *hosts), self.port)
        self._also_on = hosts

    async def _listen(self, hosts: Sequence[str], port: int) -> None:
        try:
            places = await places_of(hosts)
            if self._listener is not None:
                self._listener.release()
            try:
                self._bound.bind(places)
            finally:
                self._listener = Listener(self._bound.sockets, self._introductions.before(self._accepted))
        except OSError as exc:
            where = " and ".join(f"{host or '*'}:{port}" for host in hosts)
            raise TransportException(why_not(where, exc)) from exc

    def logged_in(self, link: ServerLink) -> None:
        """Count a connection among those that have logged in."""
        self._members.add(link)
        link.doorkeeper = None
        self._no_stranger(link)

    def closed(self, link: ServerLink) -> None:
        """Forget a connection. Idempotent."""
        self._members.discard(link)
        self._no_stranger(link)

    async def stop_accepting(self) -> None:
        """Close the port, and connections in the TLS handshake."""
        if self._listener is not None:
            self._listener.close()
        tasks = list(self._admitting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def abort_all(self) -> None:
        """Abort all remaining connections."""
        for link in [*self._members, *self._links]:
            link.abort()

    def _no_stranger(self, link: ServerLink) -> None:
        stranger = self._links.pop(link, None)
        if stranger is not None:
            self.strangers.leave(stranger)

    def _accepted(self, sock: socket.socket, address: str) -> None:
        """Accept a new connection, or close it before it costs anything."""
        loop = asyncio.get_running_loop()
        # Connections before login have limits of their own, so they cannot keep others from logging in.
        has_room = len(self._members) < self.limits.max_connections
        stranger = self.strangers.admit(address, loop.time()) if has_room else None
        if stranger is None:
            sock.close()
            return
        task = loop.create_task(self._admit(sock, address, stranger))
        stranger.cut = task.cancel
        self._admitting.add(task)
        task.add_done_callback(self._admitting.discard)
        # A task that is cancelled before it runs cannot close the socket itself.
        task.add_done_callback(lambda task: sock.close() if task.cancelled() else None)

    async def _admit(self, sock: socket.socket, address: str, stranger: Stranger) -> None:
        """Do the TLS handshake, and give the connection a handler."""
        link: ServerLink | None = None
        try:
            # A silent peer costs only a socket, no TLS state.
            async with asyncio.timeout(self.limits.tls_timeout):
                await first_byte(sock)
            if self._handshakes is not None:
                await self._handshakes.through()
            link = await self._handshake(sock, address, stranger)
        except (OSError, TimeoutError) as exc:
            sock.close()
            if isinstance(exc, ssl.SSLError):
                self._on_refused(address, exc)
        finally:
            self._settle(stranger, link)

    def _settle(self, stranger: Stranger, link: ServerLink | None) -> None:
        """Keep the entry of a connection whose link exists and has not logged in; remove any other."""
        if link is None or link.has_ended or link in self._members:
            self.strangers.leave(stranger)
        else:
            stranger.cut = link.abort
            self._links[link] = stranger

    def _arrived(self, stranger: Stranger, link: ServerLink, view: memoryview) -> None:
        """Pass on what a stranger has sent, in turns with all others."""
        if not self.strangers.may_receive(stranger, len(view)):
            link.abort()
        elif self._turns is not None:
            self._turns.take(link, view)

    async def _handshake(self, sock: socket.socket, address: str, stranger: Stranger) -> ServerLink:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        owner = self._on_connection()
        link = owner.link = ServerLink(
            owner, MAX_DATA_FRAME, self.limits.upgrade_timeout, self._responder, peer_address=address
        )
        link.doorkeeper = partial(self._arrived, stranger, link)
        try:
            await serve_tls(
                lambda: link,
                sock,
                self._tls,
                handshake_timeout=self.limits.tls_timeout,
                shutdown_timeout=TLS_SHUTDOWN_TIMEOUT,
            )
        except BaseException:
            sock.close()
            # The link had no transport that would call this, and its owner must be removed.
            link.connection_lost(None)
            raise
        return link
