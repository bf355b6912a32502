"""A connection for administration (extension `admin`): `async with AdminClient(access) as admin: ...`."""

import asyncio
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from omnyshell.errors import (
    AuthorizationException,
    ErrorCodes,
    ImproperValueException,
    OmnyShellException,
    OmnyShellTimeoutException,
    ProtocolException,
)
from omnyshell.ids import new_id
from omnyshell.model.admin import LockInfo
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import ADMIN, ADMIN_ENDS, FLEET_INVITES, HUBS, LOCKS, OF_ADMIN, SECURITY_KEYS
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import AdminRequest, AdminResult, LocksRequest, LocksResponse, register
from omnyshell.protocol.messages.base import Role
from omnyshell.services.client.asked import check_kind
from omnyshell.services.client.futures import fail_future
from omnyshell.services.dial import HubAccess, dial
from omnyshell.services.failover import HubDialler
from omnyshell.transport.connection import HubAddress, OmnyShellConnection

T = TypeVar("T", bound=AdminRequest)

REQUEST_TIMEOUT = 15.0


class AdminRequestException(OmnyShellException):
    """The hub refused a request; `code` is the reason."""


class AdminClient:
    """Asks a hub as an administrator. Every request has a deadline."""

    def __init__(self, access: HubAccess, *, stays: bool = False) -> None:
        """With `stays` it is this hub that is asked and no other one, also where it hands its peers over."""
        self.access = access
        self._stays = stays
        self._connection: OmnyShellConnection | None = None
        self._waiting: dict[str, asyncio.Future[AdminRequest]] = {}

    async def __aenter__(self) -> Self:
        """Connect. Raises what `dial` raises, and `ProtocolException` where the hub has no administration."""
        dialled = partial(dial, self.access) if self._stays else HubDialler(self.access).dial
        connection = self._connection = await dialled(
            role=Role.CLIENT,
            features=OF_ADMIN - {HUBS} if self._stays else OF_ADMIN,
            incoming="stdout",
            on_message=self._message_received,
            on_lost=self._connection_lost,
            on_improper=self._refused,
            codec=register(FrameCodec()),
        )
        if ADMIN not in connection.features:
            await connection.close()
            raise ProtocolException("this hub cannot be administered over the wire", code=ErrorCodes.BAD_REQUEST)
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    @property
    def address(self) -> HubAddress:
        """The hub that is asked, which may be another one than that of the access. Raises `RuntimeError` before."""
        if self._connection is None:
            raise RuntimeError("not connected")
        return self._connection.address

    async def ask(self, request: AdminRequest, answer: type[T]) -> T:
        """Send a request under a fresh `request_id`, and return its answer.

        Raises `AuthorizationException` or `AdminRequestException` where the hub refuses, `OmnyShellTimeoutException`
        where it does not answer, `TransportException` where the connection is lost.
        """
        self._check_known(request)
        request.request_id = new_id()
        waiting = self._waiting[request.request_id] = asyncio.get_running_loop().create_future()
        try:
            if self._connection is None:
                raise RuntimeError("not connected")
            self._connection.send(request)
            async with asyncio.timeout(REQUEST_TIMEOUT):
                got = await waiting
        except TimeoutError as exc:
            raise OmnyShellTimeoutException("the hub did not answer in time") from exc
        finally:
            del self._waiting[request.request_id]
        if isinstance(got, AdminResult) and not got.ok:
            refused = AuthorizationException if got.code == ErrorCodes.NOT_AUTHORIZED else AdminRequestException
            raise refused(got.message or "the hub refused", code=got.code)
        return check_kind(request, got, answer)

    def _check_known(self, request: AdminRequest) -> None:
        """Raise `AdminRequestException` if the hub lacks an extension for the request.

        It would not answer, or ignore an expiry.
        """
        known = self._connection.features if self._connection is not None else frozenset()
        if request.NEEDS and request.NEEDS not in known:
            text = "this hub is older and does not know this request: update it"
            raise AdminRequestException(text, code=ErrorCodes.BAD_REQUEST)
        if FLEET_INVITES not in known and any(getattr(request, name) is not None for name in request.FLEET):
            text = "this hub is of a version whose invites are for one machine each: nothing was changed"
            raise AdminRequestException(text, code=ErrorCodes.BAD_REQUEST)
        if ADMIN_ENDS not in known and any(getattr(request, name) is not None for name in request.ENDS):
            text = "this hub is of a version that lets tokens end, and no keys or roles: nothing was changed"
            raise AdminRequestException(text, code=ErrorCodes.BAD_REQUEST)

        if SECURITY_KEYS not in known and any(getattr(request, name) is not None for name in request.OF_TOKENS):
            text = "this hub is of a version that knows no keys of hardware tokens: nothing was changed"
            raise AdminRequestException(text, code=ErrorCodes.BAD_REQUEST)

    async def locks(self) -> tuple[LockInfo, ...]:
        """Return the locks; none at a hub without the extension `locks`. Raises as `ask` does."""
        if self._connection is None or LOCKS not in self._connection.features:
            return ()
        return (await self.ask(LocksRequest(request_id=""), LocksResponse)).locks

    async def do(self, request: AdminRequest) -> AdminResult:
        """Have an action done; raises as `ask` does."""
        return await self.ask(request, AdminResult)

    def _message_received(self, message: ControlMessage, _channel: int | None) -> None:
        if isinstance(message, AdminRequest):
            waiting = self._waiting.get(message.request_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    def _refused(self, error: ImproperValueException) -> None:
        waiting = self._waiting.get(error.request_id or "")
        if waiting is not None:
            fail_future(waiting, error)

    def _connection_lost(self, error: OmnyShellException) -> None:
        for waiting in self._waiting.values():
            fail_future(waiting, error)
