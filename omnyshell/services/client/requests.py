"""A client's pending requests: by request id, pings by their id, and listings by the order of requests."""

import asyncio
from collections import deque
from typing import Any, TypeVar

from omnyshell.errors import ImproperValueException, OmnyShellException, OmnyShellTimeoutException
from omnyshell.ids import new_id
from omnyshell.protocol.messages import ControlMessage, NodeListResponse, Pong
from omnyshell.services.client.futures import fail_future

T = TypeVar("T")


class PendingRequests:
    """The unanswered requests of one client; each has `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._lists: deque[asyncio.Future[Any]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._lists)

    def begin(self, request_id: str = "") -> tuple[str, asyncio.Future[Any]]:
        """Return a request id, fresh if none is given, and a future for its answer. The caller must call `end`."""
        request_id = request_id or new_id()
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        return request_id, answer

    def end(self, request_id: str) -> None:
        """Stop waiting for this answer. Idempotent."""
        self._waiting.pop(request_id, None)

    def begin_list(self) -> asyncio.Future[NodeListResponse]:
        """Return a future for the next listing that no earlier request waits for.

        Listings have no ids and come in the order of requests, so an abandoned request keeps its place in the queue.
        """
        answer: asyncio.Future[NodeListResponse] = asyncio.get_running_loop().create_future()
        self._lists.append(answer)
        return answer

    async def answered(self, answer: asyncio.Future[T]) -> T:
        """Wait for an answer. Raises `OmnyShellTimeoutException`, or the error that the answer was failed with."""
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError as exc:
            raise OmnyShellTimeoutException("the hub did not answer in time") from exc

    def settle(self, message: ControlMessage) -> None:
        """Handle a message; one that answers no request is ignored."""
        answer: asyncio.Future[Any] | None
        if isinstance(message, NodeListResponse):
            answer = self._lists.popleft() if self._lists else None
        else:
            answer = self._waiting.get(message.id if isinstance(message, Pong) else getattr(message, "request_id", ""))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def refuse(self, error: ImproperValueException) -> None:
        """Fail the request whose answer has an improper value, if it is the answer to one."""
        if error.message_type == NodeListResponse.TYPE and self._lists:
            fail_future(self._lists.popleft(), error)
        if (answer := self._waiting.get(error.request_id or "")) is not None:
            fail_future(answer, error)

    def fail(self, error: OmnyShellException) -> None:
        """Fail all pending requests."""
        for answer in (*self._lists, *self._waiting.values()):
            fail_future(answer, error)
        self._lists.clear()
