"""Requests that wait for an answer with the same request id."""

import asyncio
from typing import Any

from omnyshell.errors import ImproperValueException, OmnyShellException
from omnyshell.ids import new_id
from omnyshell.services.client.futures import fail_future


class PendingRequests:
    """The requests of one client that have not been answered."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Any]] = {}

    def begin(self) -> tuple[str, asyncio.Future[Any]]:
        """Return a fresh request id, and what its answer will be set on; whoever asks has to `end` it."""
        request_id = new_id()
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        return request_id, answer

    def end(self, request_id: str) -> None:
        """Wait for this answer no longer. Idempotent."""
        self._waiting.pop(request_id, None)

    def settle(self, message: Any) -> None:
        """Take a message; one that answers nothing is ignored."""
        answer = self._waiting.get(getattr(message, "request_id", ""))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def refuse(self, error: ImproperValueException) -> None:
        """Fail the request whose answer was refused; one that answers nothing is ignored."""
        answer = self._waiting.get(error.request_id or "")
        if answer is not None:
            fail_future(answer, error)

    def fail(self, error: OmnyShellException) -> None:
        """Fail everything that waits."""
        for answer in self._waiting.values():
            fail_future(answer, error)
