"""Listing and closing forwards, over whichever connection they were opened."""

from collections.abc import Awaitable, Callable
from typing import Any

from omnyshell.errors import SessionRejectedException
from omnyshell.model.forwards import ForwardInfo
from omnyshell.protocol.extensions import FORWARD
from omnyshell.protocol.messages.forwards import (
    MESSAGES,
    ForwardCloseRequest,
    ForwardCloseResponse,
    ForwardsRequest,
    ForwardsResponse,
)
from omnyshell.transport.connection import OmnyShellConnection


class ForwardRequests:
    """The requests of one client about this principal's forwards.

    Raises `SessionRejectedException` at a hub without the extension `forward`, beside what every request raises.
    """

    def __init__(
        self, ask: Callable[[Any, type[Any]], Awaitable[Any]], link: Callable[[], OmnyShellConnection]
    ) -> None:
        self._ask = ask
        self._link = link

    async def list(self) -> tuple[ForwardInfo, ...]:
        """Return the forwards, oldest first."""
        self._prepare()
        answer: ForwardsResponse = await self._ask(ForwardsRequest(request_id=""), ForwardsResponse)
        return answer.forwards

    async def close(self, ref: str) -> None:
        """Close one with its connections. Raises `SessionRejectedException`, `not_found`, unless `ref` names one."""
        self._prepare()
        request = ForwardCloseRequest(request_id="", forward_ref=ref)
        answer: ForwardCloseResponse = await self._ask(request, ForwardCloseResponse)
        if not answer.ok:
            raise SessionRejectedException(answer.message or "no such forward", code="not_found")

    def _prepare(self) -> None:
        connection = self._link()
        connection.require(FORWARD)
        connection.codec.learn(MESSAGES)
