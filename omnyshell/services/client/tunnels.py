"""The client's side of tunnels: requests for them, and connections to targets on its own machine."""

import asyncio
from datetime import datetime
from typing import TypeVar

from omnyshell.clock import Clock
from omnyshell.errors import (
    ImproperValueException,
    OmnyShellException,
    OmnyShellTimeoutException,
    ProtocolException,
    TunnelRejectedException,
)
from omnyshell.hosts import dialled_host
from omnyshell.ids import new_id
from omnyshell.model.tunnels import LOCAL_EXPOSER, TunnelInfo, TunnelProtocol
from omnyshell.protocol.messages import (
    ControlMessage,
    NodeTunnelConnect,
    TunnelCloseRequest,
    TunnelCloseResponse,
    TunnelListRequest,
    TunnelListResponse,
    TunnelOpened,
    TunnelOpenRequest,
    TunnelRejected,
)
from omnyshell.protocol.messages.detached import Request
from omnyshell.services.client.asked import check_kind, check_opened, check_tunnels
from omnyshell.services.client.futures import fail_future
from omnyshell.services.exposer.exposer import TunnelExposer
from omnyshell.transport.connection import OmnyShellConnection

A = TypeVar("A", bound=Request)

_ANSWERS = (TunnelOpened, TunnelRejected, TunnelCloseResponse, TunnelListResponse)


class OwnTunnels:
    """The targets of this machine for which the client opened tunnels; the hub may connect to no others."""

    def __init__(self) -> None:
        self._targets: dict[str, tuple[str, int]] = {}

    def __len__(self) -> int:
        return len(self._targets)

    def allows(self, tunnel_id: str, host: str, port: int) -> bool:
        """Tell whether this is the target that the tunnel was opened for."""
        return self._targets.get(tunnel_id) == (host, port)

    def add(self, tunnel_id: str, host: str, port: int) -> None:
        """Allow a tunnel's target."""
        self._targets[tunnel_id] = (host, port)

    def remove(self, tunnel_id: str) -> None:
        """Stop allowing a tunnel's target. Idempotent."""
        self._targets.pop(tunnel_id, None)

    def clear(self) -> None:
        """Remove all targets: tunnels to this machine end with the connection."""
        self._targets.clear()


class ClientTunnels:
    """The tunnel requests of one client, and the targets on its machine. Every request has a deadline."""

    def __init__(self, request_timeout: float, clock: Clock) -> None:
        self._clock = clock
        self._request_timeout = request_timeout
        self._pending: dict[str, asyncio.Future[Request]] = {}
        self._opening: dict[str, TunnelOpenRequest] = {}
        self._own = OwnTunnels()
        self._exposer = TunnelExposer(self._own)

    @property
    def has_own(self) -> bool:
        """Whether there are tunnels to this machine, which end with the connection."""
        return len(self._own) > 0

    async def open(self, connection: OmnyShellConnection, request: TunnelOpenRequest) -> TunnelInfo:
        """Ask for a tunnel. Raises `TunnelRejectedException` with the hub's reason in `code`."""
        request.target_host = dialled_host(request.target_host)
        self._opening[request.request_id] = request
        try:
            answer = await self._ask(connection, request, Request)
        finally:
            self._opening.pop(request.request_id, None)
        if isinstance(answer, TunnelRejected):
            raise TunnelRejectedException(answer.message, code=answer.reason)
        opened = check_kind(request, answer, TunnelOpened)
        try:
            check_opened(request, opened)
        except ProtocolException:
            self._own.remove(opened.tunnel_id)
            connection.send(TunnelCloseRequest(request_id=new_id(), tunnel_ref=opened.tunnel_id))
            raise
        return _info(request, opened, connection, self._clock.now())

    async def close_one(self, connection: OmnyShellConnection, ref: str) -> None:
        """Close a tunnel. Raises `TunnelRejectedException` (`not_found`) where the hub does not find it."""
        request = TunnelCloseRequest(request_id=new_id(), tunnel_ref=ref)
        answer = await self._ask(connection, request, TunnelCloseResponse)
        if not answer.ok:
            raise TunnelRejectedException(answer.message or "The hub did not close the tunnel", code="not_found")

    async def list(self, connection: OmnyShellConnection) -> tuple[TunnelInfo, ...]:
        """Return the caller's tunnels."""
        request = TunnelListRequest(request_id=new_id())
        tunnels = (await self._ask(connection, request, TunnelListResponse)).tunnels
        check_tunnels(tunnels, connection.principal)
        return tunnels

    def message_received(self, connection: OmnyShellConnection, message: ControlMessage, channel: int | None) -> bool:
        """Handle a message about tunnels; return False for other messages."""
        if isinstance(message, NodeTunnelConnect) and channel is not None:
            self._exposer.connect(connection, channel, message)
            return True
        if not isinstance(message, _ANSWERS):
            return False
        # Only the first answer counts: later ones open nothing.
        request = self._opening.pop(message.request_id, None)
        if isinstance(message, TunnelOpened):
            self._opened(connection, request, message)
        waiting = self._pending.get(message.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)
        return True

    def refuse(self, error: ImproperValueException) -> None:
        """Fail the request whose answer has an improper value."""
        waiting = self._pending.get(error.request_id or "")
        if waiting is not None:
            fail_future(waiting, error)

    def connection_lost(self, error: OmnyShellException) -> None:
        """Fail all pending requests."""
        self._own.clear()
        for waiting in self._pending.values():
            fail_future(waiting, error)

    async def close(self) -> None:
        """End every connection to a target of this machine."""
        await self._exposer.close()

    def _opened(
        self, connection: OmnyShellConnection, request: TunnelOpenRequest | None, message: TunnelOpened
    ) -> None:
        if request is None:
            # The caller has given up, and would never close the tunnel.
            connection.send(TunnelCloseRequest(request_id=new_id(), tunnel_ref=message.tunnel_id))
        elif request.node_id == LOCAL_EXPOSER:
            # Allow the target at once: the next message may be the first connection.
            self._own.add(message.tunnel_id, request.target_host, request.target_port)

    async def _ask(self, connection: OmnyShellConnection, request: Request, expected: type[A]) -> A:
        waiting = self._pending[request.request_id] = asyncio.get_running_loop().create_future()
        try:
            connection.send(request)
            async with asyncio.timeout(self._request_timeout):
                answer = await waiting
        except TimeoutError as exc:
            raise OmnyShellTimeoutException("the hub did not answer in time") from exc
        finally:
            del self._pending[request.request_id]
        return check_kind(request, answer, expected)


def _info(
    request: TunnelOpenRequest, answer: TunnelOpened, connection: OmnyShellConnection, opened_at: datetime
) -> TunnelInfo:
    return TunnelInfo(
        tunnel_id=answer.tunnel_id,
        node_id=request.node_id,
        owner_user_id=connection.principal,
        target_host=request.target_host,
        target_port=request.target_port,
        public_host=answer.public_host or connection.address.host,
        public_port=answer.public_port,
        secure=answer.secure,
        protocol=TunnelProtocol(answer.protocol),
        created_at=opened_at,
        persist=request.persist,
    )
