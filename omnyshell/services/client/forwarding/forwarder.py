"""Listens on this machine, and carries each connection to its target at a node."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from omnyshell.errors import ConfigException, ErrorCodes, OmnyShellException, SessionRejectedException
from omnyshell.model.targets import Target
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.forwarding.ahead import ConnectionsAhead
from omnyshell.services.client.forwarding.connection import LocalConnection
from omnyshell.services.client.forwarding.places import Forward, Place
from omnyshell.services.client.forwarding.sessions import ask_for_connection, dial, open_permission
from omnyshell.services.client.resumer import NODE_TIMES
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import LinkState
from omnyshell.transport.backoff import Backoff
from omnyshell.transport.listening import why_not

BACKLOG = 512
"""Connections that may wait to be accepted: programs open many at once."""

HELD_LONG = 10.0
"""Seconds after which the end of a permission is a new outage, whose first questions follow one another quickly."""

_PRIVATE = 0o177
_FOR_GOOD = frozenset((ErrorCodes.NOT_AUTHORIZED, ErrorCodes.BAD_REQUEST, "forbidden"))
"""Reasons that do not go away by waiting."""


class Forwarder:
    """Forwards to one node, an async context manager.

    It outlives a lost hub and a restarted node: who connects meanwhile waits, and connections go on where the hub was
    lost. Its client has to reconnect for as long as that may take.
    """

    def __init__(
        self,
        client: OmnyShellClient,
        node_id: str,
        forwards: Sequence[Forward] = (),
        socks: Sequence[Place] = (),
        *,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`socks` is where a proxy listens whose targets each connection names; `tell` is told what goes wrong."""
        self._client = client
        self._node_id = node_id
        self._forwards = forwards
        self._socks = socks
        self._tell = tell
        self._servers: list[asyncio.Server] = []
        self._paths: list[str] = []
        self._connections: set[LocalConnection] = set()
        self._permission: RemoteSession | None = None
        self._permitted = asyncio.Event()
        self._backoff = Backoff(times=NODE_TIMES)
        self._backoff.begin_outage()
        self._ahead = ConnectionsAhead(self._ask_ahead)
        self.listening: list[tuple[Place, Target | None]] = []
        """Where it listens, with the ports that were taken; without a target where that is a proxy."""

    async def __aenter__(self) -> Self:
        """Ask for permission, and listen.

        Raises as `open_permission` does, and `ConfigException` where something cannot be listened on.
        """
        await self._ask()
        try:
            for forward in self._forwards:
                await self._listen(forward.place, forward.target)
            for place in self._socks:
                await self._listen(place, None)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def serve(self) -> None:
        """Keep the permission; returns never, and raises `OmnyShellException` where it is taken away."""
        while True:
            if self._permission is not None:
                await self._held(self._permission)
            await asyncio.sleep(self._backoff.next_delay())
            try:
                await self._ask()
            except OmnyShellException as exc:
                if exc.code in _FOR_GOOD:
                    raise

    async def close(self) -> None:
        """Stop listening, and end all connections. Idempotent."""
        for server in self._servers:
            server.close()
        _remove(self._paths)
        self._paths.clear()
        permission, self._permission = self._permission, None
        for connection in list(self._connections):
            await connection.close()
        self._ahead.close()
        if permission is not None:
            permission.close()

    async def _ask(self) -> None:
        targets = [forward.target for forward in self._forwards]
        shown = ", ".join([*map(str, self._forwards), *(f"{place} -> socks" for place in self._socks)])
        permission = await open_permission(self._client, self._node_id, targets, shown)
        permission.on_state = self._permission_changed
        self._permission = permission
        self._permitted.set()

    def _permission_changed(self, state: LinkState) -> None:
        if state is LinkState.RECONNECTING:
            self._permitted.clear()
            self._ahead.begin_anew()
            if self._permission is not None:
                self._tell(f"{self._permission.lost_by}; waiting for it")
        elif state in (LinkState.RESUMED, LinkState.RESET):
            self._permitted.set()
            self._tell("the forward goes on")

    async def _held(self, permission: RemoteSession) -> None:
        """Return once a permission has ended that can be asked for again."""
        why = "the node has ended the forward"
        since = asyncio.get_running_loop().time()
        try:
            await permission.wait()
        except OmnyShellException as exc:
            if permission.lost_by is None:
                raise
            why = exc.message
        finally:
            self._permitted.clear()
            self._ahead.begin_anew()
            self._permission = None
            permission.close()
        if asyncio.get_running_loop().time() - since >= HELD_LONG:
            self._backoff.begin_outage()
        self._tell(f"{why}; asking for it again")

    async def until_permitted(self) -> None:
        """Return when connections can be asked for."""
        await self._permitted.wait()

    def connect(self, target: Target, early: bytes, *, anew: bool = False) -> RemoteSession:
        """Ask for a connection to a target, or unless `anew` use one that was, with what there is to send.

        Raises as `ask_for_connection` does.
        """
        permission = self._permission
        if permission is None:
            raise SessionRejectedException("the forward has been closed", code=ErrorCodes.NOT_AUTHORIZED)
        ahead = None if anew else self._ahead.take(target)
        session = ahead or ask_for_connection(self._client, permission, target)
        if early:
            session.send(early)
        elif ahead is not None:
            dial(ahead)
        return session

    def prepare(self, target: Target) -> None:
        """Ask for the next connection to a target ahead."""
        self._ahead.prepare(target)

    def _ask_ahead(self, target: Target) -> RemoteSession | None:
        permission = self._permission
        if permission is None or not (permission.allows_ahead and self._permitted.is_set()):
            return None
        return ask_for_connection(self._client, permission, target, ahead=True)

    async def until_open(self, session: RemoteSession) -> None:
        """Return when a connection is made. Raises as `OmnyShellClient.until_open` does."""
        await self._client.until_open(session)

    async def _listen(self, place: Place, target: Target | None) -> None:
        loop = asyncio.get_running_loop()

        def made() -> asyncio.BaseProtocol:
            return LocalConnection(target, self, self._tell, self._connections).stream

        try:
            if place.port is None:
                _make_room(place.host)
                server = await loop.create_unix_server(made, sock=_private_socket(place.host), backlog=BACKLOG)
                self._paths.append(place.host)
            else:
                server = await loop.create_server(made, place.host or None, place.port, backlog=BACKLOG)
                place = place._replace(port=server.sockets[0].getsockname()[1])
        except OSError as exc:
            raise ConfigException(_why_not(place, exc)) from exc
        self._servers.append(server)
        self.listening.append((place, target))


def _why_not(place: Place, error: OSError) -> str:
    if place.port is not None:
        return why_not(str(place), error)
    why = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        is_socket = Path(place.host).is_socket()
        why = "somebody does already" if is_socket else "something of that name is there, and is left as it is"
    return f"cannot listen on {place}: {why}"


def _private_socket(path: str) -> socket.socket:
    """Return a socket that listens at a path to which its owner alone can connect. Raises `OSError`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_PRIVATE)
    try:
        listener.bind(path)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


def _remove(paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(OSError):
            Path(path).unlink()


def _make_room(path: str) -> None:
    """Remove a socket that nobody listens on any more. Raises `OSError` where somebody does."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
                return
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
